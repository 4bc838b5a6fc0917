//! The task that receives for everybody on one connection.
//!
//! It also sends what found no room, and wakes those whose deadline has passed. It has no state that
//! matters to the protocol: that is all in [`Connection`], where others find it too.

use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::connection::{Connection, Received};
use super::pending::now;
use crate::error::Lost;

#[derive(Debug)]
pub(super) struct Driver {
    /// For reading only: a Unix socket that is registered for writing, too, is reported whenever the
    /// daemon takes a request, which would wake us twice in each round trip.
    readable: AsyncFd<Stream>,
    /// While bytes wait for room.
    writable: Option<AsyncFd<OwnedFd>>,
    alarm: Pin<Box<tokio::time::Sleep>>,
    set_to: Option<Instant>,
}

/// A connection as its descriptor, which is thus open for as long as it is registered.
#[derive(Debug)]
struct Stream(Arc<Connection>);

impl Driver {
    /// # Panics
    /// Outside of a runtime with I/O and time.
    pub(super) fn new(connection: Arc<Connection>) -> std::io::Result<Self> {
        Ok(Self {
            readable: register(Stream(connection), Interest::READABLE)?,
            writable: None,
            alarm: Box::pin(tokio::time::sleep(std::time::Duration::ZERO)),
            set_to: None,
        })
    }

    fn connection(&self) -> &Connection {
        &self.readable.get_ref().0
    }

    /// Receives until nothing more is there.
    fn receive(&self, cx: &mut Context<'_>) -> Result<(), Lost> {
        while let Poll::Ready(ready) = self.readable.poll_read_ready(cx) {
            let mut ready = ready.map_err(|_| Lost::Undriven)?;
            if self.connection().receive() == Received::All {
                ready.clear_ready();
            }
        }
        Ok(())
    }

    /// Sends as there is room, until nothing is left.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let connection = Arc::clone(&self.readable.get_ref().0);
        let writable = match self.writable.take() {
            Some(writable) => writable,
            None => writable_side(&connection).map_err(Lost::by)?,
        };
        let writable = self.writable.insert(writable);
        loop {
            let mut ready = ready!(writable.poll_write_ready(cx)).map_err(|_| Lost::Undriven)?;
            if connection.send_rest() {
                self.writable = None;
                return Poll::Ready(Ok(()));
            }
            ready.clear_ready();
        }
    }

    /// Has those woken whose deadline passes, until no more deadlines are known.
    fn watch_the_clock(&mut self, mut alarm: Option<Instant>, cx: &mut Context<'_>) {
        while let Some(moment) = alarm {
            if self.set_to != Some(moment) {
                self.alarm.as_mut().reset(moment.into());
                self.set_to = Some(moment);
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                return;
            }
            self.set_to = None;
            self.connection().ring(now());
            alarm = self.connection().duties().alarm;
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.connection().drive(cx.waker());
        let mut outcome = self.receive(cx);
        let mut duties = self.connection().duties();
        if duties.wants_room && outcome.is_ok() {
            if let Poll::Ready(sent) = self.send(cx) {
                outcome = sent;
            }
            duties = self.connection().duties();
        }
        match (outcome, duties.lost) {
            (Err(lost), _) | (_, Some(lost)) => {
                self.connection().end(lost);
                Poll::Ready(())
            }
            (Ok(()), None) => {
                self.watch_the_clock(duties.alarm, cx);
                Poll::Pending
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nobody would ever be woken.
        self.connection().end(Lost::Undriven);
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.0.transport().fd().as_raw_fd()
    }
}

/// Registered apart, as another descriptor of the same stream.
fn writable_side(connection: &Connection) -> std::io::Result<AsyncFd<OwnedFd>> {
    let fd = connection.transport().fd().try_clone_to_owned()?;
    register(fd, Interest::WRITABLE)
}

#[allow(
    deprecated,
    reason = "its successor is unsafe, for descriptors that may close; ours do not"
)]
fn register<T: AsRawFd>(stream: T, interest: Interest) -> std::io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(stream, interest)
}
