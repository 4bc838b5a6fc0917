//! Unpacking kernels, in Rust and within bounds.
//!
//! libxenguest would do it too, at each build anew, in C, and as far as it was built with the
//! libraries: Debian's knows neither bzip2 nor LZO. What a bzImage holds has exactly the size that it
//! says; the size of other files is not known before, so there the largest that libxenguest takes is
//! the bound. What follows the first stream is not looked at, as libxenguest does not.
//!
//! LZO is left to libxenguest: no distribution ships such kernels.

mod bzip2;

use std::io::{self, Read};

use flate2::read::GzDecoder;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::{LzmaReader, XzReader};
use rustix::io::Errno;
use ruzstd::decoding::StreamingDecoder;

use crate::MAX_BYTES;
use crate::format::{Compression, Packed};

/// Why a compressed kernel could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The compressed bytes are not what they should be.
    #[error("damaged or truncated")]
    Damaged(#[source] io::Error),
    /// It becomes another number of bytes than the bzImage says.
    #[error("{found} bytes come out of it, its header says {said}")]
    Size {
        /// The size at its end.
        said: usize,
        /// What came out: everything, or the first bytes that were too many.
        found: usize,
    },
    /// It would become larger than [`MAX_BYTES`].
    #[error("larger than 1 GiB")]
    TooLarge,
    /// There is no memory for it, or it could be read with more than 144 MiB of working memory only.
    #[error("it takes more memory than there is, or more than 144 MiB to decode it")]
    NoMemory,
}

impl UnpackError {
    pub(crate) fn errno(&self) -> Option<Errno> {
        matches!(self, Self::NoMemory).then_some(Errno::NOMEM)
    }
}

/// The content of `packed`; `None` if its compression is not known here.
pub(crate) fn unpack(packed: Packed<'_>) -> Result<Option<Vec<u8>>, UnpackError> {
    let bound = Bound::of(packed.size)?;
    let stream = packed.stream;
    match packed.compression {
        Compression::Bzip2 => bound.fill(bzip2::Reader::new(stream)),
        Compression::Gzip => bound.fill(GzDecoder::new(stream)),
        Compression::Lz4 => bound.fill(FrameDecoder::new(stream)),
        Compression::Lzma => {
            let reader = LzmaReader::new_mem_limit(stream, MOST_DECODER_KIB, None);
            bound.fill(reader.map_err(damaged)?)
        }
        Compression::Lzo => return Ok(None),
        Compression::Xz => bound.fill(XzReader::new_mem_limit(stream, false, MOST_DECODER_KIB)),
        Compression::Zstd => zstd(stream, bound),
    }
    .map(Some)
}

fn zstd(stream: &[u8], bound: Bound) -> Result<Vec<u8>, UnpackError> {
    let wrong = |why| UnpackError::Damaged(io::Error::new(io::ErrorKind::InvalidData, why));
    let mut reader = StreamingDecoder::new(stream).map_err(|e| damaged(io::Error::other(e)))?;
    let content = bound.fill(&mut reader)?;
    // The decoder reads and reckons it but does not compare.
    let frame = reader.into_frame_decoder();
    match frame.get_checksum_from_data() {
        said @ Some(_) if said != frame.get_calculated_checksum() => {
            Err(wrong("the checksum of the frame is wrong"))
        }
        _ => Ok(content),
    }
}

/// How much may come out.
#[derive(Debug, Clone, Copy)]
enum Bound {
    /// This, no more and no less.
    Exactly(usize),
    /// Whatever it is, up to [`MAX_BYTES`].
    Most,
}

impl Bound {
    fn of(size: Option<u32>) -> Result<Self, UnpackError> {
        match size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)) {
            Some(size) if size > MAX_BYTES => Err(UnpackError::TooLarge),
            Some(size) => Ok(Self::Exactly(size)),
            None => Ok(Self::Most),
        }
    }

    fn fill(self, reader: impl Read) -> Result<Vec<u8>, UnpackError> {
        let most = match self {
            Self::Exactly(size) => size,
            Self::Most => MAX_BYTES,
        };
        let mut content = Vec::new();
        if let Self::Exactly(size) = self {
            content.try_reserve_exact(size).map_err(|_| UnpackError::NoMemory)?;
        }
        // One byte above the bound is enough to refuse it.
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        reader.take(limit).read_to_end(&mut content).map_err(damaged)?;
        match self {
            Self::Exactly(said) if said != content.len() => {
                Err(UnpackError::Size { said, found: content.len() })
            }
            Self::Most if content.len() > MAX_BYTES => Err(UnpackError::TooLarge),
            _ => Ok(content),
        }
    }
}

fn damaged(error: io::Error) -> UnpackError {
    match error.kind() {
        io::ErrorKind::OutOfMemory => UnpackError::NoMemory,
        _ => UnpackError::Damaged(error),
    }
}

/// What the decoder itself may take of memory. The build of Linux asks xz for dictionaries of up to
/// 128 MiB (`scripts/xz_wrap.sh`, since 6.12), as zstd does, whose decoder has that bound by itself.
const MOST_DECODER_KIB: u32 = 144 * 1024;

#[cfg(test)]
mod tests;
