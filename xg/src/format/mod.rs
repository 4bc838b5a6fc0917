//! What a kernel image is, judged from its headers: no Xen, no I/O.
//!
//! The rules are libxenguest's (`tools/libs/guest/xg_dom_*loader.c` and `xen/common/libelf`, 4.17
//! and 4.20), so that nothing it would take is refused here, with one exception: a program segment
//! beyond the end of the file, which it leaves out without failing. Compressed files that are no
//! bzImage are taken in more formats than gzip, the only one it knows: they are unpacked here.

mod bzimage;
mod compression;
mod elf;
mod reader;

use xc::GuestKind;

pub use compression::Compression;
pub use elf::Elf;

use reader::Reader;

/// The format of a kernel image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// An ELF file, such as `vmlinux`.
    Elf(Elf),
    /// A Linux bzImage, such as Debian's `vmlinuz`; inside is an ELF file, compressed.
    BzImage(Compression),
    /// A compressed file that is no bzImage, such as `vmlinux.gz`.
    Compressed(Compression),
    /// A flat image with a header of its own (`xg_dom_binloader.c`).
    Flat,
}

impl Format {
    /// Whether a guest of this kind could start from such an image, as far as its headers tell.
    ///
    /// # Errors
    /// [`ImageError::NoEntry`] if an ELF file has no entry point for it, [`ImageError::Bits32`] if it is
    /// a 32-bit one for PV.
    pub fn supports(&self, guest: GuestKind) -> Result<(), ImageError> {
        let Self::Elf(elf) = self else { return Ok(()) };
        // What has no Xen notes is loaded like firmware, if it is 32-bit (xg_dom_hvmloader.c).
        let firmware = elf.bits == 32 && !elf.xen_notes;
        match guest {
            GuestKind::Pv if elf.pv && elf.bits == 32 => Err(ImageError::Bits32),
            GuestKind::Pv if !elf.pv => Err(ImageError::NoEntry { guest }),
            GuestKind::Pvh if !elf.pvh && !firmware => Err(ImageError::NoEntry { guest }),
            // A kernel would be started, but without what is for firmware alone.
            GuestKind::Hvm if !firmware => Err(ImageError::NotFirmware),
            _ => Ok(()),
        }
    }
}

/// What is wrong with a kernel image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// It has the header of no known format.
    #[error("neither an ELF file nor a bzImage")]
    UnknownFormat,
    /// The file ends before what its headers announce.
    #[error("truncated: {part} would end at byte {end}, the file has {size}")]
    Truncated {
        /// What is missing.
        part: &'static str,
        /// Where it would end.
        end: u64,
        /// Where the file ends.
        size: u64,
    },
    /// A segment takes more of the file than of memory.
    #[error("program segment {0} is larger in the file than in memory")]
    Segment(u16),
    /// An ELF file for machines that Xen on x86 does not run on.
    #[error("an ELF file for another machine (number {0})")]
    Machine(u16),
    /// A bzImage of before Linux 2.6.24, which does not say where its payload is.
    #[error("a bzImage of boot protocol {major}.{minor:02}, older than 2.08")]
    OldBzImage {
        /// The protocol's major number.
        major: u8,
        /// The protocol's minor number.
        minor: u8,
    },
    /// The payload of a bzImage starts with no known magic number.
    #[error("a bzImage with an unknown compression")]
    UnknownCompression,
    /// 32-bit PV guests are not built here: Xen can be built or booted without them (`CONFIG_PV32`,
    /// `pv=no-32`), and is by default where the processor has shadow stacks.
    #[error("a 32-bit PV kernel: only 64-bit ones are built here")]
    Bits32,
    /// There is no entry point for this kind of guest.
    #[error("no {guest:?} entry point in its Xen notes")]
    NoEntry {
        /// The kind asked for.
        guest: GuestKind,
    },
    /// An HVM guest starts from Xen's `hvmloader` or the like.
    #[error("not firmware for HVM, a 32-bit ELF file without Xen notes")]
    NotFirmware,
}

/// A compressed image, without what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packed<'a> {
    pub(crate) compression: Compression,
    /// The compressed bytes.
    pub(crate) stream: &'a [u8],
    /// How many bytes they shall become, if anything says it.
    pub(crate) size: Option<u32>,
}

/// Finds out what `image` is and whether it is whole.
pub(crate) fn inspect(image: &[u8]) -> Result<Format, ImageError> {
    let reader = Reader::new(image);
    if reader.starts_with(0, b"\x7fELF") {
        return elf::inspect(reader).map(Format::Elf);
    }
    if is_bzimage(reader) {
        return bzimage::payload(reader).map(|payload| Format::BzImage(payload.compression));
    }
    if let Some(compression) = Compression::of_file(image) {
        return Ok(Format::Compressed(compression));
    }
    if is_flat(reader) { Ok(Format::Flat) } else { Err(ImageError::UnknownFormat) }
}

/// What is compressed in `image`; `None` for what is not compressed.
pub(crate) fn packed(image: &[u8]) -> Result<Option<Packed<'_>>, ImageError> {
    match inspect(image)? {
        Format::BzImage(_) => bzimage::payload(Reader::new(image)).map(Some),
        Format::Compressed(compression) => {
            Ok(Some(Packed { compression, stream: image, size: None }))
        }
        Format::Elf(_) | Format::Flat => Ok(None),
    }
}

fn is_bzimage(reader: Reader<'_>) -> bool {
    reader.starts_with(bzimage::MAGIC_AT, b"HdrS")
}

/// Looks for the table of `xg_dom_binloader.c`: a magic number, flags and their checksum, aligned,
/// in the first 8 KiB.
fn is_flat(reader: Reader<'_>) -> bool {
    const MAGIC: u32 = 0x336e_c578;
    (0..8192).step_by(4).any(|at| {
        let word = |n: u64| reader.u32(at + 4 * n);
        word(0) == Some(MAGIC)
            && word(1).zip(word(2)).is_some_and(|(flags, checksum)| {
                MAGIC.wrapping_add(flags).wrapping_add(checksum) == 0
            })
    })
}

#[cfg(test)]
mod tests;
