//! ELF headers and Xen notes, read as Xen's libelf reads them.

use super::ImageError;
use super::reader::Reader;

/// What an ELF kernel offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elf {
    /// 32 or 64.
    pub bits: u8,
    /// Whether it has notes of the owner "Xen".
    pub xen_notes: bool,
    /// Whether its notes, or its `__xen_guest` section, let it start as a PV guest.
    pub pv: bool,
    /// Whether it has a PVH entry point (`XEN_ELFNOTE_PHYS32_ENTRY`).
    pub pvh: bool,
}

pub(super) fn inspect(image: Reader<'_>) -> Result<Elf, ImageError> {
    let header = Header::read(image)?;
    header.check_tables(image)?;
    header.check_segments(image)?;
    let notes = Notes::read(image, &header);
    Ok(Elf {
        bits: if header.wide { 64 } else { 32 },
        xen_notes: notes.found,
        pv: if notes.found {
            notes.system && notes.version
        } else {
            has_guest_section(image, &header)
        },
        pvh: notes.phys32_entry,
    })
}

struct Header {
    wide: bool,
    segments: Table,
    sections: Table,
    name_section: u16,
}

/// `count` entries of `stride` bytes.
struct Table {
    at: u64,
    stride: u16,
    count: u16,
}

impl Table {
    fn entry(&self, index: u16) -> Option<u64> {
        self.at.checked_add(u64::from(self.stride) * u64::from(index))
    }

    fn entries(&self) -> impl Iterator<Item = (u16, u64)> {
        (0..self.count).map_while(|index| Some((index, self.entry(index)?)))
    }

    fn end(&self) -> u64 {
        self.at.saturating_add(u64::from(self.stride) * u64::from(self.count))
    }
}

impl Header {
    fn read(image: Reader<'_>) -> Result<Self, ImageError> {
        let wide = image.u8(4) == Some(2);
        let big_endian = image.u8(5) == Some(2);
        let end = if wide { 64 } else { 52 };
        let whole = image.bytes(0, end).is_some();
        let cut = ImageError::Truncated { part: "the ELF header", end, size: image.size() };
        let read = || {
            let machine = image.u16(18)?;
            let (segments_at, sections_at, rest) = if wide {
                (image.u64(32)?, image.u64(40)?, 54)
            } else {
                (image.u32(28)?.into(), image.u32(32)?.into(), 42)
            };
            let header = Self {
                wide,
                segments: Table {
                    at: segments_at,
                    stride: image.u16(rest)?,
                    count: image.u16(rest + 2)?,
                },
                sections: Table {
                    at: sections_at,
                    stride: image.u16(rest + 4)?,
                    count: image.u16(rest + 6)?,
                },
                name_section: image.u16(rest + 8)?,
            };
            Some((machine, header))
        };
        match read() {
            Some((machine, header)) if whole => match machine {
                EM_386 | EM_X86_64 if !big_endian => Ok(header),
                other => Err(ImageError::Machine(other)),
            },
            _ => Err(cut),
        }
    }

    /// As `elf_init` does. A stripped `vmlinux` has its section headers last, so a truncated one is
    /// mostly found here.
    fn check_tables(&self, image: Reader<'_>) -> Result<(), ImageError> {
        let tables = [
            ("the program headers", self.segments.end()),
            ("the section headers", self.sections.end()),
        ];
        match tables.into_iter().find(|(_, end)| *end > image.size()) {
            Some((part, end)) => Err(ImageError::Truncated { part, end, size: image.size() }),
            None => Ok(()),
        }
    }

    /// `elf_load_binary` marks the file broken when a segment leaves it, and goes on; the guest
    /// would start with zeroes there.
    fn check_segments(&self, image: Reader<'_>) -> Result<(), ImageError> {
        let segments =
            self.segments.entries().filter_map(|(n, at)| Some((n, self.segment(image, at)?)));
        for (n, segment) in segments.filter(|(_, s)| s.kind == PT_LOAD && s.flags & PF_RWX != 0) {
            let end = segment.offset.saturating_add(segment.file_size);
            if end > image.size() {
                let part = "the program segments";
                return Err(ImageError::Truncated { part, end, size: image.size() });
            }
            if segment.file_size > segment.memory_size {
                return Err(ImageError::Segment(n));
            }
        }
        Ok(())
    }

    fn segment(&self, image: Reader<'_>, at: u64) -> Option<Segment> {
        let word = |offset| image.u32(at.checked_add(offset)?);
        let long = |offset| image.u64(at.checked_add(offset)?);
        Some(if self.wide {
            Segment {
                kind: word(0)?,
                flags: word(4)?,
                offset: long(8)?,
                file_size: long(32)?,
                memory_size: long(40)?,
            }
        } else {
            Segment {
                kind: word(0)?,
                flags: word(24)?,
                offset: word(4)?.into(),
                file_size: word(16)?.into(),
                memory_size: word(20)?.into(),
            }
        })
    }

    fn section(&self, image: Reader<'_>, at: u64) -> Option<Section> {
        let word = |offset| image.u32(at.checked_add(offset)?);
        let long = |offset| image.u64(at.checked_add(offset)?);
        Some(if self.wide {
            Section { name: word(0)?, kind: word(4)?, offset: long(24)?, size: long(32)? }
        } else {
            let (offset, size) = (word(16)?.into(), word(20)?.into());
            Section { name: word(0)?, kind: word(4)?, offset, size }
        })
    }

    fn all_sections(&self, image: Reader<'_>) -> impl Iterator<Item = Section> {
        self.sections.entries().skip(1).map_while(move |(_, at)| self.section(image, at))
    }
}

struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    file_size: u64,
    memory_size: u64,
}

struct Section {
    name: u32,
    kind: u32,
    offset: u64,
    size: u64,
}

/// What the Xen notes say, as far as it decides who loads the kernel.
#[derive(Default)]
struct Notes {
    found: bool,
    /// Notes still to be looked at before the file is taken for broken.
    budget: u32,
    /// `LOADER` is generic or `GUEST_OS` is linux.
    system: bool,
    /// `XEN_VERSION` is xen-3.0, the only interface there ever was since.
    version: bool,
    phys32_entry: bool,
}

impl Notes {
    /// Reads the note segments or, if these have none of Xen's, the note sections.
    fn read(image: Reader<'_>, header: &Header) -> Self {
        let mut notes = Self { budget: MOST_NOTES, ..Self::default() };
        let segments = header.segments.entries().filter_map(|(_, at)| header.segment(image, at));
        // Some binutils leave the offset of note segments at zero (libelf-dominfo.c).
        for segment in segments.filter(|s| s.kind == PT_NOTE && s.offset != 0) {
            notes.collect(image, segment.offset, segment.file_size);
        }
        if !notes.found {
            for section in header.all_sections(image).filter(|s| s.kind == SHT_NOTE) {
                notes.collect(image, section.offset, section.size);
            }
        }
        notes
    }

    fn collect(&mut self, image: Reader<'_>, start: u64, size: u64) {
        let end = start.saturating_add(size).min(image.size());
        let mut at = start;
        while at < end && self.budget > 0 {
            self.budget -= 1;
            let Some(note) = Note::read(image, at) else { return };
            if image.starts_with(note.owner, b"Xen\0") {
                self.take(image, &note);
            }
            at = note.next;
        }
    }

    fn take(&mut self, image: Reader<'_>, note: &Note) {
        self.found = true;
        let says = |word| image.starts_with(note.content, word);
        match note.kind {
            NOTE_XEN_VERSION => self.version |= says(b"xen-3.0"),
            NOTE_GUEST_OS => self.system |= says(b"linux"),
            NOTE_LOADER => self.system |= says(b"generic"),
            NOTE_PHYS32_ENTRY => self.phys32_entry = true,
            _ => {}
        }
    }
}

/// A note; `owner` and `content` are where these start.
struct Note {
    owner: u64,
    kind: u32,
    content: u64,
    next: u64,
}

impl Note {
    /// Three words (sizes of owner and content, kind), then both, each padded to words.
    fn read(image: Reader<'_>, at: u64) -> Option<Self> {
        let padded = |size: u32| u64::from(size).next_multiple_of(4);
        let owner_size = image.u32(at)?;
        let content_size = image.u32(at.checked_add(4)?)?;
        let kind = image.u32(at.checked_add(8)?)?;
        let owner = at.checked_add(12)?;
        let content = owner.checked_add(padded(owner_size))?;
        let next = content.checked_add(padded(content_size))?;
        Some(Self { owner, kind, content, next })
    }
}

/// The way of before notes, for PV guests only.
fn has_guest_section(image: Reader<'_>, header: &Header) -> bool {
    let names = header
        .sections
        .entry(header.name_section)
        .and_then(|at| header.section(image, at))
        .map(|section| section.offset);
    header.all_sections(image).any(|section| {
        let name = names.and_then(|names| names.checked_add(section.name.into()));
        name.is_some_and(|at| image.starts_with(at, b"__xen_guest\0"))
    })
}

const EM_386: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_RWX: u32 = 7;
const SHT_NOTE: u32 = 7;
/// `ELF_MAX_TOTAL_NOTE_COUNT`, `xen/include/xen/libelf.h`.
const MOST_NOTES: u32 = 65536;
/// `xen/include/public/elfnote.h`.
const NOTE_XEN_VERSION: u32 = 5;
const NOTE_GUEST_OS: u32 = 6;
const NOTE_LOADER: u32 = 8;
const NOTE_PHYS32_ENTRY: u32 = 18;
