//! What carries the bytes: a socket, the kernel's device, a ring.

mod ring;
mod signal;
mod socket;
mod xenbus;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::Lost;

pub(crate) use ring::Ring;
pub(crate) use socket::Socket;
pub(crate) use xenbus::Xenbus;

/// A stream of bytes to a store and back. All its calls may be made at the same time, but for
/// receiving, which one thread does at a time.
pub(crate) trait Transport: fmt::Debug + Send + Sync {
    /// Sends what fits now. Never waits for the store.
    fn send(&self, bytes: &[u8]) -> Result<Sent, Lost>;

    /// Receives what is there now; `None` if nothing is, `Some(0)` at the end of the stream.
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Lost>;

    /// Receives once; `None` if nothing came within some time that is not over `remaining`.
    fn receive_within(
        &self,
        buffer: &mut [u8],
        remaining: Duration,
    ) -> Result<Option<usize>, Lost> {
        wait(self.fd(), PollFlags::IN, remaining)?;
        self.receive(buffer)
    }

    /// Is readable when there is something to receive.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Whether room to send makes the descriptor readable, so that whoever receives finds it, and
    /// not writable.
    fn room_is_received(&self) -> bool {
        false
    }

    /// Whether a receive that leaves some of the buffer free has left nothing behind, so that the
    /// descriptor announces whatever comes next.
    #[cfg(feature = "tokio")]
    fn receives_all(&self) -> bool {
        false
    }

    /// Waits until there is something to receive or, as far as the descriptor tells, room to send;
    /// `false` if there was not.
    fn wait_until_ready(&self, remaining: Duration) -> Result<bool, Lost> {
        wait(self.fd(), PollFlags::IN | PollFlags::OUT, remaining)
    }

    /// Ends the stream in both directions; a receive that is under way returns.
    fn close(&self);
}

/// What became of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The first bytes went.
    Bytes(usize),
    /// Nothing fits.
    Nothing,
}

/// Waits for one of these events, or for the end of the time, or for a signal; `false` if there was
/// no event.
pub(crate) fn wait(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    remaining: Duration,
) -> Result<bool, Lost> {
    let mut fds = [PollFd::from_borrowed_fd(fd, events)];
    // A time too long for the kernel is as good as none.
    let timeout = Timespec::try_from(remaining).ok();
    match poll(&mut fds, timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(Lost::Broken(error)),
    }
}
