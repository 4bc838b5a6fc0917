//! What is told of the host.

use super::v4_15;

crate::c_structs! {
    /// `xc_physinfo_t` of Xen 4.17 and later (`xen/include/public/sysctl.h`); `arch_capabilities` is
    /// zero where an older release does not report it.
    pub struct PhysInfo = "xc_physinfo_t" [17, 22], 112 bytes {
        0: threads_per_core: u32,
        4: cores_per_socket: u32,
        8: nr_cpus: u32,
        12: max_cpu_id: u32,
        16: nr_nodes: u32,
        20: max_node_id: u32,
        24: cpu_khz: u32,
        28: capabilities: u32,
        32: arch_capabilities: u32,
        36: pad: u32,
        40: total_pages: u64,
        48: free_pages: u64,
        56: scrub_pages: u64,
        64: outstanding_pages: u64,
        72: max_mfn: u64,
        80: hw_cap: [u32; 8],
    }
}

impl From<v4_15::PhysInfo> for PhysInfo {
    fn from(old: v4_15::PhysInfo) -> Self {
        Self {
            threads_per_core: old.threads_per_core,
            cores_per_socket: old.cores_per_socket,
            nr_cpus: old.nr_cpus,
            max_cpu_id: old.max_cpu_id,
            nr_nodes: old.nr_nodes,
            max_node_id: old.max_node_id,
            cpu_khz: old.cpu_khz,
            capabilities: old.capabilities,
            arch_capabilities: 0,
            pad: 0,
            total_pages: old.total_pages,
            free_pages: old.free_pages,
            scrub_pages: old.scrub_pages,
            outstanding_pages: old.outstanding_pages,
            max_mfn: old.max_mfn,
            hw_cap: old.hw_cap,
        }
    }
}
