//! Channels: streams of bytes to another domain, over a page that both share and an event channel.
//!
//! One end offers ([`Offer`]) and writes below a path of the xenstore how it is reached; the other
//! connects ([`Channel::connect`]). The page, the nodes and their meaning are those of libxenvchan
//! (`io/libxenvchan.h`), so the other end may be a program in C or one in a guest.
//!
//! ```
//! use std::time::Duration;
//! use eventchn::EventChannels;
//! use xc::grant::Shares;
//! use xenops::channel::Offer;
//! use xenops::{Deadline, DomId, Kind};
//! use xs::{Client, Path};
//!
//! fn greet(guest: DomId) -> Result<(), Box<dyn std::error::Error>> {
//!     let deadline = Deadline::after(Duration::from_secs(20));
//!     let shares = Shares::open()?;
//!     let path = Path::domain(guest).join("data/greeting");
//!     let offer = Offer::new(path, guest);
//!     let mut channel = offer.make(&Client::open()?, &shares, EventChannels::open()?, deadline)?;
//!     channel.write_all(b"hello", deadline)?;
//!     channel.close(deadline)?;
//!     Ok(())
//! }
//!
//! match greet(DomId::new(7).ok_or("reserved")?) {
//!     Err(e) if e.downcast_ref().map(xc::Error::kind) == Some(Kind::Unavailable) => {
//!         println!("no Xen here: {e}");
//!     }
//!     other => println!("{other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does for you: an end that goes, also by SIGKILL, is [`Kind::Gone`] to
//! the other one, after all that it had written was read; what the other end writes into the page is
//! never believed; guards take back nodes, grants, mappings and ports.
//!
//! What it does not do: keep messages apart, encrypt, serve several clients over one offer, or take
//! up a connection again.

mod core;
#[cfg(test)]
mod fake;
mod layout;
mod offer;
mod ring;
mod store;

use std::os::fd::{AsFd, BorrowedFd};

use eventchn::{Bound, EventChannels};
use xc::grant::{Access, Grants};
use xen_types::{Deadline, DomId, Kind};
use xs::{Client, Path};

use self::core::{Core, Moved, Peer};
use self::store::{Found, Keys, Published};
use crate::error::{Cause, Error, Problem, Result, Subject};

pub use offer::Offer;

/// One end of a channel.
///
/// Bytes arrive in the order in which they were written, in pieces of any length. With blocking
/// calls one thread uses it at a time. In an event loop, watch the descriptor ([`AsFd`]); when it is
/// readable, call [`Channel::acknowledge`], then [`Channel::try_read`] and [`Channel::try_write`]
/// until they give fewer bytes than asked for: from then on the descriptor is readable again when
/// there is more to do.
///
/// Dropped, the end goes, and the other one sees that. Where this end made the offer, its nodes in
/// the xenstore are removed, which waits for a store that does not answer 5 s at most.
#[derive(Debug)]
pub struct Channel {
    // In this order: nobody finds what goes, and the port outlives the pages, whose unmapping rings.
    published: Option<Published>,
    core: Core,
    bell: Bound,
    events: EventChannels,
    path: Path,
}

impl Channel {
    /// Connects to what `peer` offers below `path`, waiting for the offer. One that does not work,
    /// because whoever made it has died, is left for the next one below the same path.
    ///
    /// `events` is a device for this channel alone.
    ///
    /// # Errors
    /// [`Kind::TimedOut`] if there was no offer by the deadline; if there was
    /// one, what is wrong with it: [`Kind::Invalid`] if its numbers mean
    /// nothing (any more), [`Kind::Gone`] if its maker is going,
    /// [`Kind::Busy`] if another client is connected.
    #[doc(alias = "libxenvchan_client_init")]
    pub fn connect(
        store: &Client,
        grants: &Grants,
        events: EventChannels,
        path: &Path,
        peer: DomId,
        deadline: Deadline,
    ) -> Result<Self> {
        let fail = |cause| Error::new("connect to", subject(path), cause);
        let keys = Keys::below(path);
        let mut found = keys.wait(store, None, deadline).map_err(fail)?;
        loop {
            match Self::attend(grants, &events, path, peer, found) {
                Ok(channel) => return Ok(channel),
                Err(cause) if is_stale(&cause) => match keys.wait(store, Some(found), deadline) {
                    Ok(next) => found = next,
                    Err(_) => return Err(fail(cause)), // which says more than that there was no other
                },
                Err(cause) => return Err(fail(cause)),
            }
        }
    }

    fn attend(
        grants: &Grants,
        events: &EventChannels,
        path: &Path,
        peer: DomId,
        found: Found,
    ) -> Result<Self, Cause> {
        let page = grants.map(peer, &[found.page], Access::Write)?;
        let core = Core::attend(page, |references, written| {
            grants.map(peer, references, if written { Access::Write } else { Access::Read })
        })?;
        let bell = events.bind_interdomain(peer, found.port)?;
        // From here on this is the client: its end, however it comes, is told to the server.
        core.enter(bell.port())?;
        bell.notify()?;
        Ok(Self { published: None, core, bell, events: events.clone(), path: path.clone() })
    }

    /// Waits until a client has connected; at once at the end of the client.
    ///
    /// # Errors
    /// [`Kind::TimedOut`]; [`Kind::Gone`] if the other end
    /// has come and gone: what it wrote can still be read.
    pub fn wait_connected(&mut self, deadline: Deadline) -> Result<()> {
        let wait = |this: &mut Self| loop {
            match this.core.peer()? {
                Peer::There => return Ok(()),
                Peer::Gone => return Err(Problem::OtherEndGone.into()),
                Peer::Awaited => this.sleep("a client", "none yet", deadline)?,
            }
        };
        wait(self).map_err(|cause| self.failed("wait for the other end of", cause))
    }

    /// Reads what is there without waiting, at most as many bytes as fit; `None` if there are none.
    ///
    /// # Errors
    /// [`Kind::Gone`] if the other end has gone and all was read,
    /// [`Kind::Invalid`] if it has written an impossible index: the channel is
    /// of no more use.
    #[doc(alias = "libxenvchan_read")]
    pub fn try_read(&mut self, bytes: &mut [u8]) -> Result<Option<usize>> {
        self.receive(bytes).map_err(|cause| self.failed("read from", cause))
    }

    /// Writes what there is room for without waiting; `None` if there is none.
    ///
    /// # Errors
    /// As for [`Channel::try_read`]; [`Kind::Gone`] at once. The server may write
    /// before its client is there.
    #[doc(alias = "libxenvchan_write")]
    pub fn try_write(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        self.send(bytes).map_err(|cause| self.failed("write to", cause))
    }

    /// Reads at least one byte, unless none fits, waiting for it.
    ///
    /// # Errors
    /// As for [`Channel::try_read`]; [`Kind::TimedOut`] if there was none by
    /// the deadline.
    pub fn read(&mut self, bytes: &mut [u8], deadline: Deadline) -> Result<usize> {
        let mut read = |this: &mut Self| loop {
            if let Some(count) = this.receive(bytes)? {
                return Ok(count);
            }
            this.sleep("bytes to read", "the queue is empty", deadline)?;
        };
        read(self).map_err(|cause| self.failed("read from", cause))
    }

    /// Fills the buffer, waiting for the bytes.
    ///
    /// # Errors
    /// As for [`Channel::read`]; what was read by then is in the buffer, and how much it is unknown.
    #[doc(alias = "libxenvchan_recv")]
    pub fn read_exact(&mut self, bytes: &mut [u8], deadline: Deadline) -> Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            done += self.read(&mut bytes[done..], deadline)?;
        }
        Ok(())
    }

    /// Writes at least one byte, unless there is none, waiting for room; how many it was.
    ///
    /// # Errors
    /// As for [`Channel::try_write`]; [`Kind::TimedOut`] if there was no room
    /// by the deadline.
    pub fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize> {
        let write = |this: &mut Self| loop {
            if let Some(count) = this.send(bytes)? {
                return Ok(count);
            }
            this.sleep("room to write", "the queue is full", deadline)?;
        };
        write(self).map_err(|cause| self.failed("write to", cause))
    }

    /// Writes all bytes, waiting for room as often as need be. That they were read it does not say.
    ///
    /// # Errors
    /// As for [`Channel::write`]; a part of the bytes may be written.
    #[doc(alias = "libxenvchan_send")]
    pub fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            done += self.write(&bytes[done..], deadline)?;
        }
        Ok(())
    }

    /// Waits until the other end may have read, written or gone, for whoever waits for more than one
    /// of these: try before, and again afterwards.
    ///
    /// # Errors
    /// [`Kind::TimedOut`], once the deadline has passed also if the other end has just rung: one that
    /// rings without end does not keep such a loop going.
    #[doc(alias = "libxenvchan_wait")]
    pub fn wait(&mut self, deadline: Deadline) -> Result<()> {
        self.sleep("the other end", "nothing has changed", deadline)
            .map_err(|cause| self.failed("wait for the other end of", cause))
    }

    /// Takes note, in an event loop, that the descriptor was readable. Never blocks.
    ///
    /// # Errors
    /// When the event-channel device fails.
    pub fn acknowledge(&mut self) -> Result<()> {
        let acknowledge = || {
            if self.events.pending()?.contains(&self.bell.port()) {
                self.bell.unmask()?;
            }
            Ok(())
        };
        acknowledge()
            .map_err(|e: eventchn::Error| self.failed("look after the events of", e.into()))
    }

    /// Whether the other end has not gone; before a client has connected it has not. Once it has, it
    /// does not come back.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it has written an impossible index, [`Kind::Gone`] in a process forked
    /// from the one that has the channel.
    #[doc(alias = "libxenvchan_is_open")]
    pub fn is_open(&self) -> Result<bool> {
        let peer = self.core.peer().map_err(|cause| self.failed("look at", cause))?;
        Ok(peer != Peer::Gone)
    }

    /// The path in the xenstore below which the channel was offered.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends this end, telling whether everything was taken back; bytes that the other end has not
    /// read yet it can still read.
    ///
    /// # Errors
    /// The first failure of the store, the pages and the port; the others are given up all the same.
    #[doc(alias = "libxenvchan_close")]
    pub fn close(self, deadline: Deadline) -> Result<()> {
        let Self { published, core, bell, events: _, path } = self;
        let withdrawn = published.map_or(Ok(()), |mut published| published.withdraw(deadline));
        let (unmapped, unbound) = (core.close(), bell.close());
        withdrawn
            .and(unmapped.map_err(Cause::from))
            .and(unbound.map_err(Cause::from))
            .map_err(|cause| Error::new("close", subject(&path), cause))
    }

    fn receive(&mut self, bytes: &mut [u8]) -> Result<Option<usize>, Cause> {
        if let Some(count) = self.moved(bytes.is_empty(), |core| core.read(bytes))? {
            return Ok(Some(count));
        }
        if self.core.peer()? != Peer::Gone {
            return Ok(None);
        }
        // What it wrote before it went may have come after the first look.
        let last = self.moved(false, |core| core.read(bytes))?;
        if last.is_none() {
            self.core.give_up();
            return Err(Problem::OtherEndGone.into());
        }
        Ok(last)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<Option<usize>, Cause> {
        if self.core.peer()? == Peer::Gone {
            return Err(Problem::OtherEndGone.into());
        }
        self.moved(bytes.is_empty(), |core| core.write(bytes))
    }

    /// Rings where that is wanted; `None` if nothing moved although something should have.
    fn moved(
        &mut self,
        empty: bool,
        action: impl FnOnce(&mut Core) -> Result<Moved, Cause>,
    ) -> Result<Option<usize>, Cause> {
        let moved = action(&mut self.core)?;
        if moved.ring {
            self.bell.notify()?;
        }
        Ok((moved.bytes > 0 || empty).then_some(moved.bytes))
    }

    /// Waits for a ring, after a look that found nothing. Past the deadline there is none to wait for:
    /// the other end can ring without end.
    fn sleep(
        &mut self,
        what: &'static str,
        last: &'static str,
        deadline: Deadline,
    ) -> Result<(), Cause> {
        let timed_out = || Err(Problem::TimedOut { what, last: last.into() }.into());
        if self.bell.clock().passed(deadline) {
            return timed_out();
        }
        match self.bell.wait(deadline) {
            Err(e) if e.kind() == Kind::TimedOut => timed_out(),
            done => Ok(done?),
        }
    }

    fn failed(&self, operation: &'static str, cause: Cause) -> Error {
        Error::new(operation, subject(&self.path), cause)
    }
}

/// Whether it is what connecting to an offer says whose maker has gone, or has a client.
fn is_stale(cause: &Cause) -> bool {
    match cause {
        Cause::Hypervisor(_) | Cause::Events(_) => cause.kind() == Kind::Invalid,
        Cause::Problem(problem) => {
            matches!(problem, Problem::OtherEndGone | Problem::OtherClient)
        }
        _ => false,
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

fn subject(path: &Path) -> Subject {
    Subject::Channel(path.to_string())
}

#[cfg(test)]
mod tests;
