//! Linux's `/dev/xen/evtchn` of domain 0 (`drivers/xen/evtchn.c`): a file through which a program
//! binds ports and hears of their events.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventchn::Backend;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use rustix::io::Errno;
use xen_types::{Clock, Deadline, DomId, Port};

use crate::process::{OpenDevice, Process};
use crate::xen::Xen;
use crate::xen::ports::Listener;

/// An open device. Closed, all its ports are.
#[derive(Debug)]
pub(crate) struct Device {
    process: Arc<Process>,
    _device: OpenDevice,
    queue: Arc<Queue>,
    own: Mutex<Own>,
}

/// What the file has of its own.
#[derive(Debug, Default)]
struct Own {
    ports: BTreeSet<Port>,
    restricted: Option<DomId>,
}

/// Ports with events that the program has not read.
#[derive(Debug)]
pub(crate) struct Queue {
    ports: Mutex<VecDeque<Port>>,
    /// Is readable while there are some.
    event: OwnedFd,
}

impl Queue {
    fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { ports: Mutex::default(), event })
    }

    pub(crate) fn push(&self, port: Port) {
        let mut ports = self.lock();
        ports.push_back(port);
        rustix::io::write(&self.event, &1_u64.to_ne_bytes()).map(drop).unwrap_or_default();
    }

    fn take(&self, into: &mut [u32]) -> Result<usize, Errno> {
        let mut ports = self.lock();
        if ports.is_empty() {
            return Err(Errno::AGAIN);
        }
        let count = into.len().min(ports.len());
        for (place, port) in into.iter_mut().zip(ports.drain(..count)) {
            *place = port.0;
        }
        if ports.is_empty() {
            self.empty();
        }
        Ok(count)
    }

    fn clear(&self) {
        self.lock().clear();
        self.empty();
    }

    fn empty(&self) {
        rustix::io::read(&self.event, &mut [0; 8]).map(drop).unwrap_or_default();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device {
    pub(crate) fn open(process: Arc<Process>) -> io::Result<Self> {
        let queue = Arc::new(Queue::new()?);
        let _device = OpenDevice::of(&process, "/dev/xen/evtchn");
        Ok(Self { process, _device, queue, own: Mutex::default() })
    }

    fn call<T>(
        &self,
        name: &'static str,
        call: impl FnOnce(&mut Xen, &mut Own) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let call = || {
            let mut own = self.own();
            self.process.machine().xen(|xen| call(xen, &mut own))
        };
        self.process.pass(name, |errno| errno, call)
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listener(&self) -> Listener {
        Listener::Device(Arc::clone(&self.queue))
    }
}

impl Own {
    /// Whether a restricted device may do this with that domain's ports.
    fn may(&self, with: Option<DomId>) -> Result<(), Errno> {
        match self.restricted {
            Some(dom) if with != Some(dom) => Err(Errno::ACCESS),
            _ => Ok(()),
        }
    }

    fn has(&self, port: Port) -> Result<(), Errno> {
        self.ports.contains(&port).then_some(()).ok_or(Errno::NOTCONN)
    }
}

impl Backend for Device {
    fn bind_interdomain(&self, dom: DomId, remote: Port) -> Result<Port, Errno> {
        self.call("IOCTL_EVTCHN_BIND_INTERDOMAIN", |xen, own| {
            own.may(Some(dom))?;
            let port = xen.bind_interdomain(DomId::DOM0, (dom, remote), self.listener())?;
            own.ports.insert(port);
            self.process.gain(port);
            Ok(port)
        })
    }

    fn bind_unbound_port(&self, dom: DomId) -> Result<Port, Errno> {
        self.call("IOCTL_EVTCHN_BIND_UNBOUND_PORT", |xen, own| {
            own.may(None)?;
            let port = xen.alloc_unbound(DomId::DOM0, dom)?;
            xen.listen(DomId::DOM0, port, self.listener());
            own.ports.insert(port);
            self.process.gain(port);
            Ok(port)
        })
    }

    fn bind_virq(&self, virq: u32) -> Result<Port, Errno> {
        self.call("IOCTL_EVTCHN_BIND_VIRQ", |xen, own| {
            own.may(None)?;
            let port = xen.bind_virq(virq, self.listener())?;
            own.ports.insert(port);
            self.process.gain(port);
            Ok(port)
        })
    }

    fn unbind(&self, port: Port) -> Result<(), Errno> {
        self.call("IOCTL_EVTCHN_UNBIND", |xen, own| {
            own.has(port)?;
            own.ports.remove(&port);
            self.process.lose(port);
            xen.close_port(DomId::DOM0, port)
        })
    }

    fn notify(&self, port: Port) -> Result<(), Errno> {
        self.call("IOCTL_EVTCHN_NOTIFY", |xen, own| {
            own.has(port)?;
            // The driver does not look at what the hypercall says.
            xen.send(DomId::DOM0, port).or(Ok(()))
        })
    }

    fn clock(&self) -> Clock {
        self.process.machine().clock()
    }

    fn poll(&self, deadline: Deadline) -> Result<bool, Errno> {
        let clock = self.clock();
        let poll = |limit| {
            let mut files = [PollFd::new(&self.queue.event, PollFlags::IN)];
            let timeout = Timespec::try_from(limit).ok()?;
            match rustix::event::poll(&mut files, Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => None, // a signal: the deadline stands
                done => Some(done.map(drop)),
            }
        };
        loop {
            let now = clock.now();
            match clock.wait(deadline, now, poll) {
                Some(done) => return done.map(|()| true),
                None if deadline.passed(now) => return Ok(false),
                None => {}
            }
        }
    }

    fn read(&self, ports: &mut [u32]) -> Result<usize, Errno> {
        self.queue.take(ports)
    }

    fn unmask(&self, port: Port) -> Result<(), Errno> {
        self.call("write", |xen, own| {
            if own.ports.contains(&port) {
                xen.unmask(port);
            }
            Ok(())
        })
    }

    fn reset(&self) -> Result<(), Errno> {
        self.queue.clear();
        Ok(())
    }

    fn restrict(&self, dom: DomId) -> Result<(), Errno> {
        self.call("IOCTL_EVTCHN_RESTRICT_DOMID", |_, own| {
            if own.restricted.is_some() {
                return Err(Errno::ACCESS);
            }
            if dom == DomId::DOM0 {
                return Err(Errno::INVAL);
            }
            own.restricted = Some(dom);
            Ok(())
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.queue.event.as_fd()
    }
}

impl Drop for Device {
    /// Whoever had it open, the kernel closes its ports.
    fn drop(&mut self) {
        let ports = std::mem::take(&mut self.own().ports);
        self.process.machine().xen(|xen| {
            for port in ports.into_iter().filter(|port| self.process.lose(*port)) {
                xen.close_port(DomId::DOM0, port).unwrap_or_default();
            }
        });
    }
}
