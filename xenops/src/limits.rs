//! When an operation stops early: its deadline, and a request to cancel it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use xen_types::{Clock, Deadline};

use crate::error::{Cause, Problem};

/// What bounds one operation.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The moment at which the whole operation gives up. What it undoes then, and a removal that has begun,
    /// goes on in a time of its own.
    pub deadline: Deadline,
    /// Asked between the steps of an operation and ten times a second while it waits for a domain. A
    /// single request to the xenstore, and the domain builder, are not interrupted; a save is, each
    /// 4 MiB.
    pub cancel: Cancel,
    /// The clock that the deadline is on, which has to be that of the host's connection to the store
    /// ([`xs::Client::clock`]); another than the real one for simulated machines only.
    pub clock: Clock,
}

impl Limits {
    /// Limits with a deadline only, on the real clock. See [`Host::limits`](crate::Host::limits) for
    /// that of a host.
    pub fn until(deadline: Deadline) -> Self {
        Self { deadline, cancel: Cancel::new(), clock: Clock::real() }
    }

    /// The same, and no less time than until `deadline`.
    pub(crate) fn at_least_until(self, deadline: Deadline) -> Self {
        Self { deadline: self.deadline.max(deadline), ..self }
    }

    /// Fails once the operation shall stop.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.cancel.requested() { Err(Problem::Cancelled) } else { Ok(()) }
    }

    /// Whether the time is up.
    pub(crate) fn is_late(&self) -> bool {
        self.clock.passed(self.deadline)
    }

    /// Fails once the operation shall stop or its time is up.
    pub(crate) fn check_time(&self) -> Result<(), Problem> {
        self.check()?;
        if self.is_late() {
            return Err(Problem::TimedOut { what: "the next step", last: "no time left".into() });
        }
        Ok(())
    }

    /// Asks `done` again and again, at first after 1 ms and at last every 10 ms, until it gives a
    /// value: `None` when the time is up before. For conditions that nobody announces.
    pub(crate) fn poll<T, E: From<Problem>>(
        &self,
        mut done: impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(value) = done()? {
                return Ok(Some(value));
            }
            self.check()?;
            let left = self.clock.remaining(self.deadline);
            if left.is_zero() {
                return Ok(None);
            }
            let pause_now = match pause < LONGEST_PAUSE {
                true => pause.min(left),
                false => self.clock.remaining(self.clock.next_look(pause, self.deadline)),
            };
            self.clock.sleep(pause_now);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The end of the next part of a long wait, after which [`Limits::check`] is due.
    pub(crate) fn next_look(&self) -> Deadline {
        self.clock.next_look(Duration::from_millis(100), self.deadline)
    }
}

/// What bounds a step that is not left half-done: the limits of the operation, and where those are nearer, or
/// the caller cancels, a time of the step's own from its beginning.
#[derive(Debug)]
pub(crate) struct Finishing {
    /// Those of the operation, or its own if they are later.
    pub(crate) most: Limits,
    own: Limits,
}

impl Finishing {
    /// A step of an operation, with `own` if that one's limits do not do.
    pub(crate) fn new(own: Limits, limits: &Limits) -> Self {
        let most = own.clone().at_least_until(limits.deadline);
        Self { most: Limits { cancel: limits.cancel.clone(), ..most }, own }
    }

    /// Waits by the limits of the operation; once cancelled, by its own.
    pub(crate) fn wait<T>(
        &self,
        mut until: impl FnMut(&Limits) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        match until(&self.most) {
            Err(Cause::Problem(Problem::Cancelled)) => until(&self.own),
            done => done,
        }
    }
}

/// A request to stop, shared between whoever asks and the operation. Once made it stays.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the operation to stop; it undoes what it did, or goes on to its end where there is no way back.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for a signal handler to set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// What ends between two looks is seen half of this late: of a script that takes half a second, a hundredth.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_wait_past_its_deadline_asks_once_and_ends() {
        let limits = Limits::until(Deadline::at(Instant::now()));
        let mut asked = 0;
        let outcome: Result<Option<()>, Problem> = limits.poll(|| {
            asked += 1;
            Ok(None)
        });
        assert_eq!((outcome, asked), (Ok(None), 1));
    }

    #[test]
    fn a_cancelled_wait_ends_at_once() {
        let limits = Limits::until(Deadline::after(Duration::from_secs(3600)));
        limits.cancel.request();
        let outcome: Result<Option<()>, Problem> = limits.poll(|| Ok(None));
        assert_eq!(outcome, Err(Problem::Cancelled));
    }
}
