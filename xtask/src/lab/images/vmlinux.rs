//! Makes the kernel image smaller without changing what it loads to.
//!
//! A third of Debian's vmlinux is zeros at the ends of its segments (`.bss` and what follows it) and
//! what only the decompressor reads. It lies in dom0's initramfs and is read for every Linux guest,
//! so each megabyte is paid for at each boot and at each start of a guest.

use anyhow::{Context, Result};
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, U16, U64, bytes_of};

/// `image` with the zeros at the ends of its segments left to the loader, which fills a segment up
/// to its size in memory (ELF: `p_filesz` may be below `p_memsz`), and without section headers.
pub(crate) fn trimmed(image: &[u8]) -> Result<Vec<u8>> {
    let header = FileHeader64::<LittleEndian>::parse(image).context("read the kernel's header")?;
    let segments = header.program_headers(LittleEndian, image).context("read its segments")?;
    let table = usize::try_from(header.e_phoff(LittleEndian))?;

    let mut header = *header;
    header.e_shoff = U64::default();
    header.e_shnum = U16::default();
    header.e_shstrndx = Default::default();

    let mut end = table + size_of_val(segments);
    let mut trimmed_segments = Vec::new();
    for segment in segments {
        let (segment, ends_at) = without_zeros(*segment, image)?;
        end = end.max(ends_at);
        trimmed_segments.extend_from_slice(bytes_of(&segment));
    }

    let mut trimmed = image[..end].to_vec();
    trimmed[..size_of_val(&header)].copy_from_slice(bytes_of(&header));
    trimmed[table..table + trimmed_segments.len()].copy_from_slice(&trimmed_segments);
    Ok(trimmed)
}

/// `segment` ending at its last byte that is not zero, and where in the file that is.
fn without_zeros(
    mut segment: ProgramHeader64<LittleEndian>,
    image: &[u8],
) -> Result<(ProgramHeader64<LittleEndian>, usize)> {
    let start = usize::try_from(segment.p_offset(LittleEndian))?;
    let Ok(contents) = segment.data(LittleEndian, image) else {
        anyhow::bail!("the kernel ends within a segment");
    };
    let mut length = contents.len();
    if segment.p_type(LittleEndian) == elf::PT_LOAD {
        length = contents.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        segment.p_filesz = U64::new(LittleEndian, length as u64);
    }
    Ok((segment, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel of one segment, `contents`, followed by what no segment holds.
    fn image(contents: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 64 + 56];
        image[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
        image[20] = 1;
        image[32] = 64; // e_phoff
        image[40] = 200; // e_shoff
        image[52] = 64; // e_ehsize
        image[54] = 56; // e_phentsize
        image[56] = 1; // e_phnum
        image[60] = 9; // e_shnum
        image[64] = 1; // PT_LOAD
        image[72] = 120; // p_offset
        image[96] = contents.len() as u8; // p_filesz
        image[104] = contents.len() as u8; // p_memsz
        image.extend_from_slice(contents);
        image.extend_from_slice(b"relocations");
        image
    }

    #[test]
    fn a_segment_ends_at_its_last_byte_that_is_not_zero() {
        let trimmed = trimmed(&image(b"code\0data\0\0\0")).unwrap();
        assert_eq!(&trimmed[120..], b"code\0data");
        assert_eq!(trimmed[96], 9);
    }

    #[test]
    fn its_size_in_memory_stays() {
        let trimmed = trimmed(&image(b"code\0data\0\0\0")).unwrap();
        assert_eq!(trimmed[104], 12);
    }

    #[test]
    fn nothing_points_at_the_section_headers_left_out() {
        let trimmed = trimmed(&image(b"code")).unwrap();
        assert_eq!((trimmed[40], trimmed[60]), (0, 0));
    }

    #[test]
    fn a_kernel_cut_short_is_refused() {
        let image = image(b"code");
        let error = trimmed(&image[..122]).unwrap_err();
        assert_eq!(error.to_string(), "the kernel ends within a segment");
    }
}
