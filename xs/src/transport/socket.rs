//! The socket of the daemon, with deadlines that cost nothing while the daemon answers.
//!
//! A receive is one system call: its time limit is the socket's own (`SO_RCVTIMEO`). The limit is a
//! power of two below what remains until the deadline, and is set again only when it has become
//! too long, so that the many requests of an operation share one setting. When a receive ends by
//! it, the caller looks at the clock and receives again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType,
    connect, recv, send, shutdown, socket_with,
};
use xen_types::Deadline;

use super::{Sent, Transport};
use crate::error::Lost;

#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// The time limit of a receive as the kernel has it, in milliseconds; 0 if it is to be set.
    limit: AtomicU64,
}

impl Socket {
    /// Takes over a socket that is connected, and blocks: else a receive would not wait.
    pub(crate) const fn new(fd: OwnedFd) -> Self {
        Self { fd, limit: AtomicU64::new(0) }
    }

    /// Connects. A daemon that is stopped, with its queue of callers full, is tried until the
    /// deadline.
    pub(crate) fn connect(path: &Path, deadline: Deadline) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        loop {
            let limit = millis(deadline.remaining(Instant::now()));
            set_socket_timeout(&fd, Timeout::Send, Some(Duration::from_millis(limit)))?;
            match connect(&fd, &address) {
                Ok(()) => return Ok(Self::new(fd)),
                // The limit, or a signal; also SIGCONT, without any handler (signal(7)).
                Err(Errno::AGAIN | Errno::INTR) if !deadline.passed(Instant::now()) => {}
                Err(Errno::AGAIN | Errno::INTR) => return Err(Errno::TIMEDOUT.into()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Connects if the daemon has room in its queue of callers; never waits.
    #[cfg(feature = "tokio")]
    pub(crate) fn try_connect(path: &Path) -> io::Result<Option<Self>> {
        let address = SocketAddrUnix::new(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match connect(&fd, &address) {
            Ok(()) => Ok(Some(Self::new(fd))),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn limit_receive(&self, remaining: Duration) -> Result<(), Errno> {
        let remaining = millis(remaining);
        let limit = self.limit.load(Relaxed);
        if limit == 0 || limit > remaining {
            let limit = power_of_two_within(remaining);
            set_socket_timeout(&self.fd, Timeout::Recv, Some(Duration::from_millis(limit)))?;
            self.limit.store(limit, Relaxed);
        }
        Ok(())
    }
}

impl Transport for Socket {
    fn send(&self, bytes: &[u8]) -> Result<Sent, Lost> {
        match send(&self.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => Ok(Sent::Bytes(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Sent::Nothing),
            Err(error) => Err(Lost::Broken(error)),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Lost> {
        match recv(&self.fd, buffer, RecvFlags::DONTWAIT) {
            Ok((count, _)) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(Lost::Broken(error)),
        }
    }

    fn receive_within(
        &self,
        buffer: &mut [u8],
        remaining: Duration,
    ) -> Result<Option<usize>, Lost> {
        self.limit_receive(remaining).map_err(Lost::Broken)?;
        match recv(&self.fd, buffer, RecvFlags::empty()) {
            Ok((count, _)) => Ok(Some(count)),
            Err(Errno::AGAIN) => {
                self.limit.store(0, Relaxed);
                Ok(None)
            }
            // A signal was handled: not an answer, and the deadline still holds.
            Err(Errno::INTR) => Ok(None),
            Err(error) => Err(Lost::Broken(error)),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A stream socket says so (epoll(7)).
    #[cfg(feature = "tokio")]
    fn receives_all(&self) -> bool {
        true
    }

    fn close(&self) {
        // It fails if the other side was first: then it has happened already.
        shutdown(&self.fd, Shutdown::Both).unwrap_or_default();
    }
}

/// Rounded up to 1, because 0 means "no limit" to the kernel; cut to the longest limit.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(LONGEST_LIMIT).clamp(1, LONGEST_LIMIT)
}

const fn power_of_two_within(millis: u64) -> u64 {
    1 << millis.ilog2()
}

/// In milliseconds. While one thread receives, another that must not block (a guard is dropped) may
/// leave bytes that found no room: at the latest then the receiver notices and sends them.
const LONGEST_LIMIT: u64 = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_is_at_most_what_remains_and_more_than_half_of_it() {
        assert_eq!(power_of_two_within(1), 1);
        assert_eq!(power_of_two_within(30_000), 16_384);
        assert_eq!(power_of_two_within(16_384), 16_384);
    }

    #[test]
    fn no_time_is_never_no_limit() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_micros(10)), 1);
        assert_eq!(millis(Duration::MAX), LONGEST_LIMIT);
    }
}
