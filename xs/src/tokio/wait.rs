//! Waiting until a condition is met: watch, look, and look again at each event.

use xen_types::Deadline;

use super::Client;
use super::watch::Subscription;
use crate::condition::{Condition, Met};
use crate::error::{Cause, Error, Result, Subject};
use crate::flow::{Need, Waiting};
use crate::proto::TxId;

impl Client {
    /// Waits until the store fulfils a condition, as [`Client::wait`](crate::Client::wait) does.
    ///
    /// # Errors
    /// As there.
    pub async fn wait(&self, condition: &Condition, deadline: Deadline) -> Result<Met> {
        self.with_deadline(deadline)
            .wait_for(condition, deadline)
            .await
            .map_err(|cause| Error::new("wait until", Subject::Text(condition.to_string()), cause))
    }

    async fn wait_for(
        &self,
        condition: &Condition,
        deadline: Deadline,
    ) -> std::result::Result<Met, Cause> {
        let mut waiting = Waiting::new(condition);
        let mut events = Subscription::new(self);
        loop {
            match waiting.need() {
                Need::Look(requests) => {
                    let outcomes = self.flight(&requests, TxId::NONE).await;
                    if let Some(met) = waiting.looked(outcomes)? {
                        return Ok(met);
                    }
                }
                Need::Watch(paths) => {
                    let outcome = events.add_all(&paths, None).await;
                    waiting.watching(outcome)?;
                }
                Need::Event => {
                    let outcome = events.next(deadline).await.map(drop);
                    events.clear(); // one look answers all of them
                    waiting.woken(outcome)?;
                }
            }
        }
    }
}
