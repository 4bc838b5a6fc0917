//! What time it is, and how it is waited for.

use std::fmt::Debug;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Deadline;

/// The clock of whoever waits: the monotonic one of this host, or that of a simulated machine.
///
/// Whatever waits until a [`Deadline`] does so by a clock that it was given, so that a test need not
/// wait in earnest. Deadlines of one clock say nothing on another. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<dyn Time>>);

/// The time of a simulated machine.
pub trait Time: Debug + Send + Sync {
    /// What time it is. Never goes back.
    fn now(&self) -> Instant;

    /// Waits until `deadline`. `block` waits in earnest, for no longer than it is told to, for what
    /// would end the wait before, and says whether it came; it is called again until it did. The
    /// wait may end early.
    fn wait(&self, deadline: Deadline, block: &mut dyn FnMut(Duration) -> bool);

    /// When somebody who waits until `deadline` shall look at something that wakes nobody, where
    /// `interval` is how often that is due in earnest.
    fn next_look(&self, interval: Duration, deadline: Deadline) -> Deadline;
}

impl Clock {
    /// The monotonic clock of this host.
    pub const fn real() -> Self {
        Self(None)
    }

    /// Another time.
    pub fn with(time: Arc<dyn Time>) -> Self {
        Self(Some(time))
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.0.as_ref().map_or_else(Instant::now, |time| time.now())
    }

    /// A deadline `timeout` from now. A timeout too long for the clock is cut to 30 years.
    pub fn after(&self, timeout: Duration) -> Deadline {
        Deadline::counted_from(self.now(), timeout)
    }

    /// What is left until a deadline; zero once it has passed.
    pub fn remaining(&self, deadline: Deadline) -> Duration {
        deadline.remaining(self.now())
    }

    /// Whether a deadline has passed.
    pub fn passed(&self, deadline: Deadline) -> bool {
        deadline.passed(self.now())
    }

    /// Waits until `block` gives something, or until `deadline`, or for a shorter time: whoever
    /// waits looks again. `block` must not block for longer than it is told to, gives `None` if
    /// nothing came meanwhile, and may be called several times. `now` is what the caller has last
    /// seen on this clock, since a look at it may be a system call.
    pub fn wait<T>(
        &self,
        deadline: Deadline,
        now: Instant,
        mut block: impl FnMut(Duration) -> Option<T>,
    ) -> Option<T> {
        let Some(time) = &self.0 else {
            return block(deadline.remaining(now));
        };
        let mut found = None;
        time.wait(deadline, &mut |limit| {
            found = block(limit);
            found.is_some()
        });
        found
    }

    /// Waits for `pause`.
    pub fn sleep(&self, pause: Duration) {
        if self.0.is_none() {
            return thread::sleep(pause);
        }
        let end = self.after(pause);
        while !self.passed(end) {
            self.wait(end, self.now(), |limit| -> Option<()> {
                thread::sleep(limit);
                None
            });
        }
    }

    /// The end of the next part of a wait until `deadline`, after which something is due that nobody
    /// announces, such as a look at whether the wait is still wanted: `interval` from now. A
    /// simulated machine may say more, so that one long wait is not hundreds.
    pub fn next_look(&self, interval: Duration, deadline: Deadline) -> Deadline {
        match &self.0 {
            None => deadline.min(Deadline::after(interval)),
            Some(time) => deadline.min(time.next_look(interval, deadline)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A time that passes when it is waited for, and only then.
    #[derive(Debug)]
    struct Instantly(Mutex<Instant>);

    impl Time for Instantly {
        fn now(&self) -> Instant {
            *self.0.lock().unwrap()
        }

        fn wait(&self, deadline: Deadline, block: &mut dyn FnMut(Duration) -> bool) {
            if !block(Duration::ZERO) {
                *self.0.lock().unwrap() = deadline.instant();
            }
        }

        fn next_look(&self, _: Duration, deadline: Deadline) -> Deadline {
            deadline
        }
    }

    #[test]
    fn the_real_clock_has_a_wait_block_for_what_remains() {
        let clock = Clock::real();
        let now = clock.now();
        let deadline = Deadline::at(now + Duration::from_secs(5));
        assert_eq!(clock.wait(deadline, now, Some), Some(Duration::from_secs(5)));
    }

    #[test]
    fn an_hour_of_another_clock_need_not_be_one() {
        let start = Instant::now();
        let clock = Clock::with(Arc::new(Instantly(Mutex::new(start))));
        let hour = Duration::from_secs(3600);
        clock.sleep(hour);
        assert_eq!(clock.now(), start + hour);
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
