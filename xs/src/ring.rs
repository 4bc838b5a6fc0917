//! A guest's own way to the store: the page that it shares with it, and an event channel.
//!
//! Whoever has both brings them as a [`Page`] and a [`Bell`], and [`Client::over_ring`] speaks over
//! them. A kernel that uses the ring itself must not be doing so at the same time: then
//! [`Client::open_device`] is the way.
//!
//! Each side writes bytes and then the index that says so, and reads an index and then the bytes:
//! [`Page::store`] releases and [`Page::load`] acquires, which is all the ordering that
//! docs/misc/xenstore-ring.txt asks for. After every change of an index the bell is rung. What the
//! other side writes is not trusted: each index is read once for each use and checked, bytes are
//! copied before they are looked at, and the own indices are compared with what they were.
//!
//! [`Client::over_ring`]: crate::Client::over_ring
//! [`Client::open_device`]: crate::Client::open_device

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::PollFlags;
use xen_types::Deadline;

use crate::error::{Cause, Error, Lost, Result, Subject};
use crate::proto::Features;
use crate::proto::ring::{FEATURES, STATE, State};
use crate::transport;

/// The page that a domain shares with its store, 4096 bytes; [`proto::ring`](crate::proto::ring)
/// says what is where.
///
/// The other side writes it at any time, so it is never a slice: an implementation copies.
pub trait Page: Send + Sync {
    /// The word at `offset`, a multiple of 4, in one access. Nothing that the caller accesses
    /// afterwards is accessed before (acquire).
    fn load(&self, offset: usize) -> u32;

    /// Sets the word at `offset`, a multiple of 4, in one access. Everything that the caller
    /// accessed before is accessed before (release).
    fn store(&self, offset: usize, value: u32);

    /// Copies the bytes from `offset` on out of the page.
    fn read(&self, offset: usize, bytes: &mut [u8]);

    /// Copies bytes into the page, from `offset` on.
    fn write(&self, offset: usize, bytes: &[u8]);
}

/// The event channel that goes with a [`Page`].
pub trait Bell: Send + Sync {
    /// Is readable from when the other side rings until [`Bell::acknowledge`]. It is the same one
    /// at every call, and can be polled.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Rings at the other side, which then sees what was stored in the page before.
    ///
    /// # Errors
    /// They end the connection.
    fn ring(&self) -> io::Result<()>;

    /// Takes note that the other side has rung, if it has: what it stored in the page before is
    /// seen from now on, and when it rings again the descriptor is readable again. Never blocks.
    ///
    /// # Errors
    /// They end the connection.
    fn acknowledge(&self) -> io::Result<()>;
}

/// What the store offers on this ring. Features may be added while it is in use, never taken away.
pub fn features(page: &impl Page) -> Features {
    Features::from_bits_retain(page.load(FEATURES))
}

/// Has the store begin anew on a ring that was in use: its queues are emptied, and the watches,
/// transactions and requests of whoever used it before are forgotten.
///
/// Where whoever built the domain has asked the store for that already, this waits for it. No
/// client may be using the ring.
///
/// # Errors
/// [`Kind::Unavailable`](crate::Kind::Unavailable) if the store does not offer
/// [`Features::RECONNECTION`], or the bell fails; [`Kind::TimedOut`](crate::Kind::TimedOut) if the
/// store has not begun anew by the deadline: it may do so later.
pub fn reconnect(page: &impl Page, bell: &impl Bell, deadline: Deadline) -> Result<()> {
    try_reconnect(page, bell, deadline).map_err(|cause| {
        Error::new("reconnect", Subject::Text("the ring to the store".into()), cause)
    })
}

fn try_reconnect(
    page: &impl Page,
    bell: &impl Bell,
    deadline: Deadline,
) -> std::result::Result<(), Cause> {
    // While the state asks for it nothing else in the page counts, so neither do the features.
    if State(page.load(STATE)) != State::RECONNECT {
        if !features(page).contains(Features::RECONNECTION) {
            return Err(Cause::NoReconnection);
        }
        page.store(STATE, State::RECONNECT.0);
    }
    bell.ring().map_err(Lost::by)?;
    loop {
        let late = deadline.passed(Instant::now());
        bell.acknowledge().map_err(Lost::by)?;
        if State(page.load(STATE)) == State::CONNECTED {
            return Ok(());
        }
        if late {
            return Err(Cause::TimedOut);
        }
        transport::wait(bell.fd(), PollFlags::IN, deadline.remaining(Instant::now()))?;
    }
}

impl<P: Page + ?Sized> Page for Arc<P> {
    fn load(&self, offset: usize) -> u32 {
        (**self).load(offset)
    }

    fn store(&self, offset: usize, value: u32) {
        (**self).store(offset, value);
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        (**self).read(offset, bytes);
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        (**self).write(offset, bytes);
    }
}

impl<B: Bell + ?Sized> Bell for Arc<B> {
    fn fd(&self) -> BorrowedFd<'_> {
        (**self).fd()
    }

    fn ring(&self) -> io::Result<()> {
        (**self).ring()
    }

    fn acknowledge(&self) -> io::Result<()> {
        (**self).acknowledge()
    }
}
