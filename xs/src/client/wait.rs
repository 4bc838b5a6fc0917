//! Waiting until a condition is met: watch, look, and look again at each event.

use xen_types::Deadline;

use super::Client;
use super::watch::Subscription;
use crate::condition::{Condition, Met};
use crate::error::{Cause, Error, Result, Subject};
use crate::flow::{Need, Waiting};
use crate::proto::TxId;

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
    /// [`View::read`](crate::View::read).
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
        let mut waiting = Waiting::new(condition);
        let mut events = None;
        loop {
            match waiting.need() {
                Need::Look(requests) => {
                    let answers = self.flight(&requests, TxId::NONE).into_iter();
                    if let Some(met) = waiting.looked(answers.map(|answer| answer.0).collect())? {
                        return Ok(met);
                    }
                }
                Need::Watch(paths) => {
                    let events = events.get_or_insert_with(|| Subscription::new(self));
                    let outcome = events.add_all(&paths, None);
                    waiting.watching(outcome)?;
                }
                Need::Event => {
                    let events = events.get_or_insert_with(|| Subscription::new(self));
                    let outcome = events.next(deadline).map(drop);
                    events.clear(); // one look answers all of them
                    waiting.woken(outcome)?;
                }
            }
        }
    }
}
