//! Going on after a suspension.

use xc::backend::Hypervisor;
use xen_types::DomId;

use super::CallError;

/// The call for resumption. If it is not implemented, it fails as a function does that the library of a
/// release lacks.
pub trait ResumeCalls: Hypervisor {
    /// `xc_domain_resume`; `fast` tells the guest that it was not saved.
    fn domain_resume(&self, _dom: DomId, _fast: bool) -> Result<(), CallError> {
        Err(CallError::Unsupported { call: "xc_domain_resume", xen: self.release() })
    }
}
