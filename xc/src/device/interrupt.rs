//! Interrupts of physical devices: their number in a domain and how its guest gets them.

use std::fmt;

use xen_types::{DomId, Sbdf};
use xenctrl_sys::{
    PT_IRQ_TYPE_ISA, PT_IRQ_TYPE_MSI_TRANSLATE, PT_IRQ_TYPE_PCI, XEN_DOMCTL_VMSI_X86_DELIV_MASK,
    XEN_DOMCTL_VMSI_X86_DEST_ID_MASK, XEN_DOMCTL_VMSI_X86_DM_MASK, XEN_DOMCTL_VMSI_X86_RH_MASK,
    XEN_DOMCTL_VMSI_X86_TRIG_MASK, XEN_DOMCTL_VMSI_X86_UNMASKED,
};

use super::narrow;
use crate::backend::PtIrq;
use crate::error::Cause;
use crate::{Error, Result, Xc};

/// The number of a physical interrupt in one domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pirq(pub u32);

/// A global system interrupt: the number of an interrupt line of the host (ACPI).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gsi(pub u32);

impl fmt::Debug for Pirq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PIRQ {}", self.0)
    }
}

impl fmt::Debug for Gsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GSI {}", self.0)
    }
}

/// A message-signalled interrupt of a PCI function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsiSource {
    /// The function.
    pub device: Sbdf,
    /// Which of its vectors, from 0 on; for MSI, of which it has one, 0.
    pub entry: u16,
    /// The machine address of the MSI-X table; `None` for MSI.
    pub table: Option<u64>,
}

/// As what a guest gets an interrupt line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestIrq {
    /// As INTA (0) to INTD (3) of a PCI device of the guest's.
    Pci {
        /// Its bus.
        bus: u8,
        /// Its device number, 0 to 31.
        device: u8,
        /// The pin.
        intx: u8,
    },
    /// As the ISA interrupt of the same number.
    Isa,
    /// The same as `Pci`, from a message-signalled interrupt.
    MsiTranslated {
        /// Its bus.
        bus: u8,
        /// Its device number, 0 to 31.
        device: u8,
        /// The pin.
        intx: u8,
    },
}

/// A message-signalled interrupt as a guest gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestMsi {
    /// The vector.
    pub vector: u8,
    /// How and to whom.
    pub delivery: MsiDelivery,
    /// The guest-physical address of the guest's MSI-X table, for Xen to emulate masking in it;
    /// `None` for MSI.
    pub table: Option<u64>,
}

/// How a message reaches the guest's local APICs: what the guest wrote into the address and data of
/// the message (Intel SDM, volume 3A, 12.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MsiDelivery {
    /// The local APIC, or the set of them.
    pub destination: u8,
    /// Whether Xen may choose one of the set.
    pub redirection_hint: bool,
    /// Whether `destination` is a logical one.
    pub logical: bool,
    /// The delivery mode, 0 to 7: 0 fixed, 1 lowest priority, 4 NMI, 7 external.
    pub mode: u8,
    /// Whether it is triggered by level.
    pub level: bool,
    /// Whether the guest has unmasked it.
    pub unmasked: bool,
}

impl MsiDelivery {
    fn flags(self) -> Result<u32, Cause> {
        let when = |set: bool, flag| if set { flag } else { 0 };
        let mode = u32::from(self.mode) << XEN_DOMCTL_VMSI_X86_DELIV_MASK.trailing_zeros();
        if mode & !XEN_DOMCTL_VMSI_X86_DELIV_MASK != 0 {
            return Err(Cause::Argument("a delivery mode is at most 7"));
        }
        Ok((u32::from(self.destination) & XEN_DOMCTL_VMSI_X86_DEST_ID_MASK)
            | mode
            | when(self.redirection_hint, XEN_DOMCTL_VMSI_X86_RH_MASK)
            | when(self.logical, XEN_DOMCTL_VMSI_X86_DM_MASK)
            | when(self.level, XEN_DOMCTL_VMSI_X86_TRIG_MASK)
            | when(self.unmasked, XEN_DOMCTL_VMSI_X86_UNMASKED))
    }
}

impl GuestIrq {
    /// The arguments of the call for an interrupt of that number.
    fn raw(self, pirq: u8) -> PtIrq {
        match self {
            Self::Pci { bus, device, intx } => {
                PtIrq { kind: PT_IRQ_TYPE_PCI, bus, device, intx, isa_irq: 0 }
            }
            Self::Isa => PtIrq { kind: PT_IRQ_TYPE_ISA, isa_irq: pirq, ..PtIrq::default() },
            Self::MsiTranslated { bus, device, intx } => {
                PtIrq { kind: PT_IRQ_TYPE_MSI_TRANSLATE, bus, device, intx, isa_irq: 0 }
            }
        }
    }
}

impl Xc {
    /// Makes interrupt `irq` of the caller's domain an interrupt of `dom`, as `pirq` or, if that is
    /// `None`, under the same number. Returns the number.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for no such interrupt or number,
    /// [`Kind::Exists`](crate::Kind::Exists) if it has another number there already,
    /// [`Kind::Denied`](crate::Kind::Denied) if `dom` or the caller's domain may not use it.
    #[doc(alias = "xc_physdev_map_pirq")]
    pub fn map_pirq(&self, dom: DomId, irq: u32, pirq: Option<Pirq>) -> Result<Pirq> {
        narrow(irq)
            .and_then(|irq| self.backend.physdev_map_pirq(dom, irq, asked(pirq)?))
            .map(given)
            .map_err(|e| Error::on(format!("map interrupt {irq}"), dom, e))
    }

    /// Makes the interrupt at `gsi` one of `dom`, as `pirq` or, if that is `None`, under a free
    /// number. Returns the number. Xen 4.20 and later.
    ///
    /// # Errors
    /// As [`Xc::map_pirq`], and [`Kind::Unavailable`](crate::Kind::Unavailable) before 4.20.
    #[doc(alias = "xc_physdev_map_pirq_gsi")]
    pub fn map_gsi(&self, dom: DomId, gsi: Gsi, pirq: Option<Pirq>) -> Result<Pirq> {
        narrow(gsi.0)
            .and_then(|gsi| self.backend.physdev_map_pirq_gsi(dom, gsi, asked(pirq)?))
            .map(given)
            .map_err(|e| Error::on(format!("map {gsi:?}"), dom, e))
    }

    /// Makes a message-signalled interrupt one of `dom`, as `pirq` or, if that is `None`, under a free
    /// number. Returns the number.
    ///
    /// # Errors
    /// As [`Xc::map_pirq`], [`Kind::Unavailable`](crate::Kind::Unavailable) if there is no such
    /// function or it has no such interrupts, and before 4.21 for a segment other than 0: the
    /// library drops it, but for the later ones of 4.19 and 4.20.
    #[doc(alias = "xc_physdev_map_pirq_msi")]
    pub fn map_msi(&self, dom: DomId, source: MsiSource, pirq: Option<Pirq>) -> Result<Pirq> {
        let MsiSource { device, entry, table } = source;
        let (any_irq, entry, table) = (-1, entry.into(), table.unwrap_or(0));
        asked(pirq)
            .and_then(|pirq| {
                self.backend.physdev_map_pirq_msi(dom, any_irq, pirq, device, entry, table)
            })
            .map(given)
            .map_err(|e| Error::on(format!("map message {entry} of {device}"), dom, e))
    }

    /// Undoes [`Xc::map_pirq`], [`Xc::map_gsi`] or [`Xc::map_msi`].
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if nothing is mapped under that number.
    #[doc(alias = "xc_physdev_unmap_pirq")]
    pub fn unmap_pirq(&self, dom: DomId, pirq: Pirq) -> Result<()> {
        narrow(pirq.0)
            .and_then(|raw| self.backend.physdev_unmap_pirq(dom, raw))
            .map_err(|e| Error::on(format!("unmap {pirq:?}"), dom, e))
    }

    /// Delivers the interrupt that is `pirq` in HVM `dom` to its guest as `to`. The call carries
    /// numbers up to 255.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone or uses no IOMMU,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a number above 255, for a domain that is not HVM,
    /// and for one that has no such interrupt of the guest,
    /// [`Kind::Denied`](crate::Kind::Denied) if the caller's domain may not use the interrupt.
    #[doc(alias(
        "xc_domain_bind_pt_irq",
        "xc_domain_bind_pt_pci_irq",
        "xc_domain_bind_pt_isa_irq"
    ))]
    pub fn bind_irq(&self, dom: DomId, pirq: Pirq, to: GuestIrq) -> Result<()> {
        narrow(pirq.0)
            .and_then(|raw| match to {
                GuestIrq::Pci { bus, device, intx } => {
                    self.backend.domain_bind_pt_pci_irq(dom, raw, bus, device, intx)
                }
                GuestIrq::Isa => self.backend.domain_bind_pt_isa_irq(dom, raw),
                GuestIrq::MsiTranslated { .. } => {
                    self.backend.domain_bind_pt_irq(dom, raw, to.raw(raw))
                }
            })
            .map_err(|e| Error::on(format!("bind {pirq:?} to {to:?}"), dom, e))
    }

    /// Undoes [`Xc::bind_irq`] with the same arguments. Does nothing for a domain without an IOMMU.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a number above 255 and if it is not bound so,
    /// [`Kind::Denied`](crate::Kind::Denied) for a number without an interrupt, or with one that the
    /// caller's domain may not use.
    #[doc(alias = "xc_domain_unbind_pt_irq")]
    pub fn unbind_irq(&self, dom: DomId, pirq: Pirq, from: GuestIrq) -> Result<()> {
        narrow(pirq.0)
            .and_then(|raw| self.backend.domain_unbind_pt_irq(dom, raw, from.raw(raw)))
            .map_err(|e| Error::on(format!("unbind {pirq:?} from {from:?}"), dom, e))
    }

    /// Delivers the interrupt that is `pirq` in HVM `dom` to its guest as a message, in place of an
    /// earlier one.
    ///
    /// # Errors
    /// As [`Xc::bind_irq`], and [`Kind::Invalid`](crate::Kind::Invalid) for a delivery mode above 7.
    #[doc(alias = "xc_domain_update_msi_irq")]
    pub fn bind_msi(&self, dom: DomId, pirq: Pirq, to: GuestMsi) -> Result<()> {
        let GuestMsi { vector, delivery, table } = to;
        let (raw, table) = (vector.into(), table.unwrap_or(0));
        let bind =
            |flags| Ok(self.backend.domain_update_msi_irq(dom, raw, pirq.0, flags, table)?);
        delivery
            .flags()
            .and_then(bind)
            .map_err(|e| Error::on(format!("bind {pirq:?} to vector {vector:#x}"), dom, e))
    }

    /// Undoes [`Xc::bind_msi`]. Does nothing for a domain without an IOMMU.
    ///
    /// # Errors
    /// As [`Xc::unbind_irq`], and [`Kind::Invalid`](crate::Kind::Invalid) for a delivery mode above 7.
    #[doc(alias = "xc_domain_unbind_msi_irq")]
    pub fn unbind_msi(&self, dom: DomId, pirq: Pirq, from: GuestMsi) -> Result<()> {
        let GuestMsi { vector, delivery, .. } = from;
        let raw = vector.into();
        let unbind = |flags| Ok(self.backend.domain_unbind_msi_irq(dom, raw, pirq.0, flags)?);
        delivery
            .flags()
            .and_then(unbind)
            .map_err(|e| Error::on(format!("unbind {pirq:?} from vector {vector:#x}"), dom, e))
    }
}

/// A negative number asks for any.
fn asked(pirq: Option<Pirq>) -> Result<i32, crate::backend::CallError> {
    pirq.map_or(Ok(-1), |pirq| narrow(pirq.0))
}

/// Xen gives none below 0 (`allocate_pirq`, `xen/arch/x86/irq.c`).
fn given(pirq: i32) -> Pirq {
    Pirq(pirq.cast_unsigned())
}
