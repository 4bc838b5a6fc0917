//! What CPUID and model-specific registers tell a domain, as a whole: the host's policies, a
//! domain's, and changing it.

mod entries;
mod features;

use xen_types::DomId;

pub use crate::backend::PolicyEntry;
pub use entries::{CpuidLeaf, Msr};
pub use features::{FeatureMask, FeatureSet};

use crate::backend::Policy;
use crate::{Error, Result, Xg};

/// One of the host's own policies (`XEN_SYSCTL_cpu_policy_*`, `xen/include/public/sysctl.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum SystemPolicy {
    /// What the hardware says.
    Raw = 0,
    /// What Xen uses of it.
    Host = 1,
    /// The most that a PV domain can have.
    PvMax = 2,
    /// The most that an HVM or PVH domain can have.
    HvmMax = 3,
    /// What a new PV domain gets.
    PvDefault = 4,
    /// What a new HVM or PVH domain gets.
    HvmDefault = 5,
}

/// Whether a guest with one policy could run under another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compatibility {
    /// It could, as far as Xen compares.
    Compatible,
    /// It could not.
    Incompatible {
        /// What libxenguest says is in the way, such as `Leaf 0x7 subleaf 0 is not compatible`.
        reasons: Vec<String>,
    },
}

/// A policy, read from the host or a domain, changed, compared, given to a domain. It belongs to the
/// program, and nothing else changes with it. Xen 4.16 and later.
#[derive(Debug)]
pub struct CpuPolicy {
    policy: Box<dyn Policy>,
    /// The most leaves and MSRs that it can have.
    size: (u32, u32),
}

impl CpuPolicy {
    /// All leaves and registers of the policy, in ascending order.
    ///
    /// # Errors
    /// [`Kind::Gone`](crate::Kind::Gone) in a process forked from the one that read it.
    #[doc(alias = "xc_cpu_policy_serialise")]
    pub fn entries(&self) -> Result<(Vec<CpuidLeaf>, Vec<Msr>)> {
        let (leaves, msrs) = self
            .policy
            .serialise(self.size.0, self.size.1)
            .map_err(|e| Error::operation("list a CPU policy", None, e))?;
        Ok((
            leaves.into_iter().map(CpuidLeaf::from).collect(),
            msrs.into_iter().map(Msr::from).collect(),
        ))
    }

    /// Replaces leaves of the policy; the others stay.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a leaf or subleaf that policies do not have; those
    /// before it are replaced. The cause names it.
    #[doc(alias = "xc_cpu_policy_update_cpuid")]
    pub fn update_leaves(&mut self, leaves: &[CpuidLeaf]) -> Result<()> {
        let raw: Vec<_> = leaves.iter().map(|&leaf| leaf.into()).collect();
        self.policy.update_cpuid(&raw).map_err(|e| {
            Error::operation(format!("put {} leaves into a CPU policy", leaves.len()), None, e)
        })
    }

    /// Replaces registers of the policy; the others stay.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a register that policies do not have, or a value
    /// that it cannot have, with those before it replaced. The cause names it.
    #[doc(alias = "xc_cpu_policy_update_msrs")]
    pub fn update_msrs(&mut self, msrs: &[Msr]) -> Result<()> {
        let raw: Vec<_> = msrs.iter().map(|&msr| msr.into()).collect();
        self.policy.update_msrs(&raw).map_err(|e| {
            Error::operation(format!("put {} MSRs into a CPU policy", msrs.len()), None, e)
        })
    }

    /// Whether a guest with the policy `guest` could run where this one is the most there is, such as
    /// [`SystemPolicy::HvmMax`]. Xen compares but a part of the leaves and registers
    /// (`x86_cpu_policies_are_compatible`, `xen/lib/x86/policy.c`), more with each release.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for policies read with different libraries.
    #[doc(alias = "xc_cpu_policy_is_compatible")]
    pub fn compatibility(&self, guest: &Self) -> Result<Compatibility> {
        match self.policy.is_compatible(guest.policy.as_ref()) {
            Ok(Ok(())) => Ok(Compatibility::Compatible),
            Ok(Err(reasons)) => Ok(Compatibility::Incompatible { reasons }),
            Err(e) => Err(Error::operation("compare CPU policies", None, e)),
        }
    }
}

impl Xg {
    /// Reads one of the host's policies; Xen 4.16 and later.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) before 4.16, and for PV or HVM if Xen was built
    /// without it.
    #[doc(alias("xc_cpu_policy_init", "xc_cpu_policy_get_system", "xc_cpu_policy_get_size"))]
    pub fn system_cpu_policy(&self, which: SystemPolicy) -> Result<CpuPolicy> {
        let read = || {
            let mut policy = self.backend.cpu_policy_init()?;
            policy.get_system(which as u32)?;
            Ok(CpuPolicy { policy, size: self.backend.cpu_policy_get_size()? })
        };
        read().map_err(|e| Error::operation(format!("read the CPU policy {which:?}"), None, e))
    }

    /// Reads the policy of `dom`; Xen 4.16 and later.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) before 4.16,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone.
    #[doc(alias("xc_cpu_policy_init", "xc_cpu_policy_get_domain", "xc_cpu_policy_get_size"))]
    pub fn cpu_policy(&self, dom: DomId) -> Result<CpuPolicy> {
        let read = || {
            let mut policy = self.backend.cpu_policy_init()?;
            policy.get_domain(dom)?;
            Ok(CpuPolicy { policy, size: self.backend.cpu_policy_get_size()? })
        };
        read().map_err(|e| Error::operation("read the CPU policy", Some(dom), e))
    }

    /// Gives `dom` a policy, before it is first unpaused. Xen 4.16 and later.
    ///
    /// What a policy says of the topology is the caller's: `OpenXT`'s `domain_cpuid_set` and
    /// `domain_set_cores_per_socket` are this call with the leaves changed, as no release has calls for
    /// them alone. `policy` is borrowed uniquely since libxenguest uses its buffers.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it exceeds what the domain's kind can have or
    /// contradicts itself, and for the caller's own domain; the cause has libxenguest's words, which
    /// name leaf or register. [`Kind::Exists`](crate::Kind::Exists) once it was unpaused,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone.
    #[doc(alias = "xc_cpu_policy_set_domain")]
    pub fn set_cpu_policy(&self, dom: DomId, policy: &mut CpuPolicy) -> Result<()> {
        policy
            .policy
            .set_domain(dom)
            .map_err(|e| Error::operation("set the CPU policy", Some(dom), e))
    }

    /// Changes leaves and registers of the policy of `dom`, before it is first unpaused; the others
    /// stay. All releases.
    ///
    /// # Errors
    /// As [`Xg::set_cpu_policy`]. The entry at fault is in the cause,
    /// [`CallError::At`](crate::backend::CallError::At), and nothing is changed then.
    #[doc(alias = "xc_set_domain_cpu_policy")]
    pub fn update_cpu_policy(&self, dom: DomId, leaves: &[CpuidLeaf], msrs: &[Msr]) -> Result<()> {
        let raw_leaves: Vec<_> = leaves.iter().map(|&leaf| leaf.into()).collect();
        let raw_msrs: Vec<_> = msrs.iter().map(|&msr| msr.into()).collect();
        self.backend.set_domain_cpu_policy(dom, &raw_leaves, &raw_msrs).map_err(|e| {
            let (leaves, msrs) = (leaves.len(), msrs.len());
            let operation = format!("change {leaves} leaves and {msrs} MSRs of the CPU policy");
            Error::operation(operation, Some(dom), e)
        })
    }
}
