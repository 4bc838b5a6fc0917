//! Parameters of HVM and PVH domains.

use xen_types::DomId;
use xenctrl_sys as sys;

use crate::{Error, Result, Xc};

/// A parameter of HVM and PVH domains (`HVM_PARAM_*`, `xen/include/public/hvm/params.h`); any
/// number may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HvmParam(pub u32);

#[allow(missing_docs, reason = "names of xen/include/public/hvm/params.h, which explains them")]
impl HvmParam {
    pub const CALLBACK_IRQ: Self = Self(sys::HVM_PARAM_CALLBACK_IRQ);
    pub const STORE_PFN: Self = Self(sys::HVM_PARAM_STORE_PFN);
    pub const STORE_EVTCHN: Self = Self(sys::HVM_PARAM_STORE_EVTCHN);
    pub const PAE_ENABLED: Self = Self(sys::HVM_PARAM_PAE_ENABLED);
    pub const IOREQ_PFN: Self = Self(sys::HVM_PARAM_IOREQ_PFN);
    pub const BUFIOREQ_PFN: Self = Self(sys::HVM_PARAM_BUFIOREQ_PFN);
    pub const VIRIDIAN: Self = Self(sys::HVM_PARAM_VIRIDIAN);
    pub const TIMER_MODE: Self = Self(sys::HVM_PARAM_TIMER_MODE);
    pub const HPET_ENABLED: Self = Self(sys::HVM_PARAM_HPET_ENABLED);
    pub const IDENT_PT: Self = Self(sys::HVM_PARAM_IDENT_PT);
    pub const DM_DOMAIN: Self = Self(sys::HVM_PARAM_DM_DOMAIN);
    pub const ACPI_S_STATE: Self = Self(sys::HVM_PARAM_ACPI_S_STATE);
    pub const VM86_TSS: Self = Self(sys::HVM_PARAM_VM86_TSS);
    pub const VPT_ALIGN: Self = Self(sys::HVM_PARAM_VPT_ALIGN);
    pub const CONSOLE_PFN: Self = Self(sys::HVM_PARAM_CONSOLE_PFN);
    pub const CONSOLE_EVTCHN: Self = Self(sys::HVM_PARAM_CONSOLE_EVTCHN);
    pub const ACPI_IOPORTS_LOCATION: Self = Self(sys::HVM_PARAM_ACPI_IOPORTS_LOCATION);
    pub const MEMORY_EVENT_CR0: Self = Self(sys::HVM_PARAM_MEMORY_EVENT_CR0);
    pub const MEMORY_EVENT_CR3: Self = Self(sys::HVM_PARAM_MEMORY_EVENT_CR3);
    pub const MEMORY_EVENT_CR4: Self = Self(sys::HVM_PARAM_MEMORY_EVENT_CR4);
    pub const MEMORY_EVENT_INT3: Self = Self(sys::HVM_PARAM_MEMORY_EVENT_INT3);
    pub const NESTEDHVM: Self = Self(sys::HVM_PARAM_NESTEDHVM);
    pub const MEMORY_EVENT_SINGLE_STEP: Self = Self(sys::HVM_PARAM_MEMORY_EVENT_SINGLE_STEP);
    pub const BUFIOREQ_EVTCHN: Self = Self(sys::HVM_PARAM_BUFIOREQ_EVTCHN);
    pub const PAGING_RING_PFN: Self = Self(sys::HVM_PARAM_PAGING_RING_PFN);
    pub const MONITOR_RING_PFN: Self = Self(sys::HVM_PARAM_MONITOR_RING_PFN);
    pub const SHARING_RING_PFN: Self = Self(sys::HVM_PARAM_SHARING_RING_PFN);
    pub const MEMORY_EVENT_MSR: Self = Self(sys::HVM_PARAM_MEMORY_EVENT_MSR);
    pub const TRIPLE_FAULT_REASON: Self = Self(sys::HVM_PARAM_TRIPLE_FAULT_REASON);
    pub const IOREQ_SERVER_PFN: Self = Self(sys::HVM_PARAM_IOREQ_SERVER_PFN);
    pub const NR_IOREQ_SERVER_PAGES: Self = Self(sys::HVM_PARAM_NR_IOREQ_SERVER_PAGES);
    pub const VM_GENERATION_ID_ADDR: Self = Self(sys::HVM_PARAM_VM_GENERATION_ID_ADDR);
    pub const ALTP2M: Self = Self(sys::HVM_PARAM_ALTP2M);
    pub const X87_FIP_WIDTH: Self = Self(sys::HVM_PARAM_X87_FIP_WIDTH);
    pub const VM86_TSS_SIZED: Self = Self(sys::HVM_PARAM_VM86_TSS_SIZED);
    pub const MCA_CAP: Self = Self(sys::HVM_PARAM_MCA_CAP);
}

impl Xc {
    /// Reads a parameter of HVM or PVH `dom`.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for PV or for no such parameter,
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_hvm_param_get")]
    pub fn hvm_param(&self, dom: DomId, param: HvmParam) -> Result<u64> {
        self.backend
            .hvm_param_get(dom, param.0)
            .map_err(|e| Error::on(format!("read HVM parameter {}", param.0), dom, e))
    }

    /// Sets a parameter of HVM or PVH `dom`.
    ///
    /// # Errors
    /// As [`Xc::hvm_param`], and [`Kind::Exists`](crate::Kind::Exists) for one that can be set only
    /// once.
    #[doc(alias = "xc_hvm_param_set")]
    pub fn set_hvm_param(&self, dom: DomId, param: HvmParam, value: u64) -> Result<()> {
        self.backend
            .hvm_param_set(dom, param.0, value)
            .map_err(|e| Error::on(format!("set HVM parameter {} to {value:#x}", param.0), dom, e))
    }

    /// Sets what happens to ticks of virtual timers that a virtual CPU of HVM `dom` missed.
    ///
    /// # Errors
    /// As [`Xc::set_hvm_param`].
    #[doc(alias = "HVM_PARAM_TIMER_MODE")]
    pub fn set_timer_mode(&self, dom: DomId, mode: TimerMode) -> Result<()> {
        self.set_hvm_param(dom, HvmParam::TIMER_MODE, mode as u64)
    }

    /// Sets whether HVM `dom` has a high-precision event timer.
    ///
    /// # Errors
    /// As [`Xc::set_hvm_param`].
    #[doc(alias = "HVM_PARAM_HPET_ENABLED")]
    pub fn set_hpet(&self, dom: DomId, enabled: bool) -> Result<()> {
        self.set_hvm_param(dom, HvmParam::HPET_ENABLED, enabled.into())
    }

    /// Sets whether virtual timers of HVM `dom` that have about the same period tick together, which
    /// lets the host sleep longer.
    ///
    /// # Errors
    /// As [`Xc::set_hvm_param`].
    #[doc(alias = "HVM_PARAM_VPT_ALIGN")]
    pub fn set_timer_alignment(&self, dom: DomId, aligned: bool) -> Result<()> {
        self.set_hvm_param(dom, HvmParam::VPT_ALIGN, aligned.into())
    }

    /// Sets with which of Hyper-V's interfaces HVM `dom` is met; once, before it runs. Without any a
    /// guest is not told of them.
    ///
    /// # Errors
    /// As [`Xc::set_hvm_param`]: [`Kind::Invalid`](crate::Kind::Invalid) without
    /// [`Viridian::BASE_FREQ`] or with what Xen does not know,
    /// [`Kind::Exists`](crate::Kind::Exists) if others were set before.
    #[doc(alias = "HVM_PARAM_VIRIDIAN")]
    pub fn set_viridian(&self, dom: DomId, interfaces: Viridian) -> Result<()> {
        self.set_hvm_param(dom, HvmParam::VIRIDIAN, interfaces.bits())
    }

    /// The ACPI sleep state of HVM `dom`: 0 for awake, 3 for suspended to its memory.
    ///
    /// # Errors
    /// As [`Xc::hvm_param`].
    #[doc(alias = "HVM_PARAM_ACPI_S_STATE")]
    pub fn acpi_sleep_state(&self, dom: DomId) -> Result<u64> {
        self.hvm_param(dom, HvmParam::ACPI_S_STATE)
    }

    /// Wakes HVM `dom` up that has suspended to its memory; without effect on one that is awake.
    ///
    /// # Errors
    /// As [`Xc::set_hvm_param`].
    #[doc(alias = "HVM_PARAM_ACPI_S_STATE")]
    pub fn wake_from_sleep(&self, dom: DomId) -> Result<()> {
        self.set_hvm_param(dom, HvmParam::ACPI_S_STATE, 0)
    }

    /// Whether HVM `dom` has said how it wants to be interrupted by events, as paravirtual drivers do
    /// first. It may not have been true yet, and is the guest's word only.
    ///
    /// # Errors
    /// As [`Xc::hvm_param`].
    #[doc(alias = "HVM_PARAM_CALLBACK_IRQ")]
    pub fn has_pv_drivers(&self, dom: DomId) -> Result<bool> {
        Ok(self.hvm_param(dom, HvmParam::CALLBACK_IRQ)? != 0)
    }
}

bitflags::bitflags! {
    /// Interfaces of Hyper-V that Xen has for guests that look for them, such as Windows (`HVMPV_*`,
    /// `xen/include/public/hvm/params.h`). Bits that are not known here are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Viridian: u64 {
        /// Hypercalls, the APIC's registers, numbers of virtual CPUs, frequencies. All others need it.
        const BASE_FREQ = sys::HVMPV_BASE_FREQ;
        /// But no frequencies.
        const NO_FREQ = sys::HVMPV_NO_FREQ;
        /// A counter of time.
        const TIME_REF_COUNT = sys::HVMPV_TIME_REF_COUNT;
        /// A page that makes time of the time-stamp counter.
        const REFERENCE_TSC = sys::HVMPV_REFERENCE_TSC;
        /// Flushing the TLB of other virtual CPUs by hypercall.
        const HCALL_REMOTE_TLB_FLUSH = sys::HVMPV_HCALL_REMOTE_TLB_FLUSH;
        /// Ends of interrupts in memory.
        const APIC_ASSIST = sys::HVMPV_APIC_ASSIST;
        /// Telling of a crash.
        const CRASH_CTL = sys::HVMPV_CRASH_CTL;
        /// Synthetic interrupts.
        const SYNIC = sys::HVMPV_SYNIC;
        /// Synthetic timers; they need the counter of time and synthetic interrupts.
        const STIMER = sys::HVMPV_STIMER;
        /// Interrupting other virtual CPUs by hypercall.
        const HCALL_IPI = sys::HVMPV_HCALL_IPI;
        /// Sets of more than 64 virtual CPUs in hypercalls.
        const EX_PROCESSOR_MASKS = sys::HVMPV_EX_PROCESSOR_MASKS;
        /// More than 64 virtual CPUs.
        const NO_VP_LIMIT = sys::HVMPV_NO_VP_LIMIT;
        /// Virtual CPUs that come while it runs.
        const CPU_HOTPLUG = sys::HVMPV_CPU_HOTPLUG;
    }
}

impl Viridian {
    /// What libxl gives a guest that is to have them (`hvm_set_viridian_features`, `tools/libs/light/libxl_x86.c`, 4.15 to 4.22).
    pub const DEFAULT: Self = Self::BASE_FREQ
        .union(Self::TIME_REF_COUNT)
        .union(Self::APIC_ASSIST)
        .union(Self::CRASH_CTL)
        .union(Self::NO_VP_LIMIT)
        .union(Self::CPU_HOTPLUG);
}

/// What happens to ticks that a virtual CPU missed (`HVMPTM_*`,
/// `xen/include/public/hvm/params.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum TimerMode {
    /// They come late, and time with them.
    DelayForMissedTicks = 0,
    /// They come late, time does not.
    NoDelayForMissedTicks = 1,
    /// They are lost, time is not.
    NoMissedTicksPending = 2,
    /// One comes for all that were missed, time is not late.
    OneMissedTickPending = 3,
}
