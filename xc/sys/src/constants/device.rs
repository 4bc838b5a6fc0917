//! How devices are assigned and interrupts delivered.

crate::constants! {
    /// A device is assigned although its reserved memory conflicts with the guest's.
    XEN_DOMCTL_DEV_RDM_RELAXED: u32 = 1;
    /// An interrupt is delivered by a pin of a PCI device.
    PT_IRQ_TYPE_PCI: u8 = 0;
    /// An interrupt is delivered as an ISA interrupt.
    PT_IRQ_TYPE_ISA: u8 = 1;
    /// A message-signalled interrupt is delivered by a pin of a PCI device.
    PT_IRQ_TYPE_MSI_TRANSLATE: u8 = 3;
    /// The local APIC that a message goes to.
    XEN_DOMCTL_VMSI_X86_DEST_ID_MASK: u32 = 0xff;
    /// The message may be redirected to another.
    XEN_DOMCTL_VMSI_X86_RH_MASK: u32 = 1 << 8;
    /// The destination is logical.
    XEN_DOMCTL_VMSI_X86_DM_MASK: u32 = 1 << 9;
    /// How it is delivered, three bits.
    XEN_DOMCTL_VMSI_X86_DELIV_MASK: u32 = 7 << 12;
    /// The interrupt is triggered by level.
    XEN_DOMCTL_VMSI_X86_TRIG_MASK: u32 = 1 << 15;
    /// The guest has not masked it.
    XEN_DOMCTL_VMSI_X86_UNMASKED: u32 = 1 << 16;
}
