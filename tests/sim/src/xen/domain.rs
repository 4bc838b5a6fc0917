//! A domain as Xen keeps it.

use std::collections::BTreeMap;

use xc::backend::CreateDomain;
use xen_types::DomId;
use xenctrl_sys::{XEN_DOMCTL_CDF_HAP, XEN_DOMCTL_CDF_HVM, XEN_DOMCTL_CDF_XS_DOMAIN};

use super::memory::Memory;
use super::ports::Ports;
use crate::guest::Boot;

/// A domain. What it was created with stays in `config`.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) id: DomId,
    /// Tells it from others that had the number before.
    pub(crate) birth: u64,
    pub(crate) config: CreateDomain,
    pub(crate) handle: [u8; 16],
    /// How often a control domain has paused it.
    pub(crate) pauses: u32,
    pub(crate) dead: bool,
    /// The reason of the shutdown that has begun.
    pub(crate) shutdown_code: Option<u8>,
    pub(crate) is_shut_down: bool,
    pub(crate) debugged: bool,
    /// Those that were created: none, or as many as were asked for.
    pub(crate) vcpus: Vec<Vcpu>,
    pub(crate) memory: Memory,
    pub(crate) ports: Ports,
    /// The port that is signalled when it has suspended.
    pub(crate) suspend_port: Option<u32>,
    /// The domain that this one is the device model of.
    pub(crate) target: Option<DomId>,
    pub(crate) hvm_params: BTreeMap<u32, u64>,
    pub(crate) tsc: Tsc,
    /// A bitmap of nodes.
    pub(crate) node_affinity: u64,
    /// The kernel that was built and has not started.
    pub(crate) boot: Option<Boot>,
    /// The guest frame of the page that its kernel starts from, if it was built.
    pub(crate) start: Option<u64>,
    /// The map that a PV guest keeps in its memory: the machine frame of each of its own numbers, if it has
    /// one.
    pub(crate) p2m: Vec<Option<u64>>,
}

/// A domain, told from those that had its number before and will have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) dom: DomId,
    birth: u64,
}

/// A virtual CPU. It is offline until its registers are set.
#[derive(Debug, Clone)]
pub(crate) struct Vcpu {
    pub(crate) online: bool,
    pub(crate) blocked: bool,
    pub(crate) running: bool,
    /// In nanoseconds.
    pub(crate) time: u64,
    /// Bitmaps of processors.
    pub(crate) hard: u64,
    pub(crate) soft: u64,
}

impl Vcpu {
    /// As `vcpu_create` (`xen/common/domain.c`) makes it.
    pub(crate) const OFFLINE: Self = Self {
        online: false,
        blocked: false,
        running: false,
        time: 0,
        hard: u64::MAX,
        soft: u64::MAX,
    };
}

/// The time-stamp counter (`tsc_set_info`, `xen/arch/x86/time.c`).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tsc {
    pub(crate) mode: u32,
    pub(crate) khz: u32,
    pub(crate) incarnation: u32,
    /// The nanoseconds that the guest was told at machine time 0; may be before it.
    pub(crate) offset: i128,
}

impl Domain {
    pub(crate) fn new(id: DomId, birth: u64, config: CreateDomain) -> Self {
        Self {
            id,
            birth,
            config,
            handle: config.handle,
            pauses: 1,
            dead: false,
            shutdown_code: None,
            is_shut_down: false,
            debugged: false,
            vcpus: Vec::new(),
            memory: Memory::default(),
            ports: Ports::new(config.max_evtchn_port),
            suspend_port: None,
            target: None,
            hvm_params: BTreeMap::new(),
            tsc: Tsc::default(),
            node_affinity: u64::MAX,
            boot: None,
            start: None,
            p2m: Vec::new(),
        }
    }

    pub(crate) fn run(&self) -> Run {
        Run { dom: self.id, birth: self.birth }
    }

    /// What it is and has, in a line.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{:x?} pauses {} shutdown {:?} dead {} vcpus {} pages {} of {} claim {} pool {}",
            self.handle,
            self.pauses,
            self.shutdown_code,
            self.dead,
            self.vcpus.len(),
            self.memory.total(),
            self.memory.max_pages,
            self.memory.outstanding,
            self.memory.pool.frames.len(),
        )
    }

    /// HVM or PVH: Xen translates its addresses.
    pub(crate) fn is_hvm(&self) -> bool {
        self.config.flags & XEN_DOMCTL_CDF_HVM != 0
    }

    pub(crate) fn has_hap(&self) -> bool {
        self.config.flags & XEN_DOMCTL_CDF_HAP != 0
    }

    /// Whether its virtual CPUs may run.
    pub(crate) fn runs(&self) -> bool {
        let may = self.pauses == 0 && !self.dead && self.shutdown_code.is_none();
        may && self.vcpus.iter().any(|vcpu| vcpu.online)
    }

    pub(crate) fn is_xenstore(&self) -> bool {
        self.config.flags & XEN_DOMCTL_CDF_XS_DOMAIN != 0
    }
}
