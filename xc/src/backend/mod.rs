//! The seam: one method per C call, nothing decided below it.
//!
//! Structures are those of the newest Xen; an implementation for an older one converts them.

#[cfg(test)]
pub(crate) mod fake;
mod libxenctrl;

use std::fmt::Debug;

use rustix::io::Errno;
use xen_types::{DomId, KiB, Port};

pub use libxenctrl::LibXenCtrl;
pub use xenctrl_sys::{ArchDomainConfig, CreateDomain, DomainInfo, E820Entry, PhysInfo, Release};

/// The calls of libxenctrl that this crate makes.
///
/// Each method is the C function of its name with `xc_` before it, does what that does and nothing
/// else. Implementations take calls from many threads at once.
#[allow(missing_docs, reason = "the C functions' names; tools/include/xenctrl.h describes them")]
pub trait Backend: Debug + Send + Sync {
    /// The release of the hypervisor below.
    fn release(&self) -> Release;

    /// `xc_version(XENVER_version)`: `major << 16 | minor`.
    fn version(&self) -> Result<u32, CallError>;
    /// `xc_version(XENVER_extraversion)`: the bytes before the first NUL.
    fn extra_version(&self) -> Result<Vec<u8>, CallError>;
    fn physinfo(&self) -> Result<PhysInfo, CallError>;

    /// Takes the domain id to ask for and returns the one given.
    fn domain_create(&self, domid: u32, config: &CreateDomain) -> Result<u32, CallError>;
    fn domain_destroy(&self, dom: DomId) -> Result<(), CallError>;
    fn domain_pause(&self, dom: DomId) -> Result<(), CallError>;
    fn domain_unpause(&self, dom: DomId) -> Result<(), CallError>;
    fn domain_shutdown(&self, dom: DomId, reason: i32) -> Result<(), CallError>;
    /// The existing domains with ids from `first` on, in order, at most `max` of them.
    fn domain_getinfolist(&self, first: u32, max: u32) -> Result<Vec<DomainInfo>, CallError>;
    fn domain_sethandle(&self, dom: DomId, handle: [u8; 16]) -> Result<(), CallError>;

    fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> Result<(), CallError>;
    fn domain_set_memmap_limit(&self, dom: DomId, limit: KiB) -> Result<(), CallError>;
    fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError>;
    fn domain_claim_pages(&self, dom: DomId, pages: u64) -> Result<(), CallError>;
    /// In bytes.
    fn get_paging_mempool_size(&self, dom: DomId) -> Result<u64, CallError>;
    /// In bytes.
    fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> Result<(), CallError>;
    /// In MiB; returns the size after the operation.
    fn shadow_control(&self, dom: DomId, operation: u32, mib: u32) -> Result<u32, CallError>;

    fn domain_max_vcpus(&self, dom: DomId, max: u32) -> Result<(), CallError>;
    /// Mode, nanoseconds elapsed, frequency in kHz, incarnation.
    fn domain_set_tsc_info(
        &self,
        dom: DomId,
        mode: u32,
        elapsed: u64,
        khz: u32,
        incarnation: u32,
    ) -> Result<(), CallError>;

    fn evtchn_alloc_unbound(&self, dom: DomId, remote: DomId) -> Result<Port, CallError>;
    fn hvm_param_get(&self, dom: DomId, param: u32) -> Result<u64, CallError>;
    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Result<(), CallError>;
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
