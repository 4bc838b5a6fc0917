//! Layouts that ended with 4.20.

use super::ArchDomainConfig;

crate::c_structs! {
    /// `struct xen_domctl_createdomain` of Xen 4.19 and 4.20.
    pub struct CreateDomain = "struct xen_domctl_createdomain" [19, 20], 68 bytes {
        0: ssidref: u32,
        4: handle: [u8; 16],
        20: flags: u32,
        24: iommu_opts: u32,
        28: max_vcpus: u32,
        32: max_evtchn_port: u32,
        36: max_grant_frames: i32,
        40: max_maptrack_frames: i32,
        44: grant_opts: u32,
        48: altp2m_opts: u32,
        52: vmtrace_size: u32,
        56: cpupool_id: u32,
        60: arch: ArchDomainConfig,
    }
}
