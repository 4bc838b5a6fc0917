//! The setup header of a Linux bzImage (Documentation/arch/x86/boot.rst).

use super::compression::Compression;
use super::reader::Reader;
use super::{ImageError, Packed};

/// Where the magic `HdrS` stands in a bzImage.
pub(super) const MAGIC_AT: u64 = 0x202;

/// The payload: an ELF file, compressed. Its last four bytes are the size of the ELF file, which the
/// build of Linux appends (`size_append`, scripts/Makefile.lib) where the format does not end in it by
/// itself, as gzip does.
pub(super) fn payload(image: Reader<'_>) -> Result<Packed<'_>, ImageError> {
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
    let payload = image.bytes(start, length.into()).unwrap_or_default();
    let compression = Compression::of_payload(payload).ok_or(ImageError::UnknownCompression)?;
    let no_size = ImageError::Truncated { part: "the size of the kernel", end: start + 4, size };
    let (stream, unpacked) = payload.split_last_chunk().ok_or(no_size)?;
    let stream = if compression == Compression::Gzip { payload } else { stream };
    Ok(Packed { compression, stream, size: Some(u32::from_le_bytes(*unpacked)) })
}

const SETUP_SECTORS_AT: u64 = 0x1f1;
const VERSION_AT: u64 = 0x206;
const PAYLOAD_OFFSET_AT: u64 = 0x248;
const PAYLOAD_LENGTH_AT: u64 = 0x24c;
