//! Being told about changes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use rustix::event::{EventfdFlags, epoll, eventfd};
use xen_types::Deadline;

use super::Client;
use super::sleeper::Sleeper;
use crate::error::{Cause, Error, Lost, Result, Subject};
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
    pollable: OnceLock<Pollable>,
}

/// What lets an event loop that is not ours wait for events.
#[derive(Debug)]
struct Pollable {
    /// Is readable if the connection or the bell is.
    epoll: OwnedFd,
    /// Is readable while the inbox has events: somebody else may have received them.
    bell: Arc<OwnedFd>,
}

impl Client {
    /// Watches a node and everything below it, or a special path.
    ///
    /// # Errors
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) or [`Kind::Invalid`](crate::Kind::Invalid) over
    /// the quota of watches, which only guests have.
    #[doc(alias = "xs_watch")]
    pub fn watch(&self, path: &Path) -> Result<Watch> {
        self.start_watch(path, None)
    }

    /// Watches a node and what is at most `depth` levels below it: 0 is the node alone. Of a
    /// special path the only depth is 1; its events then name the domain, as `@releaseDomain/7`.
    /// Xen 4.22, where [`Client::features`] has
    /// [`Features::WATCH_DEPTH`](crate::Features::WATCH_DEPTH).
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) from a store that is older; else as for
    /// [`Client::watch`].
    #[doc(alias = "xs_watch_depth")]
    pub fn watch_to_depth(&self, path: &Path, depth: u32) -> Result<Watch> {
        self.start_watch(path, Some(depth))
    }

    fn start_watch(&self, path: &Path, depth: Option<u32>) -> Result<Watch> {
        let events = Subscription::new(self);
        events
            .add_all(&[path], depth)
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
        self.events.next(deadline).map_err(|cause| self.failed(cause))
    }

    /// Takes the next event if there is one, without waiting.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the connection ends.
    #[doc(alias = "xs_check_watch")]
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        self.events.try_next().map_err(|cause| self.failed(cause))
    }

    /// A descriptor for an event loop of your own: while it is readable, call [`Watch::try_next`]
    /// until it gives `None`. It may be readable without an event when other threads use the same
    /// connection.
    ///
    /// ```no_run
    /// # fn wait_for_any(_: &[std::os::fd::BorrowedFd<'_>]) {}
    /// # let client = xs::Client::open()?;
    /// let mut domains = client.watch(&xs::Path::RELEASE_DOMAIN)?;
    /// loop {
    ///     wait_for_any(&[domains.pollable()?]); // poll, epoll, libev ...
    ///     while let Some(event) = domains.try_next()? {
    ///         println!("{} changed", event.path());
    ///     }
    /// }
    /// # #[allow(unreachable_code)]
    /// # Ok::<(), xs::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the process has no descriptors left.
    #[doc(alias = "xs_fileno")]
    pub fn pollable(&self) -> Result<BorrowedFd<'_>> {
        self.events.pollable().map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: Cause) -> Error {
        Error::new("wait for a change of", Subject::Node(self.path.clone()), cause)
    }
}

impl Subscription {
    pub(super) fn new(client: &Client) -> Self {
        let inbox = client.connection.open_inbox();
        Self { client: client.clone(), inbox, pollable: OnceLock::new() }
    }

    pub(super) fn add_all(
        &self,
        paths: &[&Path],
        depth: Option<u32>,
    ) -> std::result::Result<(), Cause> {
        let until = self.client.request_deadline()?;
        self.client.connection.watch(paths, depth, self.inbox, until)
    }

    pub(super) fn remove(&self, path: &Path) {
        self.client.connection.unwatch(path, self.inbox);
    }

    pub(super) fn next(&mut self, deadline: Deadline) -> std::result::Result<Event, Cause> {
        let until = self.client.within(deadline);
        self.client.connection.next_event(self.inbox, until).map_err(|cause| match cause {
            Cause::TimedOut => Cause::NoEvent,
            other => other,
        })
    }

    /// Takes the events that are here already.
    pub(super) fn clear(&mut self) {
        while self.client.connection.take_event(self.inbox).is_some() {}
    }

    fn try_next(&mut self) -> std::result::Result<Option<Event>, Cause> {
        let silence = || {
            if let Some(pollable) = self.pollable.get() {
                // Fails if it was silent.
                rustix::io::read(&pollable.bell, &mut [0; 8]).map(drop).unwrap_or_default();
            }
        };
        self.client.connection.poll_event(self.inbox, silence)
    }

    fn pollable(&self) -> std::result::Result<BorrowedFd<'_>, Cause> {
        if let Some(pollable) = self.pollable.get() {
            return Ok(pollable.epoll.as_fd());
        }
        let connection = &self.client.connection;
        let pollable = Pollable::new(connection.transport().fd()).map_err(Lost::Broken)?;
        connection.listen(self.inbox, Sleeper::Descriptor(Arc::clone(&pollable.bell)));
        Ok(self.pollable.get_or_init(|| pollable).epoll.as_fd())
    }
}

impl Pollable {
    fn new(connection: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for fd in [connection, bell.as_fd()] {
            epoll::add(&epoll, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        Ok(Self { epoll, bell: Arc::new(bell) })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client.connection.close_inbox(self.inbox);
    }
}
