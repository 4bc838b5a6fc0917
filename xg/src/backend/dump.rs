//! Dumps of a domain's memory.

use std::ffi::CStr;

use xc::backend::Hypervisor;
use xen_types::DomId;

use super::CallError;

/// The calls for dumps. One that is not implemented fails as a function does that the library of a
/// release lacks.
pub trait DumpCalls: Hypervisor {
    /// `xc_domain_dumpcore`.
    fn domain_dumpcore(&self, _dom: DomId, _path: &CStr) -> Result<(), CallError> {
        Err(CallError::Unsupported { call: "xc_domain_dumpcore", xen: self.release() })
    }

    /// `xc_domain_dumpcore_via_callback`: gives the pieces in order, until one is answered with false,
    /// which fails the call.
    fn domain_dumpcore_via_callback(
        &self,
        _dom: DomId,
        _piece: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), CallError> {
        let call = "xc_domain_dumpcore_via_callback";
        Err(CallError::Unsupported { call, xen: self.release() })
    }
}
