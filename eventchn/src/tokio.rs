//! Waiting for events in tokio's runtime. The blocking calls are as they were.
//!
//! Whichever task finds the device readable reads it for all, and wakes the others: each looks
//! whether an event of its own was delivered, and waits on.
//!
//! ```
//! use std::time::Duration;
//! use eventchn::tokio::Events;
//! use eventchn::{EventChannels, Kind};
//! use xen_types::{Deadline, DomId, Port};
//!
//! async fn ring_once() -> eventchn::Result<()> {
//!     let events = Events::new(EventChannels::open()?)?;
//!     let bell = events.channels().bind_interdomain(DomId::DOM0, Port(9))?;
//!     bell.notify()?;
//!     events.wait(&bell, Deadline::after(Duration::from_secs(1))).await
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! match ring_once().await {
//!     Err(e) if e.kind() == Kind::Unavailable => println!("no Xen here: {e}"),
//!     other => println!("{other:?}"),
//! }
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

use std::future::{Future, poll_fn};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::pin;
use std::task::Poll;

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::timeout_at;
use xen_types::{Deadline, Port};

use crate::error::Cause;
use crate::{Bound, Error, EventChannels, Result};

/// Event channels watched by tokio's runtime. Any number of tasks may wait at the same time.
///
/// While it is in use no thread waits with [`Bound::wait`] on the same device: one device serves one
/// of the two ways. Dropping a future loses no event.
#[derive(Debug)]
pub struct Events {
    device: AsyncFd<Device>,
    /// A task has read the device.
    delivered: Notify,
}

/// The open device as tokio takes it, open for as long as it is registered.
#[derive(Debug)]
struct Device(EventChannels);

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Events {
    /// Has the runtime watch the device.
    ///
    /// # Errors
    /// When the kernel cannot watch it.
    ///
    /// # Panics
    /// Outside of a runtime with I/O; the waits outside of one with time.
    pub fn new(channels: EventChannels) -> Result<Self> {
        let device = register(Device(channels)).map_err(|e| {
            Error::new("watch event channels", Errno::from_io_error(&e).unwrap_or(Errno::IO))
        })?;
        Ok(Self { device, delivered: Notify::new() })
    }

    /// The device, to bind ports.
    pub fn channels(&self) -> &EventChannels {
        &self.device.get_ref().0
    }

    /// Waits for an event of a port, consumes it and unmasks the port, as [`Bound::wait`] does.
    ///
    /// # Errors
    /// [`Kind::TimedOut`](crate::Kind::TimedOut) if none arrives before `deadline`,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if the port is bound through another device,
    /// [`Kind::Gone`](crate::Kind::Gone) when the runtime has ended.
    pub async fn wait(&self, bound: &Bound, deadline: Deadline) -> Result<()> {
        let taken = self.until(deadline, || Ok(self.channels().take(bound)?.then_some(()))).await;
        taken.map_err(|e| Error::new(format!("wait for an event on port {}", bound.port()), e))?;
        bound.unmask()
    }

    /// Waits until any port has an event; which ports have one, as [`EventChannels::pending`] does:
    /// each stays masked until [`Bound::unmask`].
    ///
    /// # Errors
    /// As for [`Events::wait`].
    pub async fn pending(&self, deadline: Deadline) -> Result<Vec<Port>> {
        let any = || Ok(Some(self.channels().take_delivered()).filter(|ports| !ports.is_empty()));
        let taken = self.until(deadline, any).await;
        taken.map_err(|e| Error::new("wait for an event on any port", e))
    }

    /// Reads the device, now and whenever it is readable, until `take` finds something.
    async fn until<T>(
        &self,
        deadline: Deadline,
        mut take: impl FnMut() -> Result<Option<T>, Cause>,
    ) -> Result<T, Cause> {
        // An event that is there is found also when the deadline has passed.
        self.deliver()?;
        let wait = async {
            loop {
                let mut delivered = pin!(self.delivered.notified());
                delivered.as_mut().enable(); // what is delivered from here on wakes this task
                if let Some(taken) = take()? {
                    return Ok(taken);
                }
                let mut readable = pin!(self.device.readable());
                let woken = poll_fn(|cx| match delivered.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(None),
                    Poll::Pending => readable.as_mut().poll(cx).map(Some),
                });
                if let Some(ready) = woken.await {
                    let mut ready = ready.map_err(|_| Cause::Undriven)?;
                    self.deliver()?;
                    ready.clear_ready(); // all was read
                }
            }
        };
        timeout_at(deadline.instant().into(), wait).await.unwrap_or(Err(Cause::NoEvent))
    }

    fn deliver(&self) -> Result<(), Cause> {
        let done = self.channels().deliver();
        self.delivered.notify_waiters();
        done
    }
}

#[allow(
    deprecated,
    reason = "its successor is unsafe, for descriptors that may close; ours does not"
)]
fn register(device: Device) -> std::io::Result<AsyncFd<Device>> {
    AsyncFd::with_interest(device, Interest::READABLE)
}
