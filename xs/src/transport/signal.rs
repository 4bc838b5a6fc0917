//! What a transport adds to descriptors that cannot be shut down like a socket: one that stands for
//! all of them, and a way to rouse whoever waits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use rustix::io::{Errno, read, write};

use crate::error::Lost;

#[derive(Debug)]
pub(super) struct Signal {
    event: OwnedFd,
    epoll: OwnedFd,
    closed: AtomicBool,
}

/// Which descriptors have something to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready<const N: usize> {
    pub(super) sources: [bool; N],
    /// The signal was raised.
    pub(super) raised: bool,
}

impl Signal {
    /// A signal that is not raised, to wait for together with `sources`.
    pub(super) fn new(sources: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for fd in sources.iter().copied().chain([event.as_fd()]) {
            epoll::add(&epoll, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        Ok(Self { event, epoll, closed: AtomicBool::new(false) })
    }

    /// Is readable when a source is, or the signal is raised.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Waits until a source is readable or the signal raised; or for the end of the time, or for
    /// another signal, that of a process.
    pub(super) fn wait<const N: usize>(
        &self,
        sources: [BorrowedFd<'_>; N],
        remaining: Duration,
    ) -> Result<Ready<N>, Lost> {
        let own = self.event.as_fd();
        let fds = sources.iter().copied().chain([own]);
        let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // A time too long for the kernel is as good as none.
        match poll(&mut fds, Timespec::try_from(remaining).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Lost::Broken(error)),
        }
        let ready = |n: usize| !fds[n].revents().is_empty();
        Ok(Ready { sources: std::array::from_fn(ready), raised: ready(N) })
    }

    pub(super) fn raise(&self) {
        // It fails only when it is raised 2^64 times over.
        write(&self.event, &1_u64.to_ne_bytes()).unwrap_or_default();
    }

    /// Takes the signal back, unless it is for good.
    pub(super) fn lower(&self) {
        // It fails if it is not raised: then there is nothing to do.
        read(&self.event, &mut [0; 8]).unwrap_or_default();
        if self.is_closed() {
            self.raise();
        }
    }

    /// Raises the signal for good.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.raise();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}
