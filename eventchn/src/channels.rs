//! Bound ports, and how several threads wait on one device.
//!
//! Whoever waits first reads the device for all (the reader); the others sleep until it has
//! delivered something or leaves, and then one of them takes its place:
//!
//! ```text
//!   waiting --[my port has an event]--> done
//!      |  ^
//!      |  +--[something was delivered, or the reader left]-- asleep
//!      +--[somebody reads]--> asleep
//!      +--[nobody reads]----> reader: poll, read, deliver, leave --> waiting
//! ```

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::io::Errno;
use xen_types::{Clock, Deadline, DomId, Port};

use crate::backend::{Backend, Device};
use crate::error::Cause;
use crate::{Error, Result};

/// An open event-channel device; clones share it.
///
/// Wait on ports with [`Bound::wait`], from any number of threads, or let an event loop of your own
/// watch the file ([`AsFd`]) and call [`EventChannels::pending`] when it is readable. One device
/// serves one of the two ways: a waiting thread takes the events that the loop would be woken by.
///
/// The loop of a program that waits for other things, too:
///
/// ```
/// use eventchn::{EventChannels, Kind};
/// use rustix::event::{PollFd, PollFlags, Timespec, poll};
/// use xen_types::{DomId, Port};
///
/// fn one_turn() -> eventchn::Result<()> {
///     let channels = EventChannels::open()?;
///     let bell = channels.bind_interdomain(DomId::DOM0, Port(9))?;
///     let mut files = [PollFd::new(&channels, PollFlags::IN)]; // and those of the others
///     let a_second = Timespec { tv_sec: 1, tv_nsec: 0 };
///     if poll(&mut files, Some(&a_second)).is_ok_and(|ready| ready > 0) {
///         for port in channels.pending()? {
///             if port == bell.port() {
///                 bell.unmask()?; // first, so that what changes from now on makes a new event
///                 println!("look at what the event is about");
///             }
///         }
///     }
///     Ok(())
/// }
///
/// match one_turn() {
///     Err(e) if e.kind() == Kind::Unavailable => println!("no Xen here: {e}"),
///     other => println!("{other:?}"),
/// }
/// ```
///
/// In a process forked from the one that opened it every call fails with
/// [`Kind::Gone`](crate::Kind::Gone), and dropping a port leaves it bound: the kernel's file is shared
/// by both processes, and so would be the events.
#[derive(Debug, Clone)]
pub struct EventChannels {
    shared: Arc<Shared>,
}

/// A virtual interrupt (`VIRQ_*`, `xen/include/public/xen.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Virq(pub u32);

impl Virq {
    /// A domain was created, shut down or died. One binder per host, and xenstored is it: others get
    /// [`Kind::Exists`](crate::Kind::Exists) and watch `@introduceDomain` and `@releaseDomain` in
    /// the xenstore instead. The binder alone may ask which domain it was, from Xen 4.21 on
    /// (`xenmanage_poll_changed_domain`); what state a given domain is in anybody may ask.
    pub const DOM_EXC: Self = Self(evtchn::VIRQ_DOM_EXC);
    /// The hypervisor's console ring has new text.
    pub const CON_RING: Self = Self(evtchn::VIRQ_CON_RING);
    /// A processor went on or off line.
    pub const PCPU_STATE: Self = Self(evtchn::VIRQ_PCPU_STATE);
}

impl EventChannels {
    /// Opens the event channels of this domain.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) where there are none,
    /// [`Kind::Denied`](crate::Kind::Denied) without the permission.
    #[doc(alias = "xenevtchn_open")]
    pub fn open() -> Result<Self> {
        let device = Device::open()
            .map_err(|e| Error::new(format!("open {}", evtchn::DEVICE), Cause::Device(e)))?;
        Ok(Self::with_backend(Box::new(device)))
    }

    /// Event channels made elsewhere, such as by a simulated machine.
    pub fn with_backend(backend: Box<dyn Backend>) -> Self {
        let (pid, clock) = (std::process::id(), backend.clock());
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Shared { backend, pid, clock, state, changed };
        Self { shared: Arc::new(shared) }
    }

    /// Binds to `remote`, a port that `dom` (or its builder) allocated for this domain.
    ///
    /// A fresh binding has one event at once, since notifications may have been sent before it
    /// (`xen/common/event_channel.c`).
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if there is no such port for this domain,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such domain.
    #[doc(alias = "xenevtchn_bind_interdomain")]
    pub fn bind_interdomain(&self, dom: DomId, remote: Port) -> Result<Bound> {
        self.bind(|backend| backend.bind_interdomain(dom, remote))
            .map_err(|e| Error::new(format!("bind port {remote} of domain {dom}"), e))
    }

    /// Allocates a port of this domain that `dom` may bind.
    ///
    /// # Errors
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if all ports are taken.
    #[doc(alias = "xenevtchn_bind_unbound_port")]
    pub fn bind_unbound_port(&self, dom: DomId) -> Result<Bound> {
        self.bind(|backend| backend.bind_unbound_port(dom))
            .map_err(|e| Error::new(format!("allocate a port for domain {dom}"), e))
    }

    /// Binds a virtual interrupt.
    ///
    /// # Errors
    /// [`Kind::Exists`](crate::Kind::Exists) if somebody has bound it already.
    #[doc(alias = "xenevtchn_bind_virq")]
    pub fn bind_virq(&self, virq: Virq) -> Result<Bound> {
        self.bind(|backend| backend.bind_virq(virq.0))
            .map_err(|e| Error::new(format!("bind virtual interrupt {}", virq.0), e))
    }

    /// Restricts the open device, and so all clones, to one domain, for good: from now on only ports
    /// that this domain allocated can be bound, and none be allocated here. What is bound stays. A
    /// program that serves one guest does this before it looks at what the guest sends.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) if it is restricted already, also to the same domain;
    /// [`Kind::Invalid`](crate::Kind::Invalid) for domain 0, to which Linux cannot restrict it.
    #[doc(alias = "xenevtchn_restrict")]
    pub fn restrict(&self, dom: DomId) -> Result<()> {
        let restrict = || Ok(self.shared.backend()?.restrict(dom)?);
        restrict()
            .map_err(|cause: Cause| Error::new(format!("restrict ports to domain {dom}"), cause))
    }

    /// The ports that have an event, for a foreign event loop; never blocks. Each stays masked until
    /// [`Bound::unmask`].
    ///
    /// # Errors
    /// When the device cannot be read.
    #[doc(alias = "xenevtchn_pending")]
    pub fn pending(&self) -> Result<Vec<Port>> {
        self.shared
            .read_in()
            .map(|mut state| state.take_all())
            .map_err(|cause| Error::new("read pending ports", cause))
    }

    /// Binds under the lock: an event read meanwhile by another thread is delivered when the port is
    /// known.
    fn bind(&self, bind: impl FnOnce(&dyn Backend) -> Result<Port, Errno>) -> Result<Bound, Cause> {
        let backend = self.shared.backend()?;
        let mut state = self.shared.lock();
        let port = bind(backend)?;
        state.ports.insert(port, false);
        Ok(Bound { port, shared: self.shared.clone() })
    }
}

impl AsFd for EventChannels {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.backend.fd()
    }
}

/// A port bound by this process; dropped, it is unbound and closed.
#[derive(Debug)]
pub struct Bound {
    port: Port,
    shared: Arc<Shared>,
}

impl Bound {
    /// The local port.
    pub fn port(&self) -> Port {
        self.port
    }

    /// The clock that deadlines of [`Bound::wait`] are on.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Sends an event to the other end.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if the port is no longer ours.
    #[doc(alias = "xenevtchn_notify")]
    pub fn notify(&self) -> Result<()> {
        self.call(|backend| backend.notify(self.port))
            .map_err(|e| Error::new(format!("notify through port {}", self.port), e))
    }

    /// Waits for an event, consumes it and unmasks the port.
    ///
    /// An event may be there without a new reason: look at what it is about, then wait again. Of
    /// several threads waiting on one port each event wakes one.
    ///
    /// # Errors
    /// [`Kind::TimedOut`](crate::Kind::TimedOut) if none arrives before `deadline`.
    pub fn wait(&self, deadline: Deadline) -> Result<()> {
        let operation = || format!("wait for an event on port {}", self.port);
        match self.shared.consume(self.port, deadline) {
            Ok(true) => self.unmask(),
            Ok(false) => Err(Error::new(operation(), Cause::NoEvent)),
            Err(e) => Err(Error::new(operation(), e)),
        }
    }

    /// Lets the port have events again after [`EventChannels::pending`] named it. Do it before
    /// looking at what the event is about.
    ///
    /// # Errors
    /// When the device refuses.
    #[doc(alias = "xenevtchn_unmask")]
    pub fn unmask(&self) -> Result<()> {
        self.call(|backend| backend.unmask(self.port))
            .map_err(|e| Error::new(format!("unmask port {}", self.port), e))
    }

    /// Unbinds the port, telling whether that worked.
    ///
    /// # Errors
    /// When the device refuses; the port is given up in any case.
    #[doc(alias = "xenevtchn_unbind")]
    pub fn close(self) -> Result<()> {
        let done = self.unbind();
        let port = self.port;
        drop(self); // finds the port forgotten and does nothing
        done.map_err(|e| Error::new(format!("unbind port {port}"), e))
    }

    fn call(&self, call: impl FnOnce(&dyn Backend) -> Result<(), Errno>) -> Result<(), Cause> {
        Ok(call(self.shared.backend()?)?)
    }

    /// Under the lock, so that a new binding that gets the same number is not forgotten.
    fn unbind(&self) -> Result<(), Cause> {
        let backend = self.shared.backend()?;
        let mut state = self.shared.lock();
        if state.ports.remove(&self.port).is_none() {
            return Ok(());
        }
        Ok(backend.unbind(self.port)?)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Fails only if the kernel has no such binding, which is what is wanted, and after a fork,
        // when the binding is the parent's.
        let _ = self.unbind();
    }
}

#[derive(Debug)]
struct Shared {
    backend: Box<dyn Backend>,
    /// The process that opened the device.
    pid: u32,
    clock: Clock,
    state: Mutex<State>,
    /// Something was delivered, or the reader left.
    changed: Condvar,
}

/// What a reading of the device brought.
#[derive(Debug)]
enum Arrived {
    /// Events on these ports.
    At(Vec<Port>),
    /// More events than the kernel could keep. Each port may have had one, and one that had is
    /// masked until somebody unmasks it.
    Anywhere,
}

#[derive(Debug, Default)]
struct State {
    /// Every bound port and whether it has an event.
    ports: BTreeMap<Port, bool>,
    /// Whether a thread is reading the device.
    reading: bool,
}

impl State {
    /// Notes events; those of ports unbound meanwhile are nobody's.
    fn deliver(&mut self, arrived: &Arrived) {
        match arrived {
            Arrived::At(ports) => {
                for port in ports {
                    if let Some(has_event) = self.ports.get_mut(port) {
                        *has_event = true;
                    }
                }
            }
            Arrived::Anywhere => self.ports.values_mut().for_each(|has_event| *has_event = true),
        }
    }

    fn take(&mut self, port: Port) -> bool {
        self.ports.get_mut(&port).is_some_and(std::mem::take)
    }

    fn take_all(&mut self) -> Vec<Port> {
        let taken = self
            .ports
            .iter_mut()
            .filter_map(|(port, has_event)| std::mem::take(has_event).then_some(*port));
        taken.collect()
    }
}

impl Shared {
    /// The device, in the process that opened it. To be asked for before the lock, which a thread
    /// of the parent may have held at the fork.
    fn backend(&self) -> Result<&dyn Backend, Cause> {
        if std::process::id() == self.pid { Ok(&*self.backend) } else { Err(Cause::UsedAfterFork) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is one assignment: a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers everything that can be read now, without waiting.
    fn read_in(&self) -> Result<MutexGuard<'_, State>, Cause> {
        let arrived = read_all(self.backend()?)?;
        let mut state = self.lock();
        state.deliver(&arrived);
        Ok(state)
    }

    /// Sleeps until the reader has delivered something or left.
    fn sleep<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        port: Port,
        deadline: Deadline,
        now: Instant,
    ) -> MutexGuard<'a, State> {
        let mut held = Some(state);
        self.clock.wait(deadline, now, |limit| {
            let woken = self.changed.wait_timeout(held.take()?, limit);
            let (state, slept) = woken.unwrap_or_else(PoisonError::into_inner);
            // Told under the lock, also in the moment after a nap.
            let is_over =
                !slept.timed_out() || !state.reading || state.ports.get(&port) == Some(&true);
            held = Some(state);
            is_over.then_some(())
        });
        held.expect("each nap gives it back")
    }

    /// Takes an event of `port`; false if none arrives before `deadline`. One that is there is found
    /// also when the deadline has passed.
    fn consume(&self, port: Port, deadline: Deadline) -> Result<bool, Cause> {
        let backend = self.backend()?;
        let mut state = self.lock();
        loop {
            if state.take(port) {
                return Ok(true);
            }
            if state.reading {
                let now = self.clock.now();
                if deadline.passed(now) {
                    return Ok(false);
                }
                state = self.sleep(state, port, deadline, now);
                continue;
            }
            state.reading = true;
            drop(state);
            let arrived = backend
                .poll(deadline)
                .and_then(|ready| if ready { read_all(backend).map(Some) } else { Ok(None) });
            state = self.lock();
            state.reading = false;
            if let Ok(Some(arrived)) = &arrived {
                state.deliver(arrived);
            }
            self.changed.notify_all();
            // Events of other ports, which may come without end, do not put the deadline off.
            if arrived?.is_none() || self.clock.passed(deadline) {
                return Ok(state.take(port));
            }
        }
    }
}

#[cfg(feature = "tokio")]
impl EventChannels {
    /// Delivers what can be read now, without waiting.
    pub(crate) fn deliver(&self) -> Result<(), Cause> {
        self.shared.read_in().map(drop)
    }

    /// Takes every event that was delivered.
    pub(crate) fn take_delivered(&self) -> Vec<Port> {
        self.shared.lock().take_all()
    }

    /// Takes an event of a port, if it was delivered.
    pub(crate) fn take(&self, bound: &Bound) -> Result<bool, Cause> {
        self.shared.backend()?;
        if !Arc::ptr_eq(&self.shared, &bound.shared) {
            return Err(Cause::OtherDevice);
        }
        Ok(self.shared.lock().take(bound.port))
    }
}

/// Everything that can be read now.
fn read_all(backend: &dyn Backend) -> Result<Arrived, Errno> {
    let (mut ports, mut overflowed) = (Vec::new(), false);
    let mut buffer = [0; 64];
    loop {
        match backend.read(&mut buffer) {
            Ok(count) => {
                ports.extend(buffer[..count].iter().copied().map(Port));
                if count < buffer.len() {
                    break;
                }
            }
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(Errno::FBIG) => {
                backend.reset()?;
                overflowed = true;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(if overflowed { Arrived::Anywhere } else { Arrived::At(ports) })
}

#[cfg(test)]
#[path = "channels_tests.rs"]
mod tests;
