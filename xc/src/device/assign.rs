//! Whole PCI functions: who has them.

use xen_types::{DomId, Sbdf};
use xenctrl_sys::XEN_DOMCTL_DEV_RDM_RELAXED;

use super::Gsi;
use crate::{Error, Result, Xc};

/// What becomes of memory that the firmware reserves for a device (reserved device memory, RMRR),
/// where the guest's map has something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RdmPolicy {
    /// The device is not assigned.
    #[default]
    Strict,
    /// It is assigned, with a warning in Xen's log; the device may not work.
    Relaxed,
}

impl Xc {
    /// Gives PCI function `device` to `dom`, whose memory it then reaches through the IOMMU.
    ///
    /// The domain must have been created with [`CreateConfig::iommu`](crate::CreateConfig::iommu). No
    /// driver of the control domain may be bound to the device, pciback apart; that is not checked
    /// here.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the host has no IOMMU, `dom` was not
    /// created for one, or there is no such function, [`Kind::Busy`](crate::Kind::Busy) if another
    /// domain has it, [`Kind::Invalid`](crate::Kind::Invalid) for the caller's own domain and a dying
    /// one, [`Kind::Denied`](crate::Kind::Denied) for conflicting reserved memory.
    #[doc(alias = "xc_assign_device")]
    pub fn assign_device(&self, dom: DomId, device: Sbdf, reserved: RdmPolicy) -> Result<()> {
        let flags = match reserved {
            RdmPolicy::Strict => 0,
            RdmPolicy::Relaxed => XEN_DOMCTL_DEV_RDM_RELAXED,
        };
        self.backend
            .assign_device(dom, device, flags)
            .map_err(|e| Error::on(format!("assign {device}"), dom, e))
    }

    /// Takes PCI function `device` from `dom`, back to the control domain.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without an IOMMU or if `dom` does not have the
    /// device, [`Kind::Invalid`](crate::Kind::Invalid) for the caller's own domain.
    #[doc(alias = "xc_deassign_device")]
    pub fn deassign_device(&self, dom: DomId, device: Sbdf) -> Result<()> {
        self.backend
            .deassign_device(dom, device)
            .map_err(|e| Error::on(format!("deassign {device}"), dom, e))
    }

    /// Succeeds if PCI function `device` is there and no domain but the control domain, or none, has
    /// it, so that [`Xc::assign_device`] may succeed.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without an IOMMU,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if the device is not there or is assigned.
    #[doc(alias = "xc_test_assign_device")]
    pub fn test_assign_device(&self, dom: DomId, device: Sbdf) -> Result<()> {
        self.backend
            .test_assign_device(dom, device)
            .map_err(|e| Error::on(format!("ask whether {device} can be assigned"), dom, e))
    }

    /// The other PCI functions of `dom` that the IOMMU cannot tell from `device`, which must all be
    /// assigned together. They are in the same segment; at most 4096 are told.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without an IOMMU.
    #[doc(alias = "xc_get_device_group")]
    pub fn device_group(&self, dom: DomId, device: Sbdf) -> Result<Vec<Sbdf>> {
        let group = self
            .backend
            .get_device_group(dom, device, MOST_IN_A_GROUP)
            .map_err(|e| Error::on(format!("read the device group of {device}"), dom, e))?;
        Ok(group.into_iter().map(|raw| in_segment(device.segment(), raw)).collect())
    }

    /// The GSI of PCI function `device`, from the control domain's kernel; Xen 4.20 and later.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if the kernel knows no GSI of it,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) before Xen 4.20 or if the kernel cannot be
    /// asked (Linux before 6.13).
    #[doc(alias = "xc_pcidev_get_gsi")]
    pub fn pci_gsi(&self, device: Sbdf) -> Result<Gsi> {
        self.backend
            .pcidev_get_gsi(device)
            .map(Gsi)
            .map_err(|e| Error::new(format!("read the GSI of {device}"), e))
    }
}

/// Bus and devfn stand one byte higher here than everywhere else, and the segment is not told
/// (`iommu_get_device_group`, `xen/drivers/passthrough/pci.c`).
fn in_segment(segment: u16, raw: u32) -> Sbdf {
    let [_, devfn, bus, _] = raw.to_le_bytes();
    Sbdf::from_devfn(segment, bus, devfn)
}

/// More than any segment's worth of sensible groups: the whole of a segment is 65536.
const MOST_IN_A_GROUP: u32 = 4096;
