//! Writing a domain into a stream, and reading it from one.

use std::os::fd::BorrowedFd;

use xc::backend::Hypervisor;
use xen_types::{DomId, Port};
use xenguest_sys::{PrecopyStats, Progress};

use super::CallError;

/// The calls for saved domains. One that is not implemented fails as a function does that the
/// library of a release lacks.
pub trait SaveCalls: Hypervisor {
    /// `xc_domain_save`, without a descriptor for answers. `flags` are `XCFLAGS_*`, `stream` is one
    /// of `XC_STREAM_*`.
    fn domain_save(
        &self,
        _dom: DomId,
        _to: BorrowedFd<'_>,
        _flags: u32,
        _stream: u32,
        _callbacks: &mut dyn Saver,
    ) -> Result<(), CallError> {
        Err(CallError::Unsupported { call: "xc_domain_save", xen: self.release() })
    }

    /// `xc_domain_restore`, without a descriptor for answers: the frames of the store's and the
    /// console's rings. `stream` is one of `XC_STREAM_*`.
    fn domain_restore(
        &self,
        _dom: DomId,
        _from: BorrowedFd<'_>,
        _ends: Ends,
        _stream: u32,
        _callbacks: &mut dyn Restorer,
    ) -> Result<(u64, u64), CallError> {
        Err(CallError::Unsupported { call: "xc_domain_restore", xen: self.release() })
    }
}

/// What `xc_domain_save` calls back: `struct save_callbacks`.
///
/// The numbers are those of C. If a method panics, the call fails as soon as it can, no other
/// method is called, and the panic goes on after the call.
pub trait Saver {
    /// `suspend`: 0 if the domain did not suspend itself.
    fn suspend(&mut self) -> i32;
    /// `precopy_policy`: one of `XGS_POLICY_*`.
    fn precopy_policy(&mut self, stats: PrecopyStats) -> i32;
    /// `postcopy`: 0 ends the stream, less fails.
    fn postcopy(&mut self) -> i32;
    /// `checkpoint`: 0 ends the stream, less fails.
    fn checkpoint(&mut self) -> i32;
    /// `switch_qemu_logdirty`: 0 for success.
    fn switch_qemu_logdirty(&mut self, dom: DomId, enable: bool) -> i32;
    /// What the library's logger is told, each 4 MiB: false takes the stream away from the library,
    /// so that the next thing it writes fails.
    fn progress(&mut self, progress: Progress<'_>) -> bool;
}

/// What `xc_domain_restore` calls back: `struct restore_callbacks`, as far as streams without
/// answers have a use for it. A panic is as for [`Saver`].
pub trait Restorer {
    /// `static_data_done` with `XGR_SDD_MISSING_*`: 0 for success.
    fn static_data_done(&mut self, missing: u32) -> i32;
    /// `checkpoint`: one of `XGR_CHECKPOINT_*`.
    fn checkpoint(&mut self) -> i32;
}

/// The domain's ends of the channels to the two daemons, and where these run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Ends {
    pub store: Port,
    pub store_domain: DomId,
    pub console: Port,
    pub console_domain: DomId,
}
