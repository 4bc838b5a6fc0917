//! CPU policies and featuresets.

use std::any::Any;
use std::fmt;

use xc::backend::Hypervisor;
use xen_types::DomId;
use xenguest_sys::{CpuidLeaf, MsrEntry};

use super::CallError;

/// The calls for CPU policies and featuresets. One that is not implemented fails as a function does
/// that the library of a release lacks.
pub trait PolicyCalls: Hypervisor {
    /// `xc_cpu_policy_init`. Dropping the policy is `xc_cpu_policy_destroy`.
    fn cpu_policy_init(&self) -> Result<Box<dyn Policy>, CallError> {
        Err(CallError::Unsupported { call: "xc_cpu_policy_init", xen: self.release() })
    }

    /// `xc_cpu_policy_get_size`: leaves and MSRs.
    fn cpu_policy_get_size(&self) -> Result<(u32, u32), CallError> {
        Err(CallError::Unsupported { call: "xc_cpu_policy_get_size", xen: self.release() })
    }

    /// `xc_set_domain_cpu_policy`; what it finds at fault is [`CallError::At`].
    fn set_domain_cpu_policy(
        &self,
        _dom: DomId,
        _leaves: &[CpuidLeaf],
        _msrs: &[MsrEntry],
    ) -> Result<(), CallError> {
        Err(CallError::Unsupported { call: "xc_set_domain_cpu_policy", xen: self.release() })
    }

    /// `xc_get_cpu_featureset_size`.
    fn get_cpu_featureset_size(&self) -> Result<u32, CallError> {
        Err(CallError::Unsupported { call: "xc_get_cpu_featureset_size", xen: self.release() })
    }

    /// `xc_get_cpu_featureset`, at most `room` words.
    fn get_cpu_featureset(&self, _index: u32, _room: u32) -> Result<Vec<u32>, CallError> {
        Err(CallError::Unsupported { call: "xc_get_cpu_featureset", xen: self.release() })
    }

    /// `xc_get_static_cpu_featuremask`, as long as `xc_get_cpu_featureset_size` says.
    fn get_static_cpu_featuremask(&self, _mask: u32) -> Result<Option<Vec<u32>>, CallError> {
        Err(CallError::Unsupported { call: "xc_get_static_cpu_featuremask", xen: self.release() })
    }
}

/// A policy, `xc_cpu_policy_t`. Dropping it destroys it.
pub trait Policy: Any + Send + fmt::Debug {
    /// `xc_cpu_policy_get_system`.
    fn get_system(&mut self, index: u32) -> Result<(), CallError>;
    /// `xc_cpu_policy_get_domain`.
    fn get_domain(&mut self, dom: DomId) -> Result<(), CallError>;
    /// `xc_cpu_policy_set_domain`, which writes into the policy's buffers.
    fn set_domain(&mut self, dom: DomId) -> Result<(), CallError>;
    /// `xc_cpu_policy_serialise`, at most so many leaves and MSRs.
    fn serialise(
        &self,
        leaves: u32,
        msrs: u32,
    ) -> Result<(Vec<CpuidLeaf>, Vec<MsrEntry>), CallError>;
    /// `xc_cpu_policy_update_cpuid`.
    fn update_cpuid(&mut self, leaves: &[CpuidLeaf]) -> Result<(), CallError>;
    /// `xc_cpu_policy_update_msrs`.
    fn update_msrs(&mut self, msrs: &[MsrEntry]) -> Result<(), CallError>;
    /// `xc_cpu_policy_is_compatible` with this as the host: what the library said if it is not.
    fn is_compatible(&self, guest: &dyn Policy) -> Result<Result<(), Vec<String>>, CallError>;
}

/// An entry of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyEntry {
    /// A leaf of CPUID.
    Leaf {
        /// Its number, EAX on entry.
        leaf: u32,
        /// Its subleaf, ECX on entry, if it has any.
        subleaf: Option<u32>,
    },
    /// A model-specific register.
    Msr(u32),
}

impl fmt::Display for PolicyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf { leaf, subleaf: None } => write!(f, "CPUID leaf {leaf:#x}"),
            Self::Leaf { leaf, subleaf: Some(subleaf) } => {
                write!(f, "CPUID leaf {leaf:#x}, subleaf {subleaf:#x}")
            }
            Self::Msr(index) => write!(f, "MSR {index:#x}"),
        }
    }
}
