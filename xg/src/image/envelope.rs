//! The head of an image file of ours: what libxc's stream has not, a length and a checksum.
//!
//! ```text
//! 0     8          12     16             32            48        56        64
//! ├─────┼──────────┼──────┼──────────────┼─────────────┼─────────┼─────────┼────────────┬────────
//! │magic│version 1,│flags,│seal of the   │seal of the  │reserved,│checksum │description │stream
//! │     │u32       │u32   │description   │stream       │u64, zero│of 0..56 │            │
//! └─────┴──────────┴──────┴──────────────┴─────────────┴─────────┴─────────┴────────────┴────────
//! ```
//!
//! Numbers are little-endian; a seal is a length and a [CRC-64](super::Checksum), 8 bytes each. Bit
//! 0 of the flags says that the stream is complete: whoever saves writes the head without it, then
//! the stream, then the head once more with it. So a save that was cut off is known as such.

use super::Seal;

/// The head of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Of what the saver wants to know when it restores, such as the domain's configuration.
    pub description: Seal,
    /// Of the stream; `None` as long as it is not complete.
    pub stream: Option<Seal>,
}

impl Envelope {
    /// How many bytes it has in the file.
    pub const SIZE: usize = 64;

    /// The head of a file whose stream is yet to be written, after this description.
    pub fn new(description: &[u8]) -> Self {
        Self { description: Seal::of(description), stream: None }
    }

    /// The same, when the stream is complete.
    pub const fn sealed(self, stream: Seal) -> Self {
        Self { stream: Some(stream), ..self }
    }

    /// Where in the file the stream begins.
    pub const fn stream_at(&self) -> u64 {
        (Self::SIZE as u64).saturating_add(self.description.length)
    }

    /// Its bytes in the file.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let (flags, stream) = match self.stream {
            Some(stream) => (COMPLETE, stream),
            None => (0, Seal { length: 0, checksum: 0 }),
        };
        let seals = [self.description, stream].map(|seal| [seal.length, seal.checksum]);
        let mut bytes = [0; Self::SIZE];
        let fields = MAGIC
            .into_iter()
            .chain([VERSION, flags].into_iter().flat_map(u32::to_le_bytes))
            .chain(seals.into_iter().flatten().flat_map(u64::to_le_bytes));
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        let checksum = Seal::of(&bytes[..CHECKSUM_AT]).checksum;
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`EnvelopeError::Magic`] for another file, [`EnvelopeError::Checksum`] for a damaged one,
    /// [`EnvelopeError::Version`] for one of a later version.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Result<Self, EnvelopeError> {
        if !Self::is_at_start_of(bytes) {
            return Err(EnvelopeError::Magic);
        }
        let (words, _) = bytes.as_chunks::<8>();
        let word = |index: usize| u64::from_le_bytes(words[index]);
        // The version first: a later one may have its checksum elsewhere.
        let [version, flags] = halves(word(1));
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        if Seal::of(&bytes[..CHECKSUM_AT]).checksum != word(7) {
            return Err(EnvelopeError::Checksum("head"));
        }
        if flags & !COMPLETE != 0 || word(6) != 0 {
            return Err(EnvelopeError::Reserved);
        }
        let stream = Seal { length: word(4), checksum: word(5) };
        Ok(Self {
            description: Seal { length: word(2), checksum: word(3) },
            stream: (flags & COMPLETE != 0).then_some(stream),
        })
    }

    /// Whether these bytes are the beginning of an image file, of whatever version.
    pub fn is_at_start_of(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }
}

fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes)
}

/// What is wrong with an image file of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It does not begin as one.
    #[error("no image file of xg's: it does not begin with its magic number")]
    Magic,
    /// A version that is not known here.
    #[error("version {0} of the image file: 1 known here")]
    Version(u32),
    /// A part of it is not what was written.
    #[error("damaged: the checksum of its {0} differs")]
    Checksum(&'static str),
    /// Bits that this version does not use are set, by whoever wrote it.
    #[error("reserved bits of its head are set")]
    Reserved,
    /// The save did not come to its end.
    #[error("the save that wrote it did not come to its end")]
    Unfinished,
    /// A description too large to be one.
    #[error("a description of {0} bytes: at most 16777216 expected")]
    Description(u64),
    /// The file ends too early.
    #[error("truncated: it ends at byte {size}, {expected} expected")]
    Truncated {
        /// Where it ends.
        size: u64,
        /// Where it should.
        expected: u64,
    },
    /// What it holds is an image, but not libxc's stream, which alone a restore takes from it.
    #[error("it holds {0}: libxc's stream expected")]
    Format(&'static str),
    /// The file does not end where it should.
    #[error("bytes follow its end at byte {0}")]
    Trailing(u64),
}

/// Like PNG's: no text, and changed by whatever changes line ends or the eighth bit.
const MAGIC: [u8; 8] = *b"\x89XGIMG\r\n";
const VERSION: u32 = 1;
const COMPLETE: u32 = 1 << 0;
const CHECKSUM_AT: usize = 56;
