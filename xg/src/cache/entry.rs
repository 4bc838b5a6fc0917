//! The bytes of a file in which an unpacked kernel is kept.
//!
//! ```text
//! 0        8                      40       48         56
//! | magic  | SHA-256 of the packed | length | checksum | content ...
//! ```
//! Numbers are little-endian. The checksum is XXH64 of the content: it finds what bad disks and torn
//! writes do, at some GB/s; a strong hash of 65 MB would take a good part of what unpacking takes.

use std::io::{self, Read};

use twox_hash::XxHash64;

use super::Key;
use crate::MAX_BYTES;

pub(super) const HEADER: usize = 56;

pub(super) fn header(key: &Key, content: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..40].copy_from_slice(&key.0);
    header[40..48].copy_from_slice(&(content.len() as u64).to_le_bytes());
    header[48..].copy_from_slice(&checksum(content).to_le_bytes());
    header
}

/// Reads a file of `size` bytes.
pub(super) fn read(mut file: impl Read, size: u64, key: &Key) -> Result<Vec<u8>, Unusable> {
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    if header[..8] != *MAGIC {
        return Err(Unusable::Wrong("it is no unpacked kernel"));
    }
    if header[8..40] != key.0 {
        return Err(Unusable::Wrong("it is of another kernel"));
    }
    let number = |at: usize| u64::from_le_bytes(header.as_chunks().0[at / 8]);
    let (length, sum) = (number(40), number(48));
    let content = usize::try_from(length).ok().filter(|length| *length <= MAX_BYTES);
    let Some(length) = content.filter(|_| size.checked_sub(HEADER as u64) == Some(length)) else {
        return Err(Unusable::Wrong("its length is not what its header says"));
    };
    let mut content = Vec::new();
    content.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.take(length as u64).read_to_end(&mut content)?;
    if content.len() != length || checksum(&content) != sum {
        return Err(Unusable::Wrong("its checksum is wrong"));
    }
    Ok(content)
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Wrong(&'static str),
}

impl From<io::ErrorKind> for Unusable {
    fn from(kind: io::ErrorKind) -> Self {
        Self::Io(kind.into())
    }
}

fn checksum(content: &[u8]) -> u64 {
    XxHash64::oneshot(0, content)
}

/// Of the layout and of what content means: a number at the end counts up when either changes.
const MAGIC: &[u8; 8] = b"xgkern\0\x01";
