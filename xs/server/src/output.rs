//! What a connection has yet to send.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use xs::proto::{Header, Op, TxId};

/// Replies and events, in the order in which they go.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    sent: usize,
    /// How many bytes have gone that are no longer in `bytes`.
    before: u64,
    /// Events that have not gone whole: where each ends, counted from the beginning of all, and
    /// what stands for it in `pending`.
    events: VecDeque<(u64, u64)>,
    /// The hashes of these events. Their keys are random: two events that only look the same are
    /// less likely than a broken memory.
    pending: HashSet<u64>,
    keys: RandomState,
    overrun: bool,
}

impl Output {
    /// Adds a packet whose payload is these parts. Returns whether somebody has to look: there was
    /// nothing before, or too much now.
    pub(crate) fn put(&mut self, op: Op, request: u32, tx: u32, payload: &[&[u8]]) -> bool {
        if self.overrun {
            return false;
        }
        let was_empty = self.is_empty();
        if was_empty {
            self.forget_sent();
        }
        let len: usize = payload.iter().map(|part| part.len()).sum();
        let len = u32::try_from(len).expect("a payload is at most 4096 bytes");
        let header = Header { op, request, tx: TxId(tx), len };
        self.bytes.extend_from_slice(&header.to_bytes());
        payload.iter().for_each(|part| self.bytes.extend_from_slice(part));
        if self.len() > MOST {
            self.clear();
            self.overrun = true;
        }
        was_empty || self.overrun
    }

    /// Adds an event as [`Output::put`] does, unless an identical one has not gone whole.
    ///
    /// Special events are not merged: who watches them counts them (`send_event`,
    /// `xenstored_core.c` of Xen 4.17).
    pub(crate) fn put_event(&mut self, path: &str, token: &[u8]) -> bool {
        let payload = [path.as_bytes(), b"\0", token, b"\0"];
        if self.overrun || path.starts_with('@') {
            return self.put(Op::WATCH_EVENT, 0, 0, &payload);
        }
        let hash = self.keys.hash_one(payload);
        if !self.pending.insert(hash) {
            return false;
        }
        let look = self.put(Op::WATCH_EVENT, 0, 0, &payload);
        self.events.push_back((self.before + self.bytes.len() as u64, hash));
        look
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count;
        let gone = self.before + self.sent as u64;
        while let Some((end, hash)) = self.events.front()
            && *end <= gone
        {
            self.pending.remove(hash);
            self.events.pop_front();
        }
        if self.is_empty() {
            self.forget_sent();
            self.bytes.shrink_to(KEPT);
        } else if self.sent > KEPT && self.sent > self.len() {
            // No sooner, or a long list would be moved again and again.
            self.forget_sent();
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether there was more than any connection may leave unread. All of it is forgotten.
    pub(crate) const fn is_overrun(&self) -> bool {
        self.overrun
    }

    fn forget_sent(&mut self) {
        self.before += self.sent as u64;
        self.bytes.drain(..self.sent);
        self.sent = 0;
    }
}

/// How much memory a connection keeps that has nothing to send.
const KEPT: usize = 16 * 1024;

/// How much a connection may leave unread. Replies stop far below it: these are events.
const MOST: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_waits_is_not_added_again() {
        let mut output = Output::default();
        assert!(output.put_event("/a", b"t"));
        let one = output.len();
        assert!(!output.put_event("/a", b"t"));
        assert_eq!(output.len(), one);
        output.put_event("/b", b"t");
        assert_eq!(output.len(), 2 * one);
    }

    #[test]
    fn path_and_token_are_told_apart() {
        let mut output = Output::default();
        output.put_event("/a", b"bt");
        let one = output.len();
        output.put_event("/ab", b"t");
        assert_eq!(output.len(), 2 * one);
    }

    #[test]
    fn an_event_that_has_gone_can_come_again() {
        let mut output = Output::default();
        output.put_event("/a", b"t");
        let one = output.len();
        output.sent(one - 1);
        assert!(!output.put_event("/a", b"t"));
        assert_eq!(output.len(), 1);
        output.sent(1);
        assert!(output.put_event("/a", b"t"));
        assert_eq!(output.len(), one);
    }

    #[test]
    fn special_events_are_counted() {
        let mut output = Output::default();
        output.put_event("@releaseDomain", b"t");
        let one = output.len();
        output.put_event("@releaseDomain", b"t");
        assert_eq!(output.len(), 2 * one);
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        let mut output = Output::default();
        let token = [b't'; 4000];
        let looks = (0..20_000).filter(|n| output.put_event(&format!("/{n}"), &token)).count();
        assert_eq!((looks, output.is_overrun(), output.len()), (2, true, 0));
        assert_eq!(output.bytes.capacity(), 0);
    }

    #[test]
    fn a_long_list_that_goes_slowly_keeps_its_order() {
        let mut output = Output::default();
        let looks = (0..10_000_u32).filter(|n| output.put(Op::READ, *n, 0, &[b"value"])).count();
        assert_eq!(looks, 1);
        let mut gone = Vec::new();
        while !output.is_empty() {
            let count = output.len().min(1000);
            gone.extend_from_slice(&output.bytes()[..count]);
            output.sent(count);
            assert!(output.bytes.len() <= 2 * output.len() + 2 * KEPT);
        }
        let numbers =
            gone.chunks(21).map(|packet| u32::from_ne_bytes([4, 5, 6, 7].map(|n| packet[n])));
        assert!(numbers.eq(0..10_000));
    }
}
