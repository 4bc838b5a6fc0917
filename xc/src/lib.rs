//! Safe libxenctrl: domains, memory, processors, schedulers, devices, host; grants and foreign
//! memory.
//!
//! [`Xc`] is a handle to the hypervisor. [`Xc::open`] finds out which Xen runs, loads the libxenctrl
//! of exactly that release and checks that it understands it; nothing is linked, so one program
//! serves every release from 4.15 to 4.22.
//!
//! ```
//! use xc::{Kind, Xc};
//!
//! match Xc::open() {
//!     Ok(xc) => {
//!         for domain in xc.domains()? {
//!             println!("{} {} {}", domain.id, domain.uuid, domain.current_pages.to_mib_up());
//!         }
//!     }
//!     Err(e) if e.kind() == Kind::Unavailable => println!("no Xen here: {e}"),
//!     Err(e) => return Err(e),
//! }
//! # Ok::<(), xc::Error>(())
//! ```
//!
//! What it does for you: errno kept with operation and domain, units in types with the rounding that
//! Xen needs, one hypercall for all domains of most hosts, use from many threads, refusal after a fork.
//!
//! Beside the handle stand [`grant`] and [`foreign`]: memory shared with other domains, through
//! Linux's devices and without a library.
//!
//! What it does not do: wait, retry, know of PV devices or the xenstore, undo. A created domain
//! lives until [`Xc::destroy_domain`].
//!
//! Left out of libxenctrl: logdirty, which belongs to save and restore, the crate `xg`'s, as resume does;
//! altp2m views, monitor, `vm_event`, memory sharing and paging, for introspection and
//! overcommitment; livepatch, kexec, microcode and power management, for the host's administration;
//! arinc653 (avionics); psr (shares of caches); device trees and cache colours (Arm); availheap, since
//! [`Xc::physinfo`] and [`Xc::numa`] tell what is free. libxendevicemodel is a library of its own,
//! for device models.
//!
//! # Devices
//!
//! Whether a domain may use ports, memory or an interrupt of the host, and where its guest sees them,
//! are two things. The right comes first and goes last: [`Xc::set_io_port_access`], then
//! [`Xc::map_io_ports`]; [`Xc::set_io_memory_access`], then [`Xc::map_io_memory`];
//! [`Xc::map_msi`], then [`Xc::set_irq_access`], then [`Xc::bind_msi`]. Up to Xen 4.22 mapping ports
//! gave the right along, and unmapping them took it; later it does not (Xen's `CHANGELOG.md`).

mod canary;
mod cpuset;
mod create;
mod debug;
mod device;
mod domain;
mod error;
mod event;
mod flask;
mod host;
mod hvm;
mod hvm_context;
mod info;
mod memory;
mod node;
mod open;
mod scheduler;
mod shared;
mod time;
mod vcpu;

pub mod backend;
pub mod foreign;
pub mod grant;

use std::sync::Arc;

pub use cpuset::CpuSet;
pub use create::{Altp2mMode, CreateConfig, GuestKind};
pub use debug::Trigger;
pub use device::{Gsi, GuestIrq, GuestMsi, MsiDelivery, MsiSource, Permission, Pirq, RdmPolicy};
pub use error::{Error, Result};
pub use event::{PortBinding, PortStatus};
pub use flask::{AccessVector, AvcCpuStats, AvcHashStats, Enforcement, FlaskBool, Labelled, Sid};
pub use host::{
    Capabilities, CompileInfo, ConsoleIndex, ConsoleText, CpuPlace, CpuVersion, DeviceNode,
    Features, Node, Numa, PhysInfo,
};
pub use hvm::{HvmParam, TimerMode, Viridian};
pub use hvm_context::CacheAttribute;
pub use info::{DomainFlags, DomainInfo};
pub use memory::{
    E820Entry, E820Kind, Frames, Increased, NodeChoice, PageOrder, PhysmapBatch, PhysmapPage,
    Placement, PodState, Populated, ReservedMemory, VirtualNuma, VirtualRange,
};
pub use node::{NodeId, NodeSet};
pub use open::OpenOptions;
pub use scheduler::{
    CpuPool, CpuPools, CpuShare, Credit2Params, CreditParams, RtdsReservation, RtdsVcpu, Scheduler,
};
pub use time::{TscInfo, TscMode, WatchdogId};
pub use vcpu::{Affinity, VcpuInfo};
pub use xen_types::Kind;
pub use xenctrl_sys::{Profile, Release, VcpuContext};

use backend::Backend;

/// A handle to the hypervisor.
///
/// Clones share the handle; it may be used from any number of threads at once. In a process forked
/// from the one that opened it, every call fails.
#[derive(Debug, Clone)]
pub struct Xc {
    backend: Arc<dyn Backend>,
    library: Option<Arc<xenctrl_sys::Library>>,
}

impl Xc {
    /// Opens the running hypervisor with the libxenctrl that belongs to it.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where no Xen runs, where its libxenctrl is not installed, or when it is
    /// of a release not known here; [`Kind::Denied`] without the privilege.
    #[doc(alias = "xc_interface_open")]
    pub fn open() -> Result<Self> {
        OpenOptions::new().open()
    }

    /// A handle over calls made elsewhere, such as by a simulated machine.
    pub fn with_backend(backend: Arc<dyn Backend>) -> Self {
        Self { backend, library: None }
    }

    /// The libxenctrl below, to load libxenguest beside it; `None` over calls made elsewhere.
    pub fn library(&self) -> Option<&Arc<xenctrl_sys::Library>> {
        self.library.as_ref()
    }

    /// The release series of the hypervisor.
    pub fn release(&self) -> Release {
        self.backend.release()
    }
}
