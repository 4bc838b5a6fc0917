//! Facts about the host and its hypervisor.

mod console;
mod topology;
mod version;

use xen_types::{Mfn, PageCount};

use crate::backend::{self, CallError};
use crate::{Error, NodeId, Result, Xc, cpuset};

pub use console::{ConsoleIndex, ConsoleText};
pub use topology::{CpuPlace, CpuVersion, DeviceNode, Node, Numa};
pub use version::{CompileInfo, Features};

bitflags::bitflags! {
    /// What the host can do (`XEN_SYSCTL_PHYSCAP_*`, `xen/include/public/sysctl.h`). Bits that are
    /// not known here are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Capabilities: u32 {
        /// Hardware-virtualised guests (HVM and PVH).
        const HVM = 1 << 0;
        /// Paravirtual guests.
        const PV = 1 << 1;
        /// Devices can be assigned.
        const DIRECTIO = 1 << 2;
        /// Hardware-assisted paging.
        const HAP = 1 << 3;
        /// Shadow paging.
        const SHADOW = 1 << 4;
        /// The IOMMU can share page tables with HAP.
        const IOMMU_HAP_PT_SHARE = 1 << 5;
        /// Processor tracing of guests.
        const VMTRACE = 1 << 6;
        /// Virtual performance counters; reported from 4.16.
        const VPMU = 1 << 7;
        /// Grant tables of version 1; reported from 4.16.
        const GNTTAB_V1 = 1 << 8;
        /// Grant tables of version 2; reported from 4.16.
        const GNTTAB_V2 = 1 << 9;
    }
}

/// The host's processors and memory at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PhysInfo {
    /// Threads of a core.
    pub threads_per_core: u32,
    /// Cores of a socket.
    pub cores_per_socket: u32,
    /// Logical processors that are online.
    pub nr_cpus: u32,
    /// The highest id of a processor, online or not.
    pub max_cpu_id: u16,
    /// NUMA nodes that are online.
    pub nr_nodes: u32,
    /// The highest id of a node.
    pub max_node_id: NodeId,
    /// The processors' frequency.
    pub cpu_khz: u32,
    /// What the host can do.
    pub capabilities: Capabilities,
    /// All memory.
    pub total: PageCount,
    /// Memory that is free, claimed or not.
    pub free: PageCount,
    /// Memory still to be scrubbed; Xen 4.17 and 4.20 count it as free and always say 0 here.
    pub scrub: PageCount,
    /// Free memory that is claimed.
    pub outstanding: PageCount,
    /// The highest machine frame.
    pub max_mfn: Mfn,
}

impl Xc {
    /// The host's processors and memory.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege,
    /// [`Kind::Other`](crate::Kind::Other) for ids that no Xen has.
    #[doc(alias = "xc_physinfo")]
    pub fn physinfo(&self) -> Result<PhysInfo> {
        let fail = |e| Error::new("read the host's state", e);
        self.backend.physinfo().and_then(PhysInfo::from_raw).map_err(fail)
    }
}

impl PhysInfo {
    fn from_raw(raw: backend::PhysInfo) -> Result<Self, CallError> {
        Ok(Self {
            threads_per_core: raw.threads_per_core,
            cores_per_socket: raw.cores_per_socket,
            nr_cpus: raw.nr_cpus,
            max_cpu_id: cpuset::answered(raw.max_cpu_id, "xc_physinfo")?,
            nr_nodes: raw.nr_nodes,
            max_node_id: NodeId::answered(raw.max_node_id, "xc_physinfo")?,
            cpu_khz: raw.cpu_khz,
            capabilities: Capabilities::from_bits_retain(raw.capabilities),
            total: PageCount(raw.total_pages),
            free: PageCount(raw.free_pages),
            scrub: PageCount(raw.scrub_pages),
            outstanding: PageCount(raw.outstanding_pages),
            max_mfn: Mfn(raw.max_mfn),
        })
    }
}
