//! Parameters of HVM and PVH domains.

use xen_types::DomId;

use crate::{Error, Result, Xc};

/// A parameter of HVM and PVH domains (`HVM_PARAM_*`, `xen/include/public/hvm/params.h`); any
/// number may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HvmParam(pub u32);

#[allow(missing_docs, reason = "names of xen/include/public/hvm/params.h, which explains them")]
impl HvmParam {
    pub const CALLBACK_IRQ: Self = Self(0);
    pub const STORE_PFN: Self = Self(1);
    pub const STORE_EVTCHN: Self = Self(2);
    pub const IOREQ_PFN: Self = Self(5);
    pub const BUFIOREQ_PFN: Self = Self(6);
    pub const VIRIDIAN: Self = Self(9);
    pub const TIMER_MODE: Self = Self(10);
    pub const HPET_ENABLED: Self = Self(11);
    pub const IDENT_PT: Self = Self(12);
    pub const DM_DOMAIN: Self = Self(13);
    pub const ACPI_S_STATE: Self = Self(14);
    pub const VPT_ALIGN: Self = Self(16);
    pub const CONSOLE_PFN: Self = Self(17);
    pub const CONSOLE_EVTCHN: Self = Self(18);
    pub const ACPI_IOPORTS_LOCATION: Self = Self(19);
    pub const BUFIOREQ_EVTCHN: Self = Self(26);
    pub const TRIPLE_FAULT_REASON: Self = Self(31);
    pub const IOREQ_SERVER_PFN: Self = Self(32);
    pub const NR_IOREQ_SERVER_PAGES: Self = Self(33);
    pub const VM_GENERATION_ID_ADDR: Self = Self(34);
    pub const ALTP2M: Self = Self(35);
    pub const X87_FIP_WIDTH: Self = Self(36);
    pub const VM86_TSS_SIZED: Self = Self(37);
    pub const MCA_CAP: Self = Self(38);
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
}
