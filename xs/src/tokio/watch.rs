//! Being told about changes.

use xen_types::Deadline;

use super::Client;
use crate::error::{Cause, Error, Result, Subject};
use crate::path::Path;
use crate::proto::{Event, InboxId};

/// A watch on a node and everything below it; dropping it ends the watch.
///
/// An event says "look again", not what happened, and may be spurious: the first comes at once and
/// is no change at all. Events that say the same are one; none is lost, whether or not anybody
/// waits.
#[derive(Debug)]
pub struct Watch {
    path: Path,
    events: Subscription,
}

/// Where the events of any number of watches arrive, for as long as it lives.
#[derive(Debug)]
pub(super) struct Subscription {
    client: Client,
    inbox: InboxId,
}

impl Client {
    /// Watches a node and everything below it, or a special path. If the future is dropped, nothing
    /// is watched.
    ///
    /// # Errors
    /// As for [`Client::watch`](crate::Client::watch).
    #[doc(alias = "xs_watch")]
    pub async fn watch(&self, path: &Path) -> Result<Watch> {
        self.start_watch(path, None).await
    }

    /// Watches a node and what is at most `depth` levels below it; see
    /// [`Client::watch_to_depth`](crate::Client::watch_to_depth). Xen 4.22.
    ///
    /// # Errors
    /// As there.
    pub async fn watch_to_depth(&self, path: &Path, depth: u32) -> Result<Watch> {
        self.start_watch(path, Some(depth)).await
    }

    async fn start_watch(&self, path: &Path, depth: Option<u32>) -> Result<Watch> {
        let events = Subscription::new(self);
        events
            .add_all(&[path], depth)
            .await
            .map_err(|cause| Error::new("watch", Subject::Node(path.clone()), cause))?;
        Ok(Watch { path: path.clone(), events })
    }
}

impl Watch {
    /// What is watched.
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next event. With a deadline that has passed it takes what has come already.
    /// If the future is dropped, no event is lost: it is still the next.
    ///
    /// # Errors
    /// [`Kind::TimedOut`](crate::Kind::TimedOut) at the deadline,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the connection ends.
    #[doc(alias = "xs_read_watch")]
    pub async fn wait(&mut self, deadline: Deadline) -> Result<Event> {
        self.events.next(deadline).await.map_err(|cause| self.failed(cause))
    }

    /// Takes the next event if there is one, without waiting.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the connection ends.
    #[doc(alias = "xs_check_watch")]
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        let event = self.events.client.connection().poll_event(self.events.inbox);
        event.map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: Cause) -> Error {
        Error::new("wait for a change of", Subject::Node(self.path.clone()), cause)
    }
}

impl Subscription {
    pub(super) fn new(client: &Client) -> Self {
        let inbox = client.connection().open_inbox();
        Self { client: client.clone(), inbox }
    }

    pub(super) async fn add_all(
        &self,
        paths: &[&Path],
        depth: Option<u32>,
    ) -> std::result::Result<(), Cause> {
        let deadline = self.client.request_deadline()?;
        self.client.connection().watch(paths, depth, self.inbox, deadline).await
    }

    pub(super) fn remove(&self, path: &Path) {
        self.client.connection().unwatch(path, self.inbox);
    }

    pub(super) async fn next(&mut self, deadline: Deadline) -> std::result::Result<Event, Cause> {
        let deadline = self.client.cut(deadline);
        let event = self.client.connection().next_event(self.inbox, deadline).await;
        event.map_err(|cause| match cause {
            Cause::TimedOut => Cause::NoEvent,
            other => other,
        })
    }

    /// Takes the events that are here already.
    pub(super) fn clear(&mut self) {
        while self.client.connection().take_event(self.inbox).is_some() {}
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client.connection().close_inbox(self.inbox);
    }
}
