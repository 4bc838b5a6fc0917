//! Hardware that domains are given.

use std::ffi::{c_int, c_ulong};

use crate::xc_interface;

crate::functions! {
    /// Hardware that domains are given.
    pub struct DeviceFunctions;

    /// Allows or forbids a domain to use I/O ports: first, number, allow.
    domain_ioport_permission = "xc_domain_ioport_permission":
        (*mut xc_interface, u32, u32, u32, u32) -> c_int;
    /// Maps I/O ports into an HVM domain or out of it: guest's first, first, number, add.
    domain_ioport_mapping = "xc_domain_ioport_mapping":
        (*mut xc_interface, u32, u32, u32, u32, u32) -> c_int;
    /// Allows or forbids a domain to use I/O memory: first frame, number, allow.
    domain_iomem_permission = "xc_domain_iomem_permission":
        (*mut xc_interface, u32, c_ulong, c_ulong, u8) -> c_int;
    /// Maps I/O memory into a translated domain or out of it: guest's first frame, first frame,
    /// number, add.
    domain_memory_mapping = "xc_domain_memory_mapping":
        (*mut xc_interface, u32, c_ulong, c_ulong, c_ulong, u32) -> c_int;
    /// Allows or forbids a domain to use an interrupt, by the caller's PIRQ; 4.16 and later.
    domain_irq_permission = "xc_domain_irq_permission" [16, 22]:
        (*mut xc_interface, u32, u32, bool) -> c_int;
    /// The same symbol as 4.15 declares it.
    domain_irq_permission_4_15 = "xc_domain_irq_permission" [15, 15]:
        (*mut xc_interface, u32, u8, u8) -> c_int;
    /// Allows or forbids a domain to use an interrupt, by its GSI; from 4.20.
    domain_gsi_permission = "xc_domain_gsi_permission":
        (*mut xc_interface, u32, u32, u32) -> c_int;

    /// Maps an interrupt to a PIRQ of a domain: number, PIRQ (read and written).
    physdev_map_pirq = "xc_physdev_map_pirq":
        (*mut xc_interface, u32, c_int, *mut c_int) -> c_int;
    /// Maps a GSI to a PIRQ of a domain: GSI, PIRQ (read and written); from 4.20.
    physdev_map_pirq_gsi = "xc_physdev_map_pirq_gsi":
        (*mut xc_interface, u32, c_int, *mut c_int) -> c_int;
    /// Maps a message-signalled interrupt to a PIRQ of a domain: number, PIRQ (read and written),
    /// devfn, bus with or without segment, entry, address of the MSI-X table.
    physdev_map_pirq_msi = "xc_physdev_map_pirq_msi":
        (*mut xc_interface, u32, c_int, *mut c_int, c_int, c_int, c_int, u64) -> c_int;
    /// Undoes any of these.
    physdev_unmap_pirq = "xc_physdev_unmap_pirq": (*mut xc_interface, u32, c_int) -> c_int;
    /// The GSI of a PCI function, from dom0's kernel; from 4.20.
    pcidev_get_gsi = "xc_pcidev_get_gsi": (*mut xc_interface, u32) -> c_int;

    /// Gives a PCI function to a domain: function, flags.
    assign_device = "xc_assign_device": (*mut xc_interface, u32, u32, u32) -> c_int;
    /// Takes a PCI function back.
    deassign_device = "xc_deassign_device": (*mut xc_interface, u32, u32) -> c_int;
    /// Whether a PCI function could be given to a domain.
    test_assign_device = "xc_test_assign_device": (*mut xc_interface, u32, u32) -> c_int;
    /// The functions that cannot be told apart from one: function, room, number (written), functions
    /// (written).
    get_device_group = "xc_get_device_group":
        (*mut xc_interface, u32, u32, u32, *mut u32, *mut [u32; 0]) -> c_int;

    /// Delivers an interrupt to a domain: PIRQ, type, guest's bus, device and pin, guest's ISA
    /// interrupt.
    domain_bind_pt_irq = "xc_domain_bind_pt_irq":
        (*mut xc_interface, u32, u8, u8, u8, u8, u8, u8) -> c_int;
    /// Delivers it by a pin of a PCI device: PIRQ, guest's bus, device and pin.
    domain_bind_pt_pci_irq = "xc_domain_bind_pt_pci_irq":
        (*mut xc_interface, u32, u8, u8, u8, u8) -> c_int;
    /// Delivers it as the ISA interrupt of the same number.
    domain_bind_pt_isa_irq = "xc_domain_bind_pt_isa_irq": (*mut xc_interface, u32, u8) -> c_int;
    /// Undoes any of these.
    domain_unbind_pt_irq = "xc_domain_unbind_pt_irq":
        (*mut xc_interface, u32, u8, u8, u8, u8, u8, u8) -> c_int;
    /// Delivers an interrupt to a domain as a message: vector, PIRQ, flags, MSI-X table.
    domain_update_msi_irq = "xc_domain_update_msi_irq":
        (*mut xc_interface, u32, u32, u32, u32, u64) -> c_int;
    /// Undoes that: vector, PIRQ, flags.
    domain_unbind_msi_irq = "xc_domain_unbind_msi_irq":
        (*mut xc_interface, u32, u32, u32, u32) -> c_int;
}
