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

    /// `xc_cputopo_t` (`struct xen_sysctl_cputopo`, `xen/include/public/sysctl.h`).
    pub struct CpuTopology = "xc_cputopo_t" [15, 22], 12 bytes {
        0: core: u32,
        4: socket: u32,
        8: node: u32,
    }

    /// `xc_meminfo_t` (`struct xen_sysctl_meminfo`, `xen/include/public/sysctl.h`): bytes.
    pub struct NodeMemory = "xc_meminfo_t" [15, 22], 16 bytes {
        0: memsize: u64,
        8: memfree: u64,
    }

    /// `xc_cpuinfo_t` (`struct xen_sysctl_cpuinfo`, `xen/include/public/sysctl.h`): nanoseconds.
    pub struct CpuInfo = "xc_cpuinfo_t" [15, 22], 8 bytes {
        0: idletime: u64,
    }

    /// `struct physdev_pci_device` (`xen/include/public/physdev.h`).
    pub struct PciDevice = "struct physdev_pci_device" [15, 22], 4 bytes {
        0: seg: u16,
        2: bus: u8,
        3: devfn: u8,
    }

    /// `struct xenpf_pcpu_version` (`xen/include/public/platform.h`).
    pub struct CpuVersion = "struct xenpf_pcpu_version" [15, 22], 32 bytes {
        0: xen_cpuid: u32,
        4: max_present: u32,
        8: vendor_id: [u8; 12],
        20: family: u32,
        24: model: u32,
        28: stepping: u32,
    }

    /// `struct xen_feature_info` (`xen/include/public/version.h`).
    pub struct FeatureInfo = "struct xen_feature_info" [15, 22], 8 bytes {
        0: submap_idx: u32,
        4: submap: u32,
    }

    /// `struct xen_platform_parameters` (`xen/include/public/version.h`).
    pub struct PlatformParameters = "struct xen_platform_parameters" [15, 22], 8 bytes {
        0: virt_start: u64,
    }
}

/// `struct xen_compile_info` (`xen/include/public/version.h`): texts, cut off to what has room with a
/// NUL behind it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are those of the C structure")]
pub struct CompileInfo {
    pub compiler: [u8; 64],
    pub compile_by: [u8; 16],
    pub compile_domain: [u8; 32],
    pub compile_date: [u8; 32],
}

const _: () = {
    assert!(size_of::<CompileInfo>() == 144);
    assert!(std::mem::offset_of!(CompileInfo, compile_by) == 64);
    assert!(std::mem::offset_of!(CompileInfo, compile_domain) == 80);
    assert!(std::mem::offset_of!(CompileInfo, compile_date) == 112);
};

impl Default for CompileInfo {
    fn default() -> Self {
        Self {
            compiler: [0; 64],
            compile_by: [0; 16],
            compile_domain: [0; 32],
            compile_date: [0; 32],
        }
    }
}

/// What is declared, but for what the macros declare: they cannot give long arrays a default.
pub(crate) const WITH_ARRAYS: &[crate::DeclaredLayout] = &[crate::DeclaredLayout {
    name: "struct xen_compile_info",
    minors: crate::ALL_MINORS,
    size: 144,
    fields: &[
        ("compiler", 0, 64),
        ("compile_by", 64, 16),
        ("compile_domain", 80, 32),
        ("compile_date", 112, 32),
    ],
}];

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
