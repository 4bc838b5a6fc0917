//! As much of the xenstore protocol as the hand-written loops need, and none of it from `xs`: a
//! mistake there must not show up on both sides of a comparison.

use anyhow::{Result, bail, ensure};

/// The operations used here, by their numbers in `io/xs_wire.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names are those of the header")]
pub enum Op {
    Directory = 1,
    Read = 2,
    Watch = 4,
    TransactionStart = 6,
    TransactionEnd = 7,
    Write = 11,
    Rm = 13,
    SetPerms = 14,
}

/// The reply at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// What was asked, or [`ERROR`].
    pub op: u32,
    /// Which request it answers.
    pub id: u32,
    /// The answer itself.
    pub payload: &'a [u8],
}

/// Appends a request to `out`.
pub fn put(out: &mut Vec<u8>, op: Op, id: u32, tx: u32, payload: &[&[u8]]) {
    let len: usize = payload.iter().map(|part| part.len()).sum();
    let len = u32::try_from(len).expect("payloads here have some dozen bytes");
    for field in [op as u32, id, tx, len] {
        out.extend_from_slice(&field.to_ne_bytes());
    }
    payload.iter().for_each(|part| out.extend_from_slice(part));
}

/// The first reply in `bytes` and how long it is; `None` as long as it is not complete.
pub fn first(bytes: &[u8]) -> Result<Option<(Reply<'_>, usize)>> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else {
        return Ok(None);
    };
    let field = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| header[4 * at + byte]));
    let len = field(3) as usize;
    ensure!(len <= LONGEST_PAYLOAD, "a reply of {len} bytes");
    let Some(payload) = rest.get(..len) else {
        return Ok(None);
    };
    Ok(Some((Reply { op: field(0), id: field(1), payload }, HEADER + len)))
}

impl<'a> Reply<'a> {
    /// The payload of the answer to this request.
    ///
    /// # Errors
    /// If it answers another one, or refuses.
    pub fn answers(self, op: Op, id: u32) -> Result<&'a [u8]> {
        ensure!(self.id == id, "request {id} was answered with the reply to {}", self.id);
        if self.op != op as u32 {
            bail!("{op:?} was answered: {}", String::from_utf8_lossy(self.payload));
        }
        Ok(self.payload)
    }
}

/// The operation of a reply that refuses.
pub const ERROR: u32 = 16;

/// The operation of an event.
pub const EVENT: u32 = 15;

/// The longest packet.
pub const LONGEST_PACKET: usize = HEADER + LONGEST_PAYLOAD;

const HEADER: usize = 16;
const LONGEST_PAYLOAD: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_taken_only_when_it_is_whole() {
        let mut bytes = Vec::new();
        put(&mut bytes, Op::Read, 5, 0, &[b"value"]);
        assert_eq!(first(&bytes[..15]).unwrap(), None);
        assert_eq!(first(&bytes[..20]).unwrap(), None);
        bytes.extend_from_slice(b"next");
        assert_eq!(first(&bytes).unwrap(), Some((Reply { op: 2, id: 5, payload: b"value" }, 21)));
    }

    #[test]
    fn an_answer_to_another_request_is_no_answer() {
        let reply = Reply { op: 2, id: 5, payload: b"value" };
        assert!(reply.answers(Op::Read, 6).is_err());
    }

    #[test]
    fn a_refusal_is_told_in_the_daemons_word() {
        let reply = Reply { op: ERROR, id: 5, payload: b"ENOENT\0" };
        let error = reply.answers(Op::Read, 5).unwrap_err();
        assert_eq!(error.to_string(), "Read was answered: ENOENT\0");
    }
}
