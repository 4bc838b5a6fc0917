//! The hypervisor: what it knows, and what its hypercalls do to that.
//!
//! Each rule is that of Xen 4.17, named by its function there; where a later release differs and a
//! fact of `tests/conformance` shows it, the release of the machine decides. Nothing here knows
//! which toolstack calls, or that one does.

mod create;
pub(crate) mod domain;
mod heap;
mod host;
mod hvm;
mod life;
pub(crate) mod memory;
pub(crate) mod physmap;
mod pod;
mod pool;
pub(crate) mod ports;
mod vcpu;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::io::Errno;
use xc::backend::CreateDomain;
use xen_types::DomId;
use xenctrl_sys::Release;

use domain::{Domain, Run, Vcpu};
use heap::Heap;
use memory::Holds;

use crate::machine::Hardware;
use crate::page::Page;

/// What a hypercall comes to.
pub(crate) type Outcome<T> = Result<T, Errno>;

/// All that the hypervisor knows.
#[derive(Debug)]
pub(crate) struct Xen {
    pub(crate) release: Release,
    pub(crate) cpus: u32,
    pub(crate) heap: Heap,
    pub(crate) domains: BTreeMap<DomId, Domain>,
    /// The id given last.
    rover: u16,
    /// How many domains there have been.
    births: u64,
    /// Who has a virtual interrupt of the whole host, if not domain 0.
    virq_handlers: BTreeMap<u32, DomId>,
    holds: Holds,
    /// What is in pages that somebody looked at.
    contents: BTreeMap<u64, Arc<Page>>,
    /// Nanoseconds since the start. Each call takes some, so that time goes on while somebody asks.
    clock: u64,
    is_off: bool,
}

impl Xen {
    pub(crate) fn start(hardware: &Hardware) -> Self {
        let nodes: Vec<u64> = hardware.nodes.iter().map(|pages| pages.get()).collect();
        let config = CreateDomain {
            handle: [0; 16],
            max_vcpus: hardware.cpus,
            max_evtchn_port: 4095, // of the ABI with two levels
            max_grant_frames: -1,
            ..CreateDomain::default()
        };
        let mut dom0 = Domain::new(DomId::DOM0, 0, config);
        dom0.pauses = 0;
        let online = Vcpu { online: true, running: true, ..Vcpu::OFFLINE };
        dom0.vcpus = vec![online; hardware.cpus as usize];
        dom0.memory.max_pages = u64::from(u32::MAX);
        let mut xen = Self {
            release: hardware.release,
            cpus: hardware.cpus,
            heap: Heap::new(&nodes),
            domains: BTreeMap::from([(DomId::DOM0, dom0)]),
            rover: 0,
            births: 0,
            virq_handlers: BTreeMap::new(),
            holds: Holds::new(),
            contents: BTreeMap::new(),
            clock: 0,
            is_off: false,
        };
        let pages = hardware.dom0.get();
        for order in 0..LARGEST {
            let wanted = match order + 1 {
                LARGEST => pages >> order,
                _ => (pages >> order) & 1,
            };
            let given = (0..wanted).map_while(|_| xen.assign(DomId::DOM0, order)).count();
            assert_eq!(given as u64, wanted, "domain 0 has more memory than the machine");
        }
        xen
    }

    /// One call of domain 0 goes by.
    pub(crate) fn tick(&mut self) {
        self.clock += CALL_TIME;
        if let Some(vcpu) = self.domains.get_mut(&DomId::DOM0).and_then(|d| d.vcpus.first_mut()) {
            vcpu.time += CALL_TIME;
        }
    }

    /// A domain.
    pub(crate) fn dom(&mut self, dom: DomId) -> Outcome<&mut Domain> {
        self.domains.get_mut(&dom).ok_or(Errno::SRCH)
    }

    /// A domain that is not the caller's own, which has to be running.
    pub(crate) fn other(&mut self, dom: DomId) -> Outcome<&mut Domain> {
        match self.dom(dom)? {
            domain if domain.id == DomId::DOM0 => Err(Errno::INVAL),
            domain => Ok(domain),
        }
    }

    /// The end of everything: whoever waits for an event is woken.
    pub(crate) fn power_off(&mut self) {
        self.is_off = true;
        let doms: Vec<DomId> = self.domains.keys().copied().collect();
        doms.into_iter().for_each(|dom| self.wake(dom));
    }

    /// Whether a domain will never run again. One that has suspended itself may.
    pub(crate) fn is_over(&self, run: Run) -> bool {
        let domain = self.domains.get(&run.dom).filter(|domain| domain.run() == run);
        let may_run = |d: &Domain| !d.dead && d.shutdown_code.is_none_or(|code| code == SUSPEND);
        self.is_off || !domain.is_some_and(may_run)
    }

    /// Has the next domain that is created get this number, or the first that is free from there on.
    pub(crate) fn set_next_id(&mut self, id: DomId) {
        self.rover = id.raw().saturating_sub(1);
    }

    /// What is in a page.
    pub(crate) fn content(&mut self, page: u64) -> Arc<Page> {
        Arc::clone(self.contents.entry(page).or_default())
    }

    /// The same, unless nobody has looked at it: then it is of zeros.
    pub(crate) fn content_if_any(&self, page: u64) -> Option<Arc<Page>> {
        self.contents.get(&page).map(Arc::clone)
    }
}

/// Domain 0 has its memory in extents of less than this order.
const LARGEST: u32 = 10;
/// `SHUTDOWN_suspend` (`xen/include/public/sched.h`).
pub(crate) const SUSPEND: u8 = 2;
/// A microsecond.
const CALL_TIME: u64 = 1000;
