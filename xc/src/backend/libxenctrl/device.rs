//! Hardware that domains are given.

use xen_types::{DomId, Gfn, Mfn, Sbdf};

use super::{LibXenCtrl, call, check};
use crate::Release;
use crate::backend::{CallError, DeviceCalls, Hypervisor as _, PtIrq};

impl DeviceCalls for LibXenCtrl {
    fn domain_ioport_permission(
        &self,
        dom: DomId,
        first: u32,
        count: u32,
        allow: bool,
    ) -> Result<(), CallError> {
        call!(self, device.domain_ioport_permission(dom, first, count, u32::from(allow))).map(drop)
    }

    fn domain_ioport_mapping(
        &self,
        dom: DomId,
        guest_first: u32,
        first: u32,
        count: u32,
        add: bool,
    ) -> Result<(), CallError> {
        let add = u32::from(add);
        call!(self, device.domain_ioport_mapping(dom, guest_first, first, count, add)).map(drop)
    }

    fn domain_iomem_permission(
        &self,
        dom: DomId,
        first: Mfn,
        count: u64,
        allow: bool,
    ) -> Result<(), CallError> {
        let allow = u8::from(allow);
        call!(self, device.domain_iomem_permission(dom, first.0, count, allow)).map(drop)
    }

    fn domain_memory_mapping(
        &self,
        dom: DomId,
        guest_first: Gfn,
        first: Mfn,
        count: u64,
        add: bool,
    ) -> Result<(), CallError> {
        let (guest_first, first, add) = (guest_first.0, first.0, u32::from(add));
        call!(self, device.domain_memory_mapping(dom, guest_first, first, count, add)).map(drop)
    }

    fn domain_irq_permission(&self, dom: DomId, pirq: u32, allow: bool) -> Result<(), CallError> {
        if self.functions().device.domain_irq_permission_4_15.is_none() {
            return call!(self, device.domain_irq_permission(dom, pirq, allow)).map(drop);
        }
        let too_old = |_| self.unsupported("PIRQ above 255 in xc_domain_irq_permission");
        let (pirq, allow) = (u8::try_from(pirq).map_err(too_old)?, u8::from(allow));
        call!(self, device.domain_irq_permission_4_15(dom, pirq, allow)).map(drop)
    }

    fn domain_gsi_permission(&self, dom: DomId, gsi: u32, flags: u32) -> Result<(), CallError> {
        call!(self, device.domain_gsi_permission(dom, gsi, flags)).map(drop)
    }

    fn physdev_map_pirq(&self, dom: DomId, index: i32, pirq: i32) -> Result<i32, CallError> {
        let mut pirq = pirq;
        call!(self, device.physdev_map_pirq(dom, index, &mut pirq))?;
        Ok(pirq)
    }

    fn physdev_map_pirq_gsi(&self, dom: DomId, gsi: i32, pirq: i32) -> Result<i32, CallError> {
        let mut pirq = pirq;
        call!(self, device.physdev_map_pirq_gsi(dom, gsi, &mut pirq))?;
        Ok(pirq)
    }

    fn physdev_map_pirq_msi(
        &self,
        dom: DomId,
        index: i32,
        pirq: i32,
        device: Sbdf,
        entry: i32,
        table: u64,
    ) -> Result<i32, CallError> {
        // Before, the segment was dropped and the same place in segment 0 meant. The repair came with
        // 4.19.4, 4.20.2 and 4.21.0 (xc_physdev.c), which no symbol tells.
        if device.segment() != 0 && self.release() < Release::new(4, 21) {
            return Err(self.unsupported("PCI segment in xc_physdev_map_pirq_msi"));
        }
        let segbus = (u32::from(device.segment()) << 16) | u32::from(device.bus());
        let (segbus, devfn) = (segbus.cast_signed(), i32::from(device.devfn()));
        let mut pirq = pirq;
        call!(
            self,
            device.physdev_map_pirq_msi(dom, index, &mut pirq, devfn, segbus, entry, table)
        )?;
        Ok(pirq)
    }

    fn physdev_unmap_pirq(&self, dom: DomId, pirq: i32) -> Result<(), CallError> {
        call!(self, device.physdev_unmap_pirq(dom, pirq)).map(drop)
    }

    fn pcidev_get_gsi(&self, device: Sbdf) -> Result<u32, CallError> {
        call!(self, device.pcidev_get_gsi(device.raw()))
    }

    fn assign_device(&self, dom: DomId, device: Sbdf, flags: u32) -> Result<(), CallError> {
        call!(self, device.assign_device(dom, device.raw(), flags)).map(drop)
    }

    fn deassign_device(&self, dom: DomId, device: Sbdf) -> Result<(), CallError> {
        call!(self, device.deassign_device(dom, device.raw())).map(drop)
    }

    fn test_assign_device(&self, dom: DomId, device: Sbdf) -> Result<(), CallError> {
        call!(self, device.test_assign_device(dom, device.raw())).map(drop)
    }

    fn get_device_group(&self, dom: DomId, device: Sbdf, most: u32) -> Result<Vec<u32>, CallError> {
        let function = self.functions().device.get_device_group;
        let (function, handle) = self.callable("xc_get_device_group", function)?;
        let (mut found, mut list) = (0, vec![0_u32; most as usize]);
        let array = list.as_mut_ptr().cast();
        // SAFETY: `most` numbers must be writable, and one more: the list was made of as many, and
        // `found` is one. libxc writes no more than it was told there is room for (xc_domain.c).
        check(unsafe { function(handle, dom.into(), device.raw(), most, &raw mut found, array) })?;
        // Until 4.16 libxc passed the list in and not out: the number is right, the list is as it was.
        if found != 0 && self.release() < Release::new(4, 17) {
            return Err(self.unsupported("list of devices in xc_get_device_group"));
        }
        list.truncate(found as usize);
        Ok(list)
    }

    fn domain_bind_pt_irq(&self, dom: DomId, pirq: u8, to: PtIrq) -> Result<(), CallError> {
        let PtIrq { kind, bus, device, intx, isa_irq } = to;
        call!(self, device.domain_bind_pt_irq(dom, pirq, kind, bus, device, intx, isa_irq))
            .map(drop)
    }

    fn domain_bind_pt_pci_irq(
        &self,
        dom: DomId,
        pirq: u8,
        bus: u8,
        device: u8,
        intx: u8,
    ) -> Result<(), CallError> {
        call!(self, device.domain_bind_pt_pci_irq(dom, pirq, bus, device, intx)).map(drop)
    }

    fn domain_bind_pt_isa_irq(&self, dom: DomId, pirq: u8) -> Result<(), CallError> {
        call!(self, device.domain_bind_pt_isa_irq(dom, pirq)).map(drop)
    }

    fn domain_unbind_pt_irq(&self, dom: DomId, pirq: u8, to: PtIrq) -> Result<(), CallError> {
        let PtIrq { kind, bus, device, intx, isa_irq } = to;
        call!(self, device.domain_unbind_pt_irq(dom, pirq, kind, bus, device, intx, isa_irq))
            .map(drop)
    }

    fn domain_update_msi_irq(
        &self,
        dom: DomId,
        vector: u32,
        pirq: u32,
        flags: u32,
        table: u64,
    ) -> Result<(), CallError> {
        call!(self, device.domain_update_msi_irq(dom, vector, pirq, flags, table)).map(drop)
    }

    fn domain_unbind_msi_irq(
        &self,
        dom: DomId,
        vector: u32,
        pirq: u32,
        flags: u32,
    ) -> Result<(), CallError> {
        call!(self, device.domain_unbind_msi_irq(dom, vector, pirq, flags)).map(drop)
    }
}
