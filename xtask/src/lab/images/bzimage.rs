//! Takes the uncompressed kernel out of a bzImage.
//!
//! Xen would decompress the bzImage itself, which costs 4 to 8 s of every boot on an emulated
//! processor. Where the payload lies is said by the setup header (kernel:
//! Documentation/arch/x86/boot.rst, protocol 2.08).

use std::io::{Cursor, Read};

use anyhow::{Context, Result, bail, ensure};
use lzma_rust2::XzReader;

/// The ELF image inside `bzimage`.
pub(crate) fn kernel(bzimage: &[u8]) -> Result<Vec<u8>> {
    let (stream, length) = split_length(payload(bzimage)?)?;
    ensure!(stream.starts_with(b"\xfd7zXZ\0"), "the kernel is not compressed with xz");
    let mut elf = Vec::with_capacity(length);
    XzReader::new(Cursor::new(stream), false)
        .read_to_end(&mut elf)
        .context("decompress the kernel")?;
    ensure!(elf.len() == length, "the kernel is {} bytes, its header says {length}", elf.len());
    ensure!(elf.starts_with(b"\x7fELF"), "the kernel inside the bzImage is not ELF");
    Ok(elf)
}

/// `bzimage` with another payload, which is then all that follows the decompressor's place.
pub(crate) fn with_payload(bzimage: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    let (start, _) = payload_range(bzimage)?;
    let mut image = bzimage[..start].to_vec();
    let length = u32::try_from(payload.len()).context("the payload is above 4 GiB")?;
    image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
    image.extend_from_slice(payload);
    Ok(image)
}

/// The compressed payload of `bzimage`.
fn payload(bzimage: &[u8]) -> Result<&[u8]> {
    let (start, end) = payload_range(bzimage)?;
    Ok(&bzimage[start..end])
}

/// Where the payload lies, by the setup header.
fn payload_range(bzimage: &[u8]) -> Result<(usize, usize)> {
    ensure!(bzimage.get(0x202..0x206) == Some(b"HdrS"), "not a bzImage: no setup header");
    let version = u16::from_le_bytes(field(bzimage, 0x206)?);
    ensure!(version >= 0x0208, "boot protocol {version:#06x} does not say where the kernel lies");
    // Zero means four, for images older than any with a payload field, says the protocol.
    let [setup_sectors] = field(bzimage, 0x1f1)?;
    let setup_sectors = if setup_sectors == 0 { 4 } else { usize::from(setup_sectors) };
    let offset = u32::from_le_bytes(field(bzimage, 0x248)?) as usize;
    let length = u32::from_le_bytes(field(bzimage, 0x24c)?) as usize;
    let start = (setup_sectors + 1) * 512 + offset;
    ensure!(start + length <= bzimage.len(), "the bzImage is shorter than its header says");
    Ok((start, start + length))
}

/// The build appends the length of the uncompressed kernel to the compressed one.
fn split_length(payload: &[u8]) -> Result<(&[u8], usize)> {
    let Some((stream, length)) = payload.split_last_chunk() else {
        bail!("the bzImage has no payload");
    };
    Ok((stream, u32::from_le_bytes(*length) as usize))
}

fn field<const N: usize>(bzimage: &[u8], at: usize) -> Result<[u8; N]> {
    let bytes = bzimage.get(at..at + N).context("the bzImage ends in its setup header")?;
    Ok(bytes.try_into().expect("the range above has N bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage with two setup sectors and `payload` eight bytes into the protected-mode part.
    fn image(version: u16, payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 3 * 512 + 8];
        image[0x1f1] = 2;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&version.to_le_bytes());
        image[0x248..0x24c].copy_from_slice(&8u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend_from_slice(payload);
        image.extend_from_slice(b"what follows");
        image
    }

    #[test]
    fn the_setup_header_leads_to_the_payload() {
        assert_eq!(payload(&image(0x020f, b"compressed")).unwrap(), b"compressed");
    }

    #[test]
    fn a_payload_is_replaced_with_its_length() {
        let replaced =
            with_payload(&image(0x020f, b"compressed"), b"otherwise compressed").unwrap();
        assert_eq!(payload(&replaced).unwrap(), b"otherwise compressed");
    }

    #[test]
    fn the_last_four_bytes_are_the_uncompressed_length() {
        assert_eq!(split_length(b"xz\x00\x01\x00\x00").unwrap(), (&b"xz"[..], 256));
    }

    #[test]
    fn an_old_boot_protocol_is_refused() {
        let error = payload(&image(0x0207, b"x")).unwrap_err();
        assert_eq!(error.to_string(), "boot protocol 0x0207 does not say where the kernel lies");
    }

    #[test]
    fn a_truncated_image_is_refused() {
        let image = image(0x020f, b"compressed");
        let error = payload(&image[..3 * 512 + 10]).unwrap_err();
        assert_eq!(error.to_string(), "the bzImage is shorter than its header says");
    }

    #[test]
    fn another_file_is_refused() {
        let error = kernel(&[0; 4096]).unwrap_err();
        assert_eq!(error.to_string(), "not a bzImage: no setup header");
    }
}
