//! Layouts that ended with 4.15, or started there.

use super::ArchDomainConfig;

crate::c_structs! {
    /// `struct xen_domctl_createdomain` of Xen 4.15.
    pub struct CreateDomain = "struct xen_domctl_createdomain" [15, 15], 56 bytes {
        0: ssidref: u32,
        4: handle: [u8; 16],
        20: flags: u32,
        24: iommu_opts: u32,
        28: max_vcpus: u32,
        32: max_evtchn_port: u32,
        36: max_grant_frames: i32,
        40: max_maptrack_frames: i32,
        44: vmtrace_size: u32,
        48: arch: ArchDomainConfig,
    }

    /// `xc_domaininfo_t` of Xen 4.15.
    pub struct DomainInfo = "xc_domaininfo_t" [15, 15], 104 bytes {
        0: domain: u16,
        4: flags: u32,
        8: tot_pages: u64,
        16: max_pages: u64,
        24: outstanding_pages: u64,
        32: shr_pages: u64,
        40: paged_pages: u64,
        48: shared_info_frame: u64,
        56: cpu_time: u64,
        64: nr_online_vcpus: u32,
        68: max_vcpu_id: u32,
        72: ssidref: u32,
        76: handle: [u8; 16],
        92: cpupool: u32,
        96: arch_config: ArchDomainConfig,
    }

    /// `xc_physinfo_t` of Xen 4.15 and 4.16.
    pub struct PhysInfo = "xc_physinfo_t" [15, 16], 104 bytes {
        0: threads_per_core: u32,
        4: cores_per_socket: u32,
        8: nr_cpus: u32,
        12: max_cpu_id: u32,
        16: nr_nodes: u32,
        20: max_node_id: u32,
        24: cpu_khz: u32,
        28: capabilities: u32,
        32: total_pages: u64,
        40: free_pages: u64,
        48: scrub_pages: u64,
        56: outstanding_pages: u64,
        64: max_mfn: u64,
        72: hw_cap: [u32; 8],
    }
}
