//! The machine's xenstored: [`xs_server`], which finds domains, their rings and their deaths in the
//! hypervisor as the real daemon does.
//!
//! ```text
//!   INTRODUCE ─▶ map the ring's page, bind the domain's port ─▶ RingLink
//!   VIRQ_DOM_EXC ─▶ look at all domains ─▶ unmap, unbind, @releaseDomain
//! ```
//!
//! What it has of a domain keeps the domain from going until it lets go, like every program.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::event::{EventfdFlags, eventfd};
use xen_types::{DomId, Gfn, Port};
use xs::{Client, Path, Store as _};
use xs_server::{Bell, Core, Life, Link, Machine, NoRing, Page, Quotas, RingLink, Running, Server};

use crate::hypervisor::Hypervisor;
use crate::page::Page as Memory;
use crate::xen::ports::{Listener, VIRQ_DOM_EXC};

/// Starts the daemon with a store that knows of domain 0 only.
pub(crate) fn start(xen: &Arc<Hypervisor>) -> io::Result<Running> {
    let deaths = Arc::new(event()?);
    // Its thread looks at once who has died, and is known to the clock from then on.
    rustix::io::write(&deaths, &1_u64.to_ne_bytes())?;
    let listener = Listener::Bell(Arc::clone(&deaths));
    let port = xen.call(|xen| xen.bind_virq(VIRQ_DOM_EXC, listener))?;
    let view = View { xen: Arc::clone(xen), deaths, port, channels: BTreeMap::new() };
    let running = Server::new(Core::new(Box::new(view), Quotas::default()))?.spawn()?;
    init_dom0(&Client::from_stream(running.connect()?).map_err(io::Error::other)?)
        .map_err(io::Error::other)?;
    Ok(running)
}

/// What the boot scripts write of domain 0 (`tools/helpers/xen-init-dom0.c`).
fn init_dom0(store: &Client) -> xs::Result<()> {
    let home = Path::domain(DomId::DOM0);
    store.write(&home.join("domid"), "0")?;
    store.write(&home.join("name"), "Domain-0")
}

/// What the daemon sees of the machine.
#[derive(Debug)]
struct View {
    xen: Arc<Hypervisor>,
    deaths: Arc<OwnedFd>,
    /// That of the interrupt for deaths.
    port: Port,
    /// Those of rings that are served. They end with the ring, and their descriptors with them.
    channels: BTreeMap<DomId, Weak<Channel>>,
}

impl Machine for View {
    fn domain(&self, dom: DomId) -> Option<Life> {
        self.xen.call(|xen| {
            let domain = xen.dom(dom).ok()?;
            Some(match (domain.dead, domain.is_shut_down) {
                (true, _) => Life::Dying,
                (false, true) => Life::Shutdown,
                (false, false) => Life::Alive,
            })
        })
    }

    fn connect(&mut self, dom: DomId, gfn: Gfn, port: Port) -> Result<Box<dyn Link>, NoRing> {
        // Introduced anew, it is bound anew (`introduce_domain`,
        // tools/xenstore/xenstored_domain.c).
        if let Some(before) = self.channels.remove(&dom).and_then(|channel| channel.upgrade()) {
            before.close();
        }
        self.channels.retain(|_, channel| channel.strong_count() > 0);
        let ring = Ring::map(&self.xen, dom, gfn).ok_or(NoRing)?;
        let channel = Channel::bind(&self.xen, dom, port).ok_or(NoRing)?;
        let channel = Arc::new(channel);
        self.channels.insert(dom, Arc::downgrade(&channel));
        Ok(Box::new(RingLink::new(ring, OfStore(channel))))
    }

    fn changes(&self) -> Option<BorrowedFd<'_>> {
        Some(self.deaths.as_fd())
    }

    fn acknowledge(&mut self) {
        self.xen.time.note();
        clear(&self.deaths);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.xen.call(|xen| xen.close_port(DomId::DOM0, self.port)).unwrap_or_default();
    }
}

/// The page of a ring, mapped.
#[derive(Debug)]
struct Ring {
    xen: Arc<Hypervisor>,
    dom: DomId,
    page: u64,
    memory: Arc<Memory>,
}

impl Ring {
    fn map(xen: &Arc<Hypervisor>, dom: DomId, gfn: Gfn) -> Option<Self> {
        let (page, memory) = xen.call(|xen| {
            let page = xen.hold(dom, gfn.0).ok()?;
            Some((page, xen.content(page)))
        })?;
        Some(Self { xen: Arc::clone(xen), dom, page, memory })
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.xen.call(|xen| xen.let_go(self.dom, self.page));
    }
}

impl Page for Ring {
    fn load(&self, offset: usize) -> u32 {
        self.memory.load(offset)
    }

    fn store(&self, offset: usize, value: u32) {
        self.memory.store(offset, value);
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.memory.read(offset, bytes);
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.memory.write(offset, bytes);
    }
}

/// The daemon's end of the event channel of a ring.
#[derive(Debug)]
struct Channel {
    xen: Arc<Hypervisor>,
    /// `None` once it is closed.
    port: Mutex<Option<Port>>,
    bell: Arc<OwnedFd>,
}

impl Channel {
    fn bind(xen: &Arc<Hypervisor>, dom: DomId, port: Port) -> Option<Self> {
        let bell = Arc::new(event().ok()?);
        let listener = Listener::Bell(Arc::clone(&bell));
        let bound = xen.call(|xen| xen.bind_interdomain(DomId::DOM0, (dom, port), listener));
        Some(Self { xen: Arc::clone(xen), port: Mutex::new(Some(bound.ok()?)), bell })
    }

    fn port(&self) -> Option<Port> {
        *self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let port = self.port.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(port) = port {
            self.xen.call(|xen| xen.close_port(DomId::DOM0, port)).unwrap_or_default();
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the connection has of the channel: with the connection it is closed.
#[derive(Debug)]
struct OfStore(Arc<Channel>);

impl Bell for OfStore {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.bell.as_fd()
    }

    fn ring(&self) -> io::Result<()> {
        let port = self.0.port().ok_or(io::ErrorKind::NotConnected)?;
        Ok(self.0.xen.call(|xen| xen.send(DomId::DOM0, port))?)
    }

    fn acknowledge(&self) -> io::Result<()> {
        clear(&self.0.bell);
        Ok(())
    }
}

impl Drop for OfStore {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A path with a name below it that the store gave, or that is written here.
pub(crate) fn below(path: &Path, name: &str) -> Path {
    path.try_join(name).expect("the name of a node is a segment")
}

pub(crate) fn event() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

pub(crate) fn clear(event: &OwnedFd) {
    rustix::io::read(event, &mut [0; 8]).map(drop).unwrap_or_default();
}
