//! The bytes of a file in which an unpacked kernel is kept.
//!
//! ```text
//! 0        8                      40       48         56
//! | magic  | SHA-256 of the packed | length | checksum | content ...
//! ```
//! Numbers are little-endian. The checksum is XXH64 of the content: it finds what bad disks and torn
//! writes do, at some GB/s; a strong hash of 65 MB would take a good part of what unpacking takes.

use std::fs::File;
use std::io::{self, Read};

use twox_hash::XxHash64;

use super::Key;
use crate::MAX_BYTES;
use crate::payload::{Content, Held};

pub(super) const HEADER: usize = 56;

pub(super) fn header(key: &Key, content: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..40].copy_from_slice(&key.0);
    header[40..48].copy_from_slice(&(content.len() as u64).to_le_bytes());
    header[48..].copy_from_slice(&checksum(content).to_le_bytes());
    header
}

/// Takes what is in a file of `size` bytes: in place, if it can be, or read.
pub(super) fn read(file: File, size: u64, key: &Key) -> Result<Content, Unusable> {
    let mut file = match Held::take(file) {
        Ok(held) => return whole(held, key),
        Err(file) => file,
    };
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let (length, sum) = expected(&header, size, key)?;
    let mut content = Vec::new();
    content.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.take(length as u64).read_to_end(&mut content)?;
    if content.len() != length || checksum(&content) != sum {
        return Err(Unusable::Wrong(CHECKSUM));
    }
    Ok(content.into())
}

fn whole(file: Held, key: &Key) -> Result<Content, Unusable> {
    let size = file.bytes().len() as u64;
    let (header, content) = file.bytes().split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
    let (_, sum) = expected(header, size, key)?;
    if checksum(content) != sum {
        return Err(Unusable::Wrong(CHECKSUM));
    }
    Ok(Content::held(file, HEADER).ok_or(io::ErrorKind::UnexpectedEof)?)
}

/// Length and checksum of the content, by the header of a file of `size` bytes.
fn expected(header: &[u8; HEADER], size: u64, key: &Key) -> Result<(usize, u64), Unusable> {
    if header[..8] != *MAGIC {
        return Err(Unusable::Wrong("it is no unpacked kernel"));
    }
    if header[8..40] != key.0 {
        return Err(Unusable::Wrong("it is of another kernel"));
    }
    let number = |at: usize| u64::from_le_bytes(header.as_chunks().0[at / 8]);
    let (length, sum) = (number(40), number(48));
    let content = usize::try_from(length).ok().filter(|length| *length <= MAX_BYTES);
    match content.filter(|_| size.checked_sub(HEADER as u64) == Some(length)) {
        Some(length) => Ok((length, sum)),
        None => Err(Unusable::Wrong("its length is not what its header says")),
    }
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
const CHECKSUM: &str = "its checksum is wrong";
