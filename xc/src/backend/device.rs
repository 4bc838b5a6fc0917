//! Hardware that domains are given.

use xen_types::{DomId, Gfn, Mfn, Sbdf};

calls! {
    /// Hardware that domains are given.
    pub trait DeviceCalls;

    "xc_domain_ioport_permission" fn domain_ioport_permission(
        &self, dom: DomId, first: u32, count: u32, allow: bool
    ) -> ();
    "xc_domain_ioport_mapping" fn domain_ioport_mapping(
        &self, dom: DomId, guest_first: u32, first: u32, count: u32, add: bool
    ) -> ();
    "xc_domain_iomem_permission" fn domain_iomem_permission(
        &self, dom: DomId, first: Mfn, count: u64, allow: bool
    ) -> ();
    "xc_domain_memory_mapping" fn domain_memory_mapping(
        &self, dom: DomId, guest_first: Gfn, first: Mfn, count: u64, add: bool
    ) -> ();
    "xc_domain_irq_permission" fn domain_irq_permission(
        &self, dom: DomId, pirq: u32, allow: bool
    ) -> ();
    "xc_domain_gsi_permission" fn domain_gsi_permission(
        &self, dom: DomId, gsi: u32, flags: u32
    ) -> ();

    /// Takes the PIRQ to ask for, negative for any, and returns the one given.
    "xc_physdev_map_pirq" fn physdev_map_pirq(&self, dom: DomId, index: i32, pirq: i32) -> i32;
    /// The same.
    "xc_physdev_map_pirq_gsi" fn physdev_map_pirq_gsi(
        &self, dom: DomId, gsi: i32, pirq: i32
    ) -> i32;
    /// The same; the address of the MSI-X table is 0 for MSI.
    "xc_physdev_map_pirq_msi" fn physdev_map_pirq_msi(
        &self, dom: DomId, index: i32, pirq: i32, device: Sbdf, entry: i32, table: u64
    ) -> i32;
    "xc_physdev_unmap_pirq" fn physdev_unmap_pirq(&self, dom: DomId, pirq: i32) -> ();
    "xc_pcidev_get_gsi" fn pcidev_get_gsi(&self, device: Sbdf) -> u32;

    "xc_assign_device" fn assign_device(&self, dom: DomId, device: Sbdf, flags: u32) -> ();
    "xc_deassign_device" fn deassign_device(&self, dom: DomId, device: Sbdf) -> ();
    "xc_test_assign_device" fn test_assign_device(&self, dom: DomId, device: Sbdf) -> ();
    /// At most `most` numbers, in the call's own encoding.
    "xc_get_device_group" fn get_device_group(
        &self, dom: DomId, device: Sbdf, most: u32
    ) -> Vec<u32>;

    "xc_domain_bind_pt_irq" fn domain_bind_pt_irq(&self, dom: DomId, pirq: u8, to: PtIrq) -> ();
    "xc_domain_bind_pt_pci_irq" fn domain_bind_pt_pci_irq(
        &self, dom: DomId, pirq: u8, bus: u8, device: u8, intx: u8
    ) -> ();
    "xc_domain_bind_pt_isa_irq" fn domain_bind_pt_isa_irq(&self, dom: DomId, pirq: u8) -> ();
    "xc_domain_unbind_pt_irq" fn domain_unbind_pt_irq(&self, dom: DomId, pirq: u8, to: PtIrq) -> ();
    "xc_domain_update_msi_irq" fn domain_update_msi_irq(
        &self, dom: DomId, vector: u32, pirq: u32, flags: u32, table: u64
    ) -> ();
    "xc_domain_unbind_msi_irq" fn domain_unbind_msi_irq(
        &self, dom: DomId, vector: u32, pirq: u32, flags: u32
    ) -> ();
}

/// What an interrupt is to the guest: the arguments of `xc_domain_bind_pt_irq` after the PIRQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PtIrq {
    /// `PT_IRQ_TYPE_*`.
    pub kind: u8,
    /// The guest's PCI bus.
    pub bus: u8,
    /// The guest's PCI device.
    pub device: u8,
    /// 0 for INTA to 3 for INTD.
    pub intx: u8,
    /// The guest's ISA interrupt.
    pub isa_irq: u8,
}
