//! What wakes the event loop at a time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// A descriptor that is readable from a time on.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: OwnedFd,
    /// When it goes off, unless it has.
    at: Option<Instant>,
    /// A time that has passed.
    past: Instant,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { timer, at: None, past: Instant::now() })
    }

    /// Has it go off at this time, and at no other; one that has passed is at once.
    pub(super) fn set(&mut self, at: Option<Instant>) -> io::Result<()> {
        if at == self.at {
            return Ok(());
        }
        let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
        let delay = at.map(|at| at.saturating_duration_since(Instant::now()));
        let value = match delay {
            None => nothing,
            // Nothing would be never.
            Some(delay) if delay.is_zero() => Timespec { tv_sec: 0, tv_nsec: 1 },
            Some(delay) => delay.try_into().map_err(io::Error::other)?,
        };
        let spec = Itimerspec { it_interval: nothing, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
        self.at = at;
        Ok(())
    }

    /// Takes notice that it has gone off.
    pub(super) fn acknowledge(&mut self) {
        self.at = None;
        // It may have been set anew since.
        rustix::io::read(&self.timer, &mut [0; 8]).unwrap_or_default();
    }

    /// For [`Alarm::set`]: at once.
    pub(super) const fn now(&self) -> Instant {
        self.past
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_readable(alarm: &Alarm) -> bool {
        rustix::io::read(alarm, &mut [0; 8]).is_ok()
    }

    #[test]
    fn a_time_that_has_passed_is_at_once() {
        let mut alarm = Alarm::new().unwrap();
        assert!(!is_readable(&alarm));
        alarm.set(Some(alarm.now())).unwrap();
        let mut fds = [rustix::event::PollFd::new(&alarm, rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut fds, None).unwrap(), 1);
    }

    #[test]
    fn none_takes_it_back() {
        let mut alarm = Alarm::new().unwrap();
        alarm.set(Some(alarm.now())).unwrap();
        alarm.set(None).unwrap();
        assert!(!is_readable(&alarm));
    }
}
