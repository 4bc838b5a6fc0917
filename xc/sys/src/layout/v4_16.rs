//! Layouts that ended with 4.16.

use super::ArchDomainConfig;

crate::c_structs! {
    /// `struct xen_domctl_createdomain` of Xen 4.16.
    pub struct CreateDomain = "struct xen_domctl_createdomain" [16, 16], 60 bytes {
        0: ssidref: u32,
        4: handle: [u8; 16],
        20: flags: u32,
        24: iommu_opts: u32,
        28: max_vcpus: u32,
        32: max_evtchn_port: u32,
        36: max_grant_frames: i32,
        40: max_maptrack_frames: i32,
        44: grant_opts: u32,
        48: vmtrace_size: u32,
        52: arch: ArchDomainConfig,
    }
}
