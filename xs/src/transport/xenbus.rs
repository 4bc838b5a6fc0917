//! The kernel's own connection to the store, `/dev/xen/xenbus`, which it shares with its programs.
//!
//! What Linux does with it (`drivers/xen/xenbus/xenbus_dev_frontend.c`, 4.11 to 6.7):
//! - It looks at one packet of each write and drops what follows. A packet with its header must not
//!   be longer than 4096 bytes.
//! - It queues the replies of each open file. A request it keeps where it was written until a thread
//!   of its own puts it on the ring, and the next write to the same file overwrites it. Only the
//!   reply tells that it is gone: so a file has one request at a time, and flights gain nothing.
//!   (Observed on 6.1: 50 reads at once are mixed up, and the kernel's own requests soon hang.)
//! - WATCH and UNWATCH it carries out itself: the write ends only when the store has answered, and
//!   what the store refuses is the error of the write. A watch's depth it does not pass on.
//! - While a WATCH is being written to a file, the thread that brings all answers of the domain
//!   waits for that file if it has a reply for it; and the WATCH waits for that thread. So nothing
//!   but WATCH and UNWATCH may ever be written where they are: there are two files.
//!
//! ```text
//!   WATCH, UNWATCH ──▶ file "watches"  ──▶ OK, events ──┐
//!   everything else ─▶ file "requests" ──▶ replies ─────┼──▶ receive
//!   refused by the write itself ──────▶ ERROR packets ──┘
//! ```
//!
//! The kernel keeps the order of both files: it has one queue for all requests of the domain.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};

use super::signal::{Ready, Signal};
use super::{Sent, Transport};
use crate::error::Lost;
use crate::proto::{Header, Op};

#[derive(Debug)]
pub(crate) struct Xenbus {
    requests: OwnedFd,
    watches: OwnedFd,
    /// What the kernel refused at once, as the store would have said it.
    refusals: Mutex<Vec<u8>>,
    last: Mutex<Last>,
    /// A request has been written whose reply has not been received.
    busy: AtomicBool,
    /// Raised while there are refusals.
    signal: Signal,
}

/// From where was received last.
#[derive(Debug, Clone, Copy)]
struct Last {
    source: Source,
    /// The last packet may have been received in part only.
    unfinished: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Refusals,
    Watches,
    Requests,
}

impl Xenbus {
    /// Opens the device at the first of these paths that has one.
    pub(crate) fn open(paths: &[&Path]) -> io::Result<Self> {
        let mut error = Errno::NOENT;
        for path in paths {
            match open_device(path) {
                Ok(requests) => return Self::over(requests, open_device(path)?),
                // Of several reasons the one that says more than "there is none".
                Err(Errno::NOENT) => {}
                Err(other) => error = other,
            }
        }
        Err(error.into())
    }

    /// Speaks over two open files of the device, which must not block at reading.
    fn over(requests: OwnedFd, watches: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            signal: Signal::new(&[requests.as_fd(), watches.as_fd()])?,
            requests,
            watches,
            refusals: Mutex::new(Vec::new()),
            last: Mutex::new(Last { source: Source::Requests, unfinished: false }),
            busy: AtomicBool::new(false),
        })
    }

    fn write(&self, header: Header, packet: &[u8]) -> Result<usize, Errno> {
        match header.op {
            // It would end the watches of the kernel as well, and with them all its devices.
            Op::RESET_WATCHES => Err(Errno::PERM),
            Op::WATCH | Op::UNWATCH => write(&self.watches, packet),
            _ if self.busy.load(Ordering::SeqCst) => Err(Errno::AGAIN),
            _ => {
                // Before the reply can be there.
                self.busy.store(true, Ordering::SeqCst);
                let written = write(&self.requests, packet);
                if written.is_err() {
                    self.busy.store(false, Ordering::SeqCst);
                }
                written
            }
        }
    }

    /// Has the reader receive what an answer from the store would look like.
    fn refuse(&self, header: Header, code: &str) {
        let payload = [code.as_bytes(), &[0]].concat();
        let len = u32::try_from(payload.len()).expect("the codes are short words");
        let mut refusals = lock(&self.refusals);
        refusals.extend(Header { op: Op::ERROR, len, ..header }.to_bytes());
        refusals.extend(payload);
        self.signal.raise();
    }

    /// Receives from one source, `None` if it has nothing. As the kernel queues whole packets, only
    /// a buffer that is full may hold a part of one.
    fn receive_from(&self, source: Source, buffer: &mut [u8]) -> Result<Option<usize>, Lost> {
        let received = match source {
            Source::Refusals => self.take_refusals(buffer),
            Source::Watches => from_device(read(&self.watches, &mut *buffer))?,
            Source::Requests => from_device(read(&self.requests, &mut *buffer))?,
        };
        let unfinished = received == Some(buffer.len());
        let before = std::mem::replace(&mut *lock(&self.last), Last { source, unfinished });
        let finished = !unfinished && (received.is_some() || before.unfinished);
        if source == Source::Requests && finished {
            self.busy.store(false, Ordering::SeqCst);
        }
        Ok(received)
    }

    fn take_refusals(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut refusals = lock(&self.refusals);
        let count = refusals.len().min(buffer.len());
        buffer[..count].copy_from_slice(&refusals[..count]);
        refusals.drain(..count);
        if refusals.is_empty() {
            self.signal.lower();
        }
        (count > 0).then_some(count)
    }
}

impl Transport for Xenbus {
    fn send(&self, bytes: &[u8]) -> Result<Sent, Lost> {
        let Some(header) = bytes.first_chunk() else {
            return Ok(Sent::Nothing);
        };
        let header = Header::from_bytes(*header);
        let len = usize::try_from(header.len).unwrap_or(usize::MAX).saturating_add(Header::LEN);
        let packet = &bytes[..len.min(bytes.len())];
        match self.write(header, packet) {
            Ok(count) if count == packet.len() => Ok(Sent::Bytes(count)),
            // It takes all or nothing; behind a part of a packet nothing could follow.
            Ok(_) => Err(Lost::Broken(Errno::IO)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Sent::Nothing),
            Err(error) => match code(error) {
                Some(code) => {
                    self.refuse(header, code);
                    Ok(Sent::Bytes(packet.len()))
                }
                None => Err(Lost::Broken(error)),
            },
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Lost> {
        self.receive_within(buffer, Duration::ZERO)
    }

    fn receive_within(
        &self,
        buffer: &mut [u8],
        remaining: Duration,
    ) -> Result<Option<usize>, Lost> {
        if self.signal.is_closed() {
            return Ok(Some(0));
        }
        let last = *lock(&self.last);
        if last.unfinished
            && let Some(count) = self.receive_from(last.source, buffer)?
        {
            return Ok(Some(count));
        }
        let sources = [self.watches.as_fd(), self.requests.as_fd()];
        let Ready { sources: [watches, requests], raised } =
            self.signal.wait(sources, remaining)?;
        if raised && self.signal.is_closed() {
            return Ok(Some(0));
        }
        let source = match last.source {
            _ if raised => Source::Refusals,
            // Neither may keep the other waiting.
            Source::Requests if watches => Source::Watches,
            _ if requests => Source::Requests,
            _ if watches => Source::Watches,
            _ => return Ok(None),
        };
        self.receive_from(source, buffer)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.signal.fd()
    }

    /// The next request may go when the reply to the last has come.
    fn room_is_received(&self) -> bool {
        true
    }

    fn close(&self) {
        self.signal.close();
    }
}

fn open_device(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
}

fn from_device(received: Result<usize, Errno>) -> Result<Option<usize>, Lost> {
    match received {
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(Lost::Broken(error)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the store calls an error, if it can be a refusal: the kernel has turned the store's word
/// into a number (an unknown word into EINVAL), or refused by itself.
fn code(error: Errno) -> Option<&'static str> {
    CODES.iter().find(|(number, _)| *number == error).map(|(_, name)| *name)
}

/// The errors of `io/xs_wire.h`, but for EAGAIN, which no WATCH has.
const CODES: [(Errno, &str); 15] = [
    (Errno::INVAL, "EINVAL"),
    (Errno::ACCESS, "EACCES"),
    (Errno::EXIST, "EEXIST"),
    (Errno::ISDIR, "EISDIR"),
    (Errno::NOENT, "ENOENT"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::NOSPC, "ENOSPC"),
    (Errno::IO, "EIO"),
    (Errno::NOTEMPTY, "ENOTEMPTY"),
    (Errno::NOSYS, "ENOSYS"),
    (Errno::ROFS, "EROFS"),
    (Errno::BUSY, "EBUSY"),
    (Errno::ISCONN, "EISCONN"),
    (Errno::TOOBIG, "E2BIG"),
    (Errno::PERM, "EPERM"),
];

#[cfg(test)]
mod tests;
