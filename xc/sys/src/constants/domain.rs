//! What a domain is created with, and its state.

crate::constants! {
    /// Asks for a free domain id. The name is from 4.22, where no other value does; older releases
    /// take any value from `DOMID_FIRST_RESERVED` on (`xen/common/domctl.c`).
    DOMID_ANY [22, 22]: u32 = 0x7FF5;
    /// The domain has hardware-assisted virtualisation (HVM and PVH).
    XEN_DOMCTL_CDF_HVM ("XEN_DOMCTL_CDF_hvm"): u32 = 1 << 0;
    /// The domain uses hardware-assisted paging.
    XEN_DOMCTL_CDF_HAP ("XEN_DOMCTL_CDF_hap"): u32 = 1 << 1;
    /// Suspend to RAM checks the memory's integrity (tboot).
    XEN_DOMCTL_CDF_S3_INTEGRITY ("XEN_DOMCTL_CDF_s3_integrity"): u32 = 1 << 2;
    /// No out-of-sync shadow pages.
    XEN_DOMCTL_CDF_OOS_OFF ("XEN_DOMCTL_CDF_oos_off"): u32 = 1 << 3;
    /// The domain serves the xenstore.
    XEN_DOMCTL_CDF_XS_DOMAIN ("XEN_DOMCTL_CDF_xs_domain"): u32 = 1 << 4;
    /// Devices may be assigned to the domain.
    XEN_DOMCTL_CDF_IOMMU ("XEN_DOMCTL_CDF_iommu"): u32 = 1 << 5;
    /// The domain may run guests of its own.
    XEN_DOMCTL_CDF_NESTED_VIRT ("XEN_DOMCTL_CDF_nested_virt"): u32 = 1 << 6;
    /// The domain has virtual performance counters; from 4.16.
    XEN_DOMCTL_CDF_VPMU ("XEN_DOMCTL_CDF_vpmu") [16, 22]: u32 = 1 << 7;
    /// The IOMMU does not share the domain's page tables.
    XEN_DOMCTL_IOMMU_NO_SHAREPT ("XEN_DOMCTL_IOMMU_no_sharept"): u32 = 1 << 0;
    /// Alternate views of memory, from inside and from outside.
    XEN_DOMCTL_ALTP2M_MIXED ("XEN_DOMCTL_ALTP2M_mixed") [19, 22]: u16 = 1;
    /// Alternate views of memory, from outside only.
    XEN_DOMCTL_ALTP2M_EXTERNAL ("XEN_DOMCTL_ALTP2M_external") [19, 22]: u16 = 2;
    /// Alternate views of memory, from outside, but for switching and notices.
    XEN_DOMCTL_ALTP2M_LIMITED ("XEN_DOMCTL_ALTP2M_limited") [19, 22]: u16 = 3;
    /// The local APIC is emulated by Xen: all that PVH needs.
    XEN_X86_EMU_LAPIC: u32 = 1 << 0;
    /// Event channels can be routed through emulated PIRQs.
    XEN_X86_EMU_USE_PIRQ: u32 = 1 << 9;
    /// PCI configuration space is emulated by Xen.
    XEN_X86_EMU_VPCI: u32 = 1 << 10;
    /// Everything that Xen can emulate.
    XEN_X86_EMU_ALL: u32 = 0x7FF;
    /// Accesses to unknown model-specific registers are tolerated.
    XEN_X86_MSR_RELAXED: u32 = 1 << 0;
    /// A non-maskable interrupt.
    XEN_DOMCTL_SENDTRIGGER_NMI: u32 = 0;
    /// The reset line.
    XEN_DOMCTL_SENDTRIGGER_RESET: u32 = 1;
    /// The INIT line.
    XEN_DOMCTL_SENDTRIGGER_INIT: u32 = 2;
    /// The power button.
    XEN_DOMCTL_SENDTRIGGER_POWER: u32 = 3;
    /// The sleep button.
    XEN_DOMCTL_SENDTRIGGER_SLEEP: u32 = 4;
    /// Ends single steps.
    XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF: u32 = 0;
    /// Starts single steps.
    XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON: u32 = 1;
    /// The domain is being taken down.
    XEN_DOMINF_DYING ("XEN_DOMINF_dying"): u32 = 1 << 0;
    /// The domain is HVM or PVH.
    XEN_DOMINF_HVM_GUEST ("XEN_DOMINF_hvm_guest"): u32 = 1 << 1;
    /// The domain has shut down; the reason is in [`XEN_DOMINF_SHUTDOWN_MASK`].
    XEN_DOMINF_SHUTDOWN ("XEN_DOMINF_shutdown"): u32 = 1 << 2;
    /// The domain is paused by the control domain.
    XEN_DOMINF_PAUSED ("XEN_DOMINF_paused"): u32 = 1 << 3;
    /// Every virtual CPU waits for an event.
    XEN_DOMINF_BLOCKED ("XEN_DOMINF_blocked"): u32 = 1 << 4;
    /// A virtual CPU is on a physical one.
    XEN_DOMINF_RUNNING ("XEN_DOMINF_running"): u32 = 1 << 5;
    /// A debugger is attached to the domain.
    XEN_DOMINF_DEBUGGED ("XEN_DOMINF_debugged"): u32 = 1 << 6;
    /// The domain serves the xenstore.
    XEN_DOMINF_XS_DOMAIN ("XEN_DOMINF_xs_domain"): u32 = 1 << 7;
    /// The domain uses hardware-assisted paging.
    XEN_DOMINF_HAP ("XEN_DOMINF_hap"): u32 = 1 << 8;
    /// The width of the shutdown reason.
    XEN_DOMINF_SHUTDOWN_MASK ("XEN_DOMINF_shutdownmask"): u32 = 255;
    /// Where the shutdown reason stands.
    XEN_DOMINF_SHUTDOWN_SHIFT ("XEN_DOMINF_shutdownshift"): u32 = 16;
}
