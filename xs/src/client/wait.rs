//! Waiting until a condition is met: watch, look, and look again at each event.

use xen_types::Deadline;

use super::Client;
use super::condition::{Condition, Met, Seen, describe};
use super::watch::Subscription;
use crate::error::{Cause, Error, Result, Subject};
use crate::proto::{ErrorCode, Request, TxId};

impl Client {
    /// Waits until the store fulfils a condition.
    ///
    /// What is true already is found without a watch. What becomes true and false again between
    /// two looks may be missed. Looking needs the daemon to answer: with a deadline that has passed
    /// nothing is asked, and the wait fails also where the condition holds.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use xs::{Client, Deadline, Path, any_of, appears, becomes};
    /// # let (client, backend) = (Client::open()?, Path::from_static("/backend"));
    /// let outcome = any_of([
    ///     appears(backend.join("hotplug-error")),
    ///     becomes(backend.join("hotplug-status"), "connected"),
    /// ]);
    /// let met = client.wait(&outcome, Deadline::after(Duration::from_secs(20)))?;
    /// assert_eq!(met.which(), 1);
    /// # Ok::<(), xs::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Kind::TimedOut`](crate::Kind::TimedOut) at the deadline: the error says what was waited
    /// for and, in its source, what was seen last. Failures to read or to watch are as for
    /// [`Store::read`](crate::Store::read).
    pub fn wait(&self, condition: &Condition, deadline: Deadline) -> Result<Met> {
        self.with_deadline(deadline)
            .wait_for(condition, deadline)
            .map_err(|cause| Error::new("wait until", Subject::Text(condition.to_string()), cause))
    }

    fn wait_for(
        &self,
        condition: &Condition,
        deadline: Deadline,
    ) -> std::result::Result<Met, Cause> {
        let mut seen = condition.unseen();
        self.look(&mut seen).map_err(|cause| match cause {
            Cause::NotSent => cause,
            other => silent(other, "nothing yet"),
        })?;
        if let Some(met) = condition.check(&seen) {
            return Ok(met);
        }
        let mut events = Subscription::new(self);
        for path in seen.keys() {
            events.add(path).map_err(|cause| silent(cause, &describe(&seen)))?;
        }
        loop {
            let before = describe(&seen);
            // Also before the first event: what changed before the watch was there has none.
            self.look(&mut seen).map_err(|cause| silent(cause, &before))?;
            if let Some(met) = condition.check(&seen) {
                return Ok(met);
            }
            events.next(deadline).map_err(|cause| match cause {
                Cause::NoEvent => Cause::NotMet { last_seen: describe(&seen) },
                other => other,
            })?;
            events.clear(); // one look answers all of them
        }
    }

    fn look(&self, seen: &mut Seen) -> std::result::Result<(), Cause> {
        for (path, value) in seen {
            *value = match self.call(&Request::Read(path), TxId::NONE) {
                Ok(reply) => Some(reply.into_value()),
                Err(Cause::Code(ErrorCode::Enoent)) => None,
                Err(cause) => return Err(cause),
            };
        }
        Ok(())
    }
}

/// A request that was not answered in time, told as part of a wait.
fn silent(cause: Cause, last_seen: &str) -> Cause {
    match cause {
        Cause::TimedOut => Cause::Silent { last_seen: last_seen.into() },
        Cause::NotSent => Cause::NotMet { last_seen: last_seen.into() },
        other => other,
    }
}
