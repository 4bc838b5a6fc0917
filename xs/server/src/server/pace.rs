//! How fast a guest may write while others have transactions under way.
//!
//! A guest that writes without pause makes every transaction of others conflict (XSA-206). As with
//! the C xenstored (`xenstored_domain.c`), all guests together may write 200 times a second then, and
//! a few more times in a row; nobody who reads is slowed down, and none while nobody has a
//! transaction.

use std::time::{Duration, Instant};

use xs::proto::{Header, Op, TxId};

/// The writes of one guest, as the time that they use up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Until when its time is used up.
    used: Option<Instant>,
}

impl Pace {
    /// Counts a write, by one of so many guests.
    pub(super) fn count(&mut self, now: Instant, guests: u32) {
        let from = self.used.map_or(now, |used| used.max(now));
        self.used = Some(from + EACH * guests.max(1));
    }

    /// When it is heard again, if it is not heard now.
    pub(super) fn pause(&self) -> Option<Instant> {
        let end = self.used?.checked_sub(AHEAD)?;
        (Instant::now() < end).then_some(end)
    }
}

/// Whether a packet changes what the transactions of others may stand on.
pub(super) fn is_write(header: &Header, payload: &[u8]) -> bool {
    match header.op {
        Op::WRITE | Op::MKDIR | Op::RM | Op::SET_PERMS => header.tx == TxId::NONE,
        Op::TRANSACTION_END => payload.starts_with(b"T"),
        _ => false,
    }
}

/// What a write costs when there is one guest.
const EACH: Duration = Duration::from_millis(5);

/// How much time may be used before it comes: 100 writes.
const AHEAD: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_writes_in_a_row_are_free() {
        let mut pace = Pace::default();
        let start = Instant::now();
        (0..100).for_each(|_| pace.count(start, 1));
        assert_eq!(pace.pause(), None);
    }

    #[test]
    fn what_is_over_them_waits_its_turn() {
        let mut pace = Pace::default();
        // Far ahead of the clock, so that the test is not late.
        let start = Instant::now() + Duration::from_secs(1000);
        (0..102).for_each(|_| pace.count(start, 1));
        assert_eq!(pace.pause(), Some(start + 2 * EACH));
    }

    #[test]
    fn guests_share_the_rate() {
        let mut pace = Pace::default();
        let start = Instant::now() + Duration::from_secs(1000);
        (0..11).for_each(|_| pace.count(start, 10));
        assert_eq!(pace.pause(), Some(start + 10 * EACH));
    }
}
