//! Frames: a length, a kind, and a body of fields.
//!
//! ```text
//! u32 length of body │ u8 kind │ body          integers little-endian, byte strings with a u32 length
//! ```

use std::fmt;

/// The longest body a frame may have.
pub const MAX_BODY: usize = 1024 * 1024;

const HEADER: usize = 5;

/// One frame as it came from the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which message this is.
    pub kind: u8,
    /// The message's fields.
    pub body: Vec<u8>,
}

/// Bytes that are no frame, or a frame that is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A frame announced more than [`MAX_BODY`] bytes.
    TooLong(u32),
    /// A message ended inside the named field.
    Short(&'static str),
    /// Bytes were left after the last field of a message of this kind.
    Trailing(u8),
    /// No message has this kind.
    UnknownKind(u8),
    /// The named field has a value that means nothing.
    BadValue(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len) => write!(f, "frame of {len} bytes is too long"),
            Self::Short(field) => write!(f, "message ends inside {field}"),
            Self::Trailing(kind) => write!(f, "message of kind {kind} has bytes left over"),
            Self::UnknownKind(kind) => write!(f, "message of unknown kind {kind}"),
            Self::BadValue(field) => write!(f, "{field} has no meaning"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Cuts a byte stream into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Adds bytes in the order in which they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.taken);
        self.taken = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// Takes the next whole frame, if there is one.
    ///
    /// # Errors
    /// [`Malformed::TooLong`]; the stream is of no use afterwards.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Malformed> {
        let rest = &self.pending[self.taken..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [a, b, c, d, kind] = *header;
        let announced = u32::from_le_bytes([a, b, c, d]);
        let len = announced as usize;
        if len > MAX_BODY {
            return Err(Malformed::TooLong(announced));
        }
        let Some(body) = rest.get(..len) else { return Ok(None) };
        let frame = Frame { kind, body: body.to_vec() };
        self.taken += HEADER + len;
        Ok(Some(frame))
    }
}

/// Appends one frame to a buffer, field by field.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, kind: u8) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0, 0, 0, 0, kind]);
        Fields { out, start }
    }

    pub(super) fn byte(self, value: u8) -> Self {
        self.out.push(value);
        self
    }

    pub(super) fn short(self, value: u16) -> Self {
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn word(self, value: u32) -> Self {
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn long(self, value: u64) -> Self {
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn string(self, bytes: &[u8]) -> Self {
        let len = length(bytes.len());
        let this = self.word(len);
        this.out.extend_from_slice(bytes);
        this
    }

    pub(super) fn rest(self, bytes: &[u8]) -> Self {
        self.out.extend_from_slice(bytes);
        self
    }

    pub(super) fn end(self) {
        let body = length(self.out.len() - self.start - HEADER);
        self.out[self.start..self.start + 4].copy_from_slice(&body.to_le_bytes());
    }
}

/// The peer refuses what does not fit, so a saturated length is as good as any.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Takes a frame's body apart, field by field.
#[derive(Debug)]
pub(super) struct Body<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) fn of(frame: &'a Frame) -> Self {
        Body { kind: frame.kind, rest: &frame.body }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let (value, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed::Short(field))?;
        self.rest = rest;
        Ok(*value)
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(field).map(|[b]| b)
    }

    pub(super) fn short(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(super) fn word(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn long(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self, field: &'static str) -> Result<Vec<u8>, Malformed> {
        let len = self.word(field)? as usize;
        let (value, rest) = self.rest.split_at_checked(len).ok_or(Malformed::Short(field))?;
        self.rest = rest;
        Ok(value.to_vec())
    }

    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest).to_vec()
    }

    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing(self.kind)) }
    }
}
