//! The seam: one method per C call, nothing decided below it. One trait a subject.
//!
//! Structures are those of the newest Xen; an implementation for an older one converts them.

macro_rules! calls {
    ($(#[$outer:meta])* pub trait $name:ident;
     $($(#[$doc:meta])* $symbol:literal
       fn $call:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty;)*) => {
        $(#[$outer])*
        #[allow(missing_docs, reason = "the C functions' names; tools/include/xenctrl.h describes them")]
        pub trait $name: $crate::backend::Hypervisor {
            $($(#[$doc])*
            #[doc = concat!("`", $symbol, "`")]
            fn $call(&self $(, $argument: $type)*) -> Result<$answer, $crate::backend::CallError> {
                let _ = ($($argument,)*);
                Err($crate::backend::CallError::Unsupported { call: $symbol, xen: self.release() })
            })*
        }
    };
}

mod device;
mod domain;
mod event;
#[cfg(test)]
pub(crate) mod fake;
mod flask;
mod host;
mod hvm;
mod libxenctrl;
mod memory;
mod scheduler;
mod vcpu;

use std::fmt::Debug;

use rustix::io::Errno;

pub use device::{DeviceCalls, PtIrq};
pub use domain::DomainCalls;
pub use event::EventCalls;
pub use flask::{AccessDecision, FlaskCalls};
pub use host::HostCalls;
pub use hvm::HvmCalls;
pub use libxenctrl::LibXenCtrl;
pub use memory::{MemoryCalls, Vnuma, VnumaSizes};
pub use scheduler::{PoolInfo, SchedulerCalls};
pub use vcpu::VcpuCalls;
pub use xenctrl_sys::{ArchDomainConfig, CreateDomain, DomainInfo, E820Entry, PhysInfo, Release};
pub use xenctrl_sys::{CompileInfo, CpuTopology, CpuVersion, NodeMemory, PciDevice};
pub use xenctrl_sys::{
    Credit2Schedule, CreditSchedule, SchedCredit, SchedCredit2, SchedRtds, SchedVcpuParam,
};
pub use xenctrl_sys::{PortStatus, VcpuContext, VcpuInfo};
pub use xenctrl_sys::{ReservedDeviceMemory, VmemRange};

/// What stands below all calls. Implementations take calls from many threads at once.
pub trait Hypervisor: Debug + Send + Sync {
    /// The release of the hypervisor below.
    fn release(&self) -> Release;
}

/// The calls of libxenctrl that this crate makes.
///
/// Each method is the C function that its documentation names, does what that does and nothing else. One that is
/// not implemented fails as a function does that the library of a release lacks.
pub trait Backend:
    HostCalls
    + DomainCalls
    + MemoryCalls
    + VcpuCalls
    + SchedulerCalls
    + EventCalls
    + HvmCalls
    + DeviceCalls
    + FlaskCalls
{
}

impl<T> Backend for T where
    T: HostCalls
        + DomainCalls
        + MemoryCalls
        + VcpuCalls
        + SchedulerCalls
        + EventCalls
        + HvmCalls
        + DeviceCalls
        + FlaskCalls
{
}

/// One call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The hypervisor, the kernel or libxc refused.
    #[error(transparent)]
    Errno(#[from] Errno),
    /// This release of Xen does not have it.
    #[error("Xen {xen} has no {call}")]
    Unsupported {
        /// The C function, or what was asked of it.
        call: &'static str,
        /// The release.
        xen: Release,
    },
    /// The handle was opened by another process, before a fork.
    #[error("the handle was opened by another process, before a fork")]
    UsedAfterFork,
    /// The call succeeded with an answer that cannot be.
    #[error("{call} answered {answer}")]
    Nonsense {
        /// The C function.
        call: &'static str,
        /// The number that cannot be.
        answer: u64,
    },
}
