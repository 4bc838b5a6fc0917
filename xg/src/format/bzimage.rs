//! The setup header of a Linux bzImage (Documentation/arch/x86/boot.rst).

use super::ImageError;
use super::reader::Reader;

/// How the payload of a bzImage is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum Compression {
    Bzip2,
    Gzip,
    Lz4,
    Lzma,
    Lzo,
    Xz,
    Zstd,
}

/// Where the magic `HdrS` stands in a bzImage.
pub(super) const MAGIC_AT: u64 = 0x202;

pub(super) fn inspect(image: Reader<'_>) -> Result<Compression, ImageError> {
    let size = image.size();
    let cut = |end| ImageError::Truncated { part: "the setup header", end, size };
    let header = |value: Option<u32>| value.ok_or(cut(PAYLOAD_LENGTH_AT + 4));
    let [minor, major] =
        image.u16(VERSION_AT).map(u16::to_le_bytes).ok_or(cut(PAYLOAD_LENGTH_AT + 4))?;
    if (major, minor) < (2, 8) {
        return Err(ImageError::OldBzImage { major, minor });
    }
    let setup_sectors = header(image.u8(SETUP_SECTORS_AT).map(u32::from))?;
    let offset = header(image.u32(PAYLOAD_OFFSET_AT))?;
    let length = header(image.u32(PAYLOAD_LENGTH_AT))?;
    let start = (u64::from(setup_sectors) + 1) * 512 + u64::from(offset);
    let end = start + u64::from(length);
    if start >= size || end > size {
        return Err(ImageError::Truncated { part: "the compressed kernel", end, size });
    }
    MAGICS
        .iter()
        .find(|(magic, _)| {
            magic.len() as u64 <= u64::from(length) && image.starts_with(start, magic)
        })
        .map(|(_, compression)| *compression)
        .ok_or(ImageError::UnknownCompression)
}

/// As `xc_dom_probe_bzimage_kernel` compares them, in its order.
const MAGICS: [(&[u8], Compression); 7] = [
    (b"\x1f\x8b", Compression::Gzip),
    (b"BZh", Compression::Bzip2),
    (b"\xfd7zXZ\0", Compression::Xz),
    (b"\x28\xb5\x2f\xfd", Compression::Zstd),
    (b"\x5d\0", Compression::Lzma),
    (b"\x89LZO\0", Compression::Lzo),
    (b"\x02\x21", Compression::Lz4),
];

const SETUP_SECTORS_AT: u64 = 0x1f1;
const VERSION_AT: u64 = 0x206;
const PAYLOAD_OFFSET_AT: u64 = 0x248;
const PAYLOAD_LENGTH_AT: u64 = 0x24c;
