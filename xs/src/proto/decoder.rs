//! Cuts a stream of bytes into packets, however the stream was chunked.

use thiserror::Error;

use super::{MAX_PAYLOAD, Op, TxId};

/// The 16 bytes before each payload (`struct xsd_sockmsg`): four `u32` in the host's byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the packet is.
    pub op: Op,
    /// Echoed by the daemon in the reply; 0 in watch events.
    pub request: u32,
    /// The transaction; 0 outside.
    pub tx: TxId,
    /// How many bytes of payload follow.
    pub len: u32,
}

/// A header with its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The header; its `len` is that of the payload.
    pub header: Header,
    /// What follows it.
    pub payload: Vec<u8>,
}

/// A header announces a payload over [`MAX_PAYLOAD`].
///
/// The connection has to end, unless the packet is known to be sound and is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{} announces a payload of {} bytes, over the limit of {MAX_PAYLOAD}", .0.op, .0.len)]
pub struct Oversized(pub Header);

impl Header {
    /// How many bytes a header has.
    pub const LEN: usize = 16;

    /// The header in these bytes.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let [[op, request], [tx, len]] = [&bytes[..8], &bytes[8..]].map(|half| {
            [&half[..4], &half[4..]].map(|word| {
                u32::from_ne_bytes(word.try_into().expect("the slices above have 4 bytes"))
            })
        });
        Self { op: Op(op), request, tx: TxId(tx), len }
    }

    /// The bytes of this header.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let words = [self.op.0, self.request, self.tx.0, self.len];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

/// Collects bytes until they are packets.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    consumed: usize,
    /// How long the payload of the next packet may be although it is over the limit.
    exception: usize,
}

impl Decoder {
    /// Takes over bytes from the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet; `None` until more bytes are fed.
    ///
    /// # Errors
    /// [`Oversized`] as soon as the header is there.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, Oversized> {
        let unread = &self.buffer[self.consumed..];
        let Some((header, rest)) = unread.split_first_chunk::<{ Header::LEN }>() else {
            return Ok(None);
        };
        let header = Header::from_bytes(*header);
        let len = match usize::try_from(header.len) {
            Ok(len) if len <= MAX_PAYLOAD.max(self.exception) => len,
            _ => return Err(Oversized(header)),
        };
        let Some(payload) = rest.get(..len) else {
            return Ok(None);
        };
        let payload = payload.to_vec();
        self.exception = 0;
        self.consumed += Header::LEN + len;
        Ok(Some(Packet { header, payload }))
    }

    /// Lets the packet through that was refused just now.
    pub fn let_through(&mut self, Oversized(header): Oversized) {
        self.exception = usize::try_from(header.len).unwrap_or(usize::MAX);
    }
}

#[cfg(test)]
mod tests;
