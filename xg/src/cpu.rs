//! What CPUID tells a guest.

use xen_types::DomId;

use crate::{Error, Result, Xg};

/// What CPUID tells a guest, apart from what Xen decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuOptions {
    /// Whether the time-stamp counter is announced as invariant: true only for a guest that will
    /// never migrate or whose counter is always emulated.
    pub invariant_tsc: bool,
    /// Whether hardware virtualisation is announced; only for a domain created for it.
    pub nested_virt: bool,
}

impl CpuOptions {
    /// What libxl gives a guest by default.
    pub const DEFAULT: Self = Self { invariant_tsc: false, nested_virt: false };
}

impl Default for CpuOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Xg {
    /// Gives a new domain its CPU policy: the host's default for its kind, changed by `options`.
    ///
    /// To be done once, after the virtual CPUs exist and before [`Xg::build`]. A domain without it
    /// runs with what Xen gave it at creation, which announces less.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if Xen refuses the policy.
    #[doc(alias = "xc_cpuid_apply_policy")]
    pub fn apply_cpu_policy(&self, dom: DomId, options: &CpuOptions) -> Result<()> {
        self.backend
            .cpuid_apply_policy(dom, false, options.invariant_tsc, options.nested_virt)
            .map_err(|source| Error::CpuPolicy { dom, source })
    }
}
