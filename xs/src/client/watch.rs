//! Being told about changes.

use xen_types::Deadline;

use super::Client;
use crate::error::{Cause, Error, Result, Subject};
use crate::path::Path;
use crate::proto::{Event, InboxId};

/// A watch on a node and everything below it; dropping it ends the watch.
///
/// An event says "look again", not what happened, and may be spurious: the first comes at once and
/// is no change at all. Events that say the same are one; none is lost. They are collected while
/// any thread waits for anything on the same connection, and kept by the daemon otherwise.
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
    /// Watches a node and everything below it, or a special path.
    ///
    /// # Errors
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) or [`Kind::Invalid`](crate::Kind::Invalid) over
    /// the quota of watches, which only guests have.
    #[doc(alias = "xs_watch")]
    pub fn watch(&self, path: &Path) -> Result<Watch> {
        let events = Subscription::new(self);
        events
            .add(path)
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
    ///
    /// # Errors
    /// [`Kind::TimedOut`](crate::Kind::TimedOut) at the deadline,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the connection ends.
    #[doc(alias = "xs_read_watch")]
    pub fn wait(&mut self, deadline: Deadline) -> Result<Event> {
        self.events.next(deadline).map_err(|cause| {
            Error::new("wait for a change of", Subject::Node(self.path.clone()), cause)
        })
    }
}

impl Subscription {
    pub(super) fn new(client: &Client) -> Self {
        Self { client: client.clone(), inbox: client.connection.open_inbox() }
    }

    pub(super) fn add(&self, path: &Path) -> std::result::Result<(), Cause> {
        self.client.connection.watch(path, self.inbox, self.client.request_deadline()?)
    }

    pub(super) fn next(&mut self, deadline: Deadline) -> std::result::Result<Event, Cause> {
        let deadline = self.client.cut(deadline);
        self.client.connection.next_event(self.inbox, deadline).map_err(|cause| match cause {
            Cause::TimedOut => Cause::NoEvent,
            other => other,
        })
    }

    /// Takes the events that are here already.
    pub(super) fn clear(&mut self) {
        while self.client.connection.take_event(self.inbox).is_some() {}
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client.connection.close_inbox(self.inbox);
    }
}
