//! I/O ports, I/O memory and interrupts: who may use them and where a guest sees them.

use std::ops::RangeInclusive;

use xen_types::{DomId, Gfn, Mfn, PageCount};

use super::{Gsi, Permission, Pirq, ports};
use crate::{Error, Result, Xc};

impl Xc {
    /// Allows or forbids `dom` to use I/O ports, first and last included.
    ///
    /// A PV domain can then use them; an HVM domain needs [`Xc::map_io_ports`] as well.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for an empty range,
    /// [`Kind::Denied`](crate::Kind::Denied) for ports that the caller's domain may not use.
    #[doc(alias = "xc_domain_ioport_permission")]
    pub fn set_io_port_access(
        &self,
        dom: DomId,
        range: RangeInclusive<u16>,
        permission: Permission,
    ) -> Result<()> {
        let (first, count) = ports(&range);
        self.backend.domain_ioport_permission(dom, first, count, permission.is_allowed()).map_err(
            |e| {
                Error::on(format!("{} I/O ports {}", permission.verb(), port_range(&range)), dom, e)
            },
        )
    }

    /// Lets HVM `dom` see I/O ports of the host, first and last included, from port `guest_first` on.
    ///
    /// Give the right first: see [the order](crate#devices). Up to 4.22 an existing mapping of
    /// `range`'s first port is replaced; later, one that overlaps is refused.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if it is PV,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for an empty range or one that ends above 0xffff in
    /// the guest, [`Kind::Denied`](crate::Kind::Denied) for ports that the caller's domain, or after
    /// 4.22 `dom`, may not use, [`Kind::NoMemory`](crate::Kind::NoMemory).
    #[doc(alias = "xc_domain_ioport_mapping")]
    pub fn map_io_ports(
        &self,
        dom: DomId,
        guest_first: u16,
        range: RangeInclusive<u16>,
    ) -> Result<()> {
        let (first, count) = ports(&range);
        self.backend.domain_ioport_mapping(dom, guest_first.into(), first, count, true).map_err(
            |e| {
                let range = port_range(&range);
                Error::on(format!("map I/O ports {range} to {guest_first:#x}"), dom, e)
            },
        )
    }

    /// Undoes [`Xc::map_io_ports`] with the same arguments.
    ///
    /// Up to 4.22 this takes the right to use the ports as well, later it does not.
    ///
    /// # Errors
    /// As [`Xc::map_io_ports`]; where nothing is mapped, none up to 4.22 and
    /// [`Kind::NotFound`](crate::Kind::NotFound) later.
    #[doc(alias = "xc_domain_ioport_mapping")]
    pub fn unmap_io_ports(
        &self,
        dom: DomId,
        guest_first: u16,
        range: RangeInclusive<u16>,
    ) -> Result<()> {
        let (first, count) = ports(&range);
        self.backend.domain_ioport_mapping(dom, guest_first.into(), first, count, false).map_err(
            |e| {
                let range = port_range(&range);
                Error::on(format!("unmap I/O ports {range} from {guest_first:#x}"), dom, e)
            },
        )
    }

    /// Allows or forbids `dom` to use `count` frames of I/O memory from `first` on.
    ///
    /// A PV domain can then map them; an HVM or PVH domain needs [`Xc::map_io_memory`] as well.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a range that wraps or, unless `first` is 0, is
    /// empty, [`Kind::Denied`](crate::Kind::Denied) for frames that the caller's domain may not use.
    #[doc(alias = "xc_domain_iomem_permission")]
    pub fn set_io_memory_access(
        &self,
        dom: DomId,
        first: Mfn,
        count: PageCount,
        permission: Permission,
    ) -> Result<()> {
        self.backend
            .domain_iomem_permission(dom, first, count.get(), permission.is_allowed())
            .map_err(|e| {
                let verb = permission.verb();
                Error::on(format!("{verb} {count} of I/O memory from {first:?} on"), dom, e)
            })
    }

    /// Lets HVM or PVH `dom` see `count` frames of the host's I/O memory, from `first` on, at
    /// `guest_first`.
    ///
    /// Give the right first: see [the order](crate#devices). For a PV domain, and for no frames, it
    /// does nothing and succeeds. libxc maps in as many steps as Xen asks for and, when one fails,
    /// unmaps the whole range, also what was mapped there before.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone, until 4.17
    /// [`Kind::Invalid`](crate::Kind::Invalid) if a later one exists;
    /// [`Kind::Denied`](crate::Kind::Denied) for frames that `dom` or the caller's domain may not
    /// use, [`Kind::Invalid`](crate::Kind::Invalid) for a range that wraps or that the processor
    /// cannot address, [`Kind::NoMemory`](crate::Kind::NoMemory) if the paging pool is too small.
    #[doc(alias = "xc_domain_memory_mapping")]
    pub fn map_io_memory(
        &self,
        dom: DomId,
        guest_first: Gfn,
        first: Mfn,
        count: PageCount,
    ) -> Result<()> {
        self.backend.domain_memory_mapping(dom, guest_first, first, count.get(), true).map_err(
            |e| Error::on(format!("map {count} from {first:?} to {guest_first:?}"), dom, e),
        )
    }

    /// Undoes [`Xc::map_io_memory`] with the same arguments.
    ///
    /// libxc goes through the whole range and reports the first failure.
    ///
    /// # Errors
    /// As [`Xc::map_io_memory`], and [`Kind::Invalid`](crate::Kind::Invalid) where no I/O memory is
    /// mapped.
    #[doc(alias = "xc_domain_memory_mapping")]
    pub fn unmap_io_memory(
        &self,
        dom: DomId,
        guest_first: Gfn,
        first: Mfn,
        count: PageCount,
    ) -> Result<()> {
        self.backend.domain_memory_mapping(dom, guest_first, first, count.get(), false).map_err(
            |e| Error::on(format!("unmap {count} at {first:?} from {guest_first:?}"), dom, e),
        )
    }

    /// Allows or forbids `dom` to use the interrupt that is `pirq` in the caller's domain.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a PIRQ that the caller's domain cannot have,
    /// [`Kind::Denied`](crate::Kind::Denied) for one that is mapped to no interrupt there or that it
    /// may not use, [`Kind::Unavailable`](crate::Kind::Unavailable) for a PIRQ above 255 in 4.15.
    #[doc(alias = "xc_domain_irq_permission")]
    pub fn set_irq_access(&self, dom: DomId, pirq: Pirq, permission: Permission) -> Result<()> {
        self.backend
            .domain_irq_permission(dom, pirq.0, permission.is_allowed())
            .map_err(|e| Error::on(format!("{} {pirq:?}", permission.verb()), dom, e))
    }

    /// Allows or forbids `dom` to use the interrupt at `gsi`; Xen 4.20 and later.
    ///
    /// For a caller without PIRQs, such as a PVH control domain.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for no such GSI,
    /// [`Kind::Denied`](crate::Kind::Denied) for one that the caller's domain may not use,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) before 4.20.
    #[doc(alias = "xc_domain_gsi_permission")]
    pub fn set_gsi_access(&self, dom: DomId, gsi: Gsi, permission: Permission) -> Result<()> {
        // XEN_DOMCTL_GSI_GRANT and XEN_DOMCTL_GSI_REVOKE, xen/include/public/domctl.h
        let flags = u32::from(permission.is_allowed());
        self.backend
            .domain_gsi_permission(dom, gsi.0, flags)
            .map_err(|e| Error::on(format!("{} {gsi:?}", permission.verb()), dom, e))
    }
}

fn port_range(range: &RangeInclusive<u16>) -> String {
    format!("{:#x} to {:#x}", range.start(), range.end())
}
