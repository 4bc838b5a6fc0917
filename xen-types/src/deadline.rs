//! When to stop waiting.

use std::time::{Duration, Instant};

/// The moment at which a whole operation gives up, on a monotonic [`Clock`](crate::Clock).
///
/// One deadline is passed down through every wait of an operation, so that ten waits of one minute
/// never become ten minutes. It is a value: arithmetic takes `now` from the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline `timeout` from now, by the [real](crate::Clock::real) clock: on any other take
    /// [`Clock::after`](crate::Clock::after). A timeout too long for the clock is cut to 30 years.
    pub fn after(timeout: Duration) -> Self {
        Self::counted_from(Instant::now(), timeout)
    }

    /// The moment that is `timeout` later than `now`.
    pub fn counted_from(now: Instant, timeout: Duration) -> Self {
        Self(now.checked_add(timeout).unwrap_or(now + THIRTY_YEARS))
    }

    /// A deadline at a given moment.
    pub const fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// The moment itself.
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What is left at `now`; zero once it has passed.
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it has passed at `now`.
    pub fn passed(self, now: Instant) -> bool {
        now >= self.0
    }
}

const THIRTY_YEARS: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_remains_of_a_passed_deadline() {
        let start = Instant::now();
        let deadline = Deadline::at(start + Duration::from_secs(5));
        assert_eq!(deadline.remaining(start), Duration::from_secs(5));
        assert_eq!(deadline.remaining(start + Duration::from_secs(9)), Duration::ZERO);
        assert!(deadline.passed(start + Duration::from_secs(5)));
    }

    #[test]
    fn a_timeout_too_long_for_the_clock_is_cut_to_thirty_years() {
        let now = Instant::now();
        let days = Deadline::counted_from(now, Duration::MAX).remaining(now).as_secs() / 86_400;
        assert_eq!(days, 30 * 365);
    }

    #[test]
    fn an_endless_timeout_does_not_overflow() {
        assert!(!Deadline::after(Duration::MAX).passed(Instant::now()));
    }
}
