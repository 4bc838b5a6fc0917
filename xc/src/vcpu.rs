//! Virtual CPUs: number, state, registers and where they run.

use std::time::Duration;

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::{
    VcpuContext, XEN_VCPUAFFINITY_FORCE, XEN_VCPUAFFINITY_HARD, XEN_VCPUAFFINITY_SOFT,
};

use crate::backend::{self, CallError};
use crate::{CpuSet, Error, Result, Xc, cpuset};

/// What the hypervisor knows of a virtual CPU at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VcpuInfo {
    /// Whether the guest has it online.
    pub online: bool,
    /// Whether it waits for an event.
    pub blocked: bool,
    /// Whether it is on a processor.
    pub running: bool,
    /// The time that it has run.
    pub cpu_time: Duration,
    /// The processor that it is on, or was on last.
    pub cpu: u16,
}

/// Where a virtual CPU runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// The processors on which it may run.
    pub hard: CpuSet,
    /// Those among them on which it runs if one is free.
    pub soft: CpuSet,
}

impl Xc {
    /// Creates the virtual CPUs of `dom`: as many as it was created for, no other number.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for another number than
    /// [`CreateConfig::max_vcpus`](crate::CreateConfig::max_vcpus).
    #[doc(alias = "xc_domain_max_vcpus")]
    pub fn set_max_vcpus(&self, dom: DomId, vcpus: u32) -> Result<()> {
        self.backend
            .domain_max_vcpus(dom, vcpus)
            .map_err(|e| Error::on(format!("create {vcpus} virtual CPUs"), dom, e))
    }

    /// The state of virtual CPU `vcpu` of `dom`.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone or the virtual CPU not yet
    /// [created](Xc::set_max_vcpus), [`Kind::Invalid`](crate::Kind::Invalid) for a number that `dom`
    /// cannot have, [`Kind::Other`](crate::Kind::Other) for a processor above 65535, which Xen does
    /// not have.
    #[doc(alias = "xc_vcpu_getinfo")]
    pub fn vcpu(&self, dom: DomId, vcpu: u32) -> Result<VcpuInfo> {
        number(vcpu)
            .and_then(|number| self.backend.vcpu_getinfo(dom, number.into()))
            .and_then(|raw| VcpuInfo::from_raw(&raw))
            .map_err(|e| Error::on(format!("read the state of virtual CPU {vcpu}"), dom, e))
    }

    /// The time that virtual CPU `vcpu` of `dom` has run, as [`VcpuInfo::cpu_time`] has it too.
    ///
    /// # Errors
    /// As [`Xc::vcpu`].
    #[doc(alias = "xc_domain_get_cpu_usage")]
    pub fn vcpu_time(&self, dom: DomId, vcpu: u32) -> Result<Duration> {
        number(vcpu)
            .and_then(|number| self.backend.domain_get_cpu_usage(dom, number.into()))
            .map(Duration::from_nanos)
            .map_err(|e| Error::on(format!("read the time of virtual CPU {vcpu}"), dom, e))
    }

    /// The registers of virtual CPU `vcpu` of `dom`, which is paused while they are read. Each call
    /// is a moment of its own: [pause](Xc::pause) `dom` to see several as they fit together.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a virtual CPU that `dom` does not have,
    /// [`Kind::Other`](crate::Kind::Other) with the errno `ENODATA` for one that was never started.
    #[doc(alias = "xc_vcpu_getcontext")]
    pub fn vcpu_context(&self, dom: DomId, vcpu: u32) -> Result<Box<VcpuContext>> {
        number(vcpu)
            .and_then(|number| self.backend.vcpu_getcontext(dom, number.into()))
            .map_err(|e| Error::on(format!("read the registers of virtual CPU {vcpu}"), dom, e))
    }

    /// Sets the registers of virtual CPU `vcpu` of `dom`, which is paused meanwhile.
    ///
    /// What was [read](Xc::vcpu_context) can be changed and written back. Xen checks what a PV guest
    /// must not have (`arch_set_info_guest`, `xen/arch/x86/domain.c`).
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for the caller's own domain, a virtual CPU that `dom`
    /// does not have, or values that it must not have; [`Kind::Unavailable`](crate::Kind::Unavailable)
    /// for other page or descriptor tables of a PV virtual CPU that was already started.
    #[doc(alias = "xc_vcpu_setcontext")]
    pub fn set_vcpu_context(&self, dom: DomId, vcpu: u32, context: &VcpuContext) -> Result<()> {
        number(vcpu)
            .and_then(|number| self.backend.vcpu_setcontext(dom, number.into(), context))
            .map_err(|e| Error::on(format!("set the registers of virtual CPU {vcpu}"), dom, e))
    }

    /// Where virtual CPU `vcpu` of `dom` runs, as it was set: processors that its CPU pool does not
    /// have may be among them. Before anything is set, all are.
    ///
    /// # Errors
    /// As [`Xc::vcpu`].
    #[doc(alias = "xc_vcpu_getaffinity")]
    pub fn vcpu_affinity(&self, dom: DomId, vcpu: u32) -> Result<Affinity> {
        let flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
        number(vcpu)
            .and_then(|number| self.backend.vcpu_getaffinity(dom, number.into(), flags))
            .and_then(|maps| Affinity::answered(&maps, "xc_vcpu_getaffinity"))
            .map_err(|e| Error::on(format!("read where virtual CPU {vcpu} runs"), dom, e))
    }

    /// Sets where virtual CPU `vcpu` of `dom` may run and where it runs if it can; if the second is
    /// refused, the first is as before.
    ///
    /// Returns what that comes to: `hard` without the processors that its CPU pool does not have
    /// online, and what is in that of `soft`. An empty `soft` there means that it has no effect.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone or the virtual CPU not yet created,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a number that `dom` cannot have, a processor that the
    /// host cannot have, or if no processor of the pool remains to run on;
    /// [`Kind::Busy`](crate::Kind::Busy) while the guest has pinned it itself.
    #[doc(alias = "xc_vcpu_setaffinity")]
    pub fn set_vcpu_affinity(&self, dom: DomId, vcpu: u32, wanted: &Affinity) -> Result<Affinity> {
        let Affinity { hard, soft } = wanted;
        self.affine(dom, vcpu, hard, soft, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT).map_err(
            |e| Error::on(format!("let virtual CPU {vcpu} run on {hard}, rather {soft}"), dom, e),
        )
    }

    /// Sets where virtual CPU `vcpu` of `dom` may run. Returns what that comes to.
    ///
    /// # Errors
    /// As [`Xc::set_vcpu_affinity`].
    #[doc(alias = "xc_vcpu_setaffinity")]
    pub fn set_hard_affinity(&self, dom: DomId, vcpu: u32, cpus: &CpuSet) -> Result<CpuSet> {
        self.affine(dom, vcpu, cpus, &CpuSet::new(), XEN_VCPUAFFINITY_HARD)
            .map(|effective| effective.hard)
            .map_err(|e| Error::on(format!("let virtual CPU {vcpu} run on {cpus}"), dom, e))
    }

    /// Sets where virtual CPU `vcpu` of `dom` runs if it can. Returns what that comes to.
    ///
    /// # Errors
    /// As [`Xc::set_vcpu_affinity`], but a set that comes to nothing is no error.
    #[doc(alias = "xc_vcpu_setaffinity")]
    pub fn set_soft_affinity(&self, dom: DomId, vcpu: u32, cpus: &CpuSet) -> Result<CpuSet> {
        self.affine(dom, vcpu, &CpuSet::new(), cpus, XEN_VCPUAFFINITY_SOFT)
            .map(|effective| effective.soft)
            .map_err(|e| Error::on(format!("let virtual CPU {vcpu} rather run on {cpus}"), dom, e))
    }

    /// Ends a pinning of virtual CPU `vcpu` that `dom` itself asked for, as the hardware domain may
    /// (`SCHEDOP_pin_override`), and that keeps its hard affinity from being set.
    ///
    /// # Errors
    /// As [`Xc::vcpu`].
    #[doc(alias = "xc_vcpu_setaffinity")]
    pub fn undo_pin_override(&self, dom: DomId, vcpu: u32) -> Result<()> {
        let none = CpuSet::new();
        self.affine(dom, vcpu, &none, &none, XEN_VCPUAFFINITY_FORCE)
            .map(drop)
            .map_err(|e| Error::on(format!("undo the pinning of virtual CPU {vcpu}"), dom, e))
    }

    fn affine(
        &self,
        dom: DomId,
        vcpu: u32,
        hard: &CpuSet,
        soft: &CpuSet,
        flags: u32,
    ) -> Result<Affinity, CallError> {
        let (vcpu, hard, soft) = (number(vcpu)?.into(), hard.as_bitmap(), soft.as_bitmap());
        let maps = self.backend.vcpu_setaffinity(dom, vcpu, hard, soft, flags)?;
        Affinity::answered(&maps, "xc_vcpu_setaffinity")
    }
}

impl VcpuInfo {
    fn from_raw(raw: &backend::VcpuInfo) -> Result<Self, CallError> {
        Ok(Self {
            online: raw.online != 0,
            blocked: raw.blocked != 0,
            running: raw.running != 0,
            cpu_time: Duration::from_nanos(raw.cpu_time),
            cpu: cpuset::answered(raw.cpu, "xc_vcpu_getinfo")?,
        })
    }
}

impl Affinity {
    fn answered((hard, soft): &(Vec<u8>, Vec<u8>), call: &'static str) -> Result<Self, CallError> {
        Ok(Self { hard: CpuSet::answered(hard, call)?, soft: CpuSet::answered(soft, call)? })
    }
}

/// libxc drops the upper half of some numbers (`xc_domain.c`): one that has it would be another's.
fn number(vcpu: u32) -> Result<u16, CallError> {
    u16::try_from(vcpu).map_err(|_| Errno::INVAL.into())
}
