//! Numbers of Xen's public headers that calls declared here take or return.
//!
//! Values are the same in every release from 4.15 to 4.22 unless noted.

/// Asks for a free domain id. The name is from 4.22, where no other value does; older releases
/// take any value from `DOMID_FIRST_RESERVED` on (`xen/common/domctl.c`).
pub const DOMID_ANY: u32 = 0x7FF5;

/// The domain has hardware-assisted virtualisation (HVM and PVH).
pub const XEN_DOMCTL_CDF_HVM: u32 = 1 << 0;
/// The domain uses hardware-assisted paging.
pub const XEN_DOMCTL_CDF_HAP: u32 = 1 << 1;
/// Suspend to RAM checks the memory's integrity (tboot).
pub const XEN_DOMCTL_CDF_S3_INTEGRITY: u32 = 1 << 2;
/// No out-of-sync shadow pages.
pub const XEN_DOMCTL_CDF_OOS_OFF: u32 = 1 << 3;
/// The domain serves the xenstore.
pub const XEN_DOMCTL_CDF_XS_DOMAIN: u32 = 1 << 4;
/// Devices may be assigned to the domain.
pub const XEN_DOMCTL_CDF_IOMMU: u32 = 1 << 5;
/// The domain may run guests of its own.
pub const XEN_DOMCTL_CDF_NESTED_VIRT: u32 = 1 << 6;
/// The domain has virtual performance counters; from 4.16.
pub const XEN_DOMCTL_CDF_VPMU: u32 = 1 << 7;

/// The IOMMU does not share the domain's page tables.
pub const XEN_DOMCTL_IOMMU_NO_SHAREPT: u32 = 1 << 0;

/// The local APIC is emulated by Xen: all that PVH needs.
pub const XEN_X86_EMU_LAPIC: u32 = 1 << 0;
/// Event channels can be routed through emulated PIRQs.
pub const XEN_X86_EMU_USE_PIRQ: u32 = 1 << 9;
/// PCI configuration space is emulated by Xen.
pub const XEN_X86_EMU_VPCI: u32 = 1 << 10;
/// Everything that Xen can emulate.
pub const XEN_X86_EMU_ALL: u32 = 0x7FF;

/// Accesses to unknown model-specific registers are tolerated.
pub const XEN_X86_MSR_RELAXED: u32 = 1 << 0;

/// The domain is being taken down.
pub const XEN_DOMINF_DYING: u32 = 1 << 0;
/// The domain is HVM or PVH.
pub const XEN_DOMINF_HVM_GUEST: u32 = 1 << 1;
/// The domain has shut down; the reason is in [`XEN_DOMINF_SHUTDOWN_MASK`].
pub const XEN_DOMINF_SHUTDOWN: u32 = 1 << 2;
/// The domain is paused by the control domain.
pub const XEN_DOMINF_PAUSED: u32 = 1 << 3;
/// Every virtual CPU waits for an event.
pub const XEN_DOMINF_BLOCKED: u32 = 1 << 4;
/// A virtual CPU is on a physical one.
pub const XEN_DOMINF_RUNNING: u32 = 1 << 5;
/// The domain is paused by a debugger.
pub const XEN_DOMINF_DEBUGGED: u32 = 1 << 6;
/// The domain serves the xenstore.
pub const XEN_DOMINF_XS_DOMAIN: u32 = 1 << 7;
/// The domain uses hardware-assisted paging.
pub const XEN_DOMINF_HAP: u32 = 1 << 8;
/// The width of the shutdown reason.
pub const XEN_DOMINF_SHUTDOWN_MASK: u32 = 255;
/// Where the shutdown reason stands.
pub const XEN_DOMINF_SHUTDOWN_SHIFT: u32 = 16;

/// Asks for the size of the shadow or HAP pool, in MiB.
pub const XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION: u32 = 30;
/// Sets the size of the shadow or HAP pool, in MiB.
pub const XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION: u32 = 31;

/// The version's major and minor number.
pub const XENVER_VERSION: i32 = 0;
/// The version's last part, a string of at most 15 characters.
pub const XENVER_EXTRAVERSION: i32 = 1;
