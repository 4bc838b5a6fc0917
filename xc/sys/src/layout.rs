//! Structures that cross the library's boundary.
//!
//! The newest layout of each is the one the rest of the program works with; the older ones, in a
//! module per release that introduced them, convert from or to it. Sizes and offsets are asserted
//! against what a C compiler reported for the headers of each release.

use std::mem::offset_of;

/// `struct xen_arch_domainconfig` of x86.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "fields are those of xen/include/public/arch-x86/xen.h")]
pub struct ArchDomainConfig {
    pub emulation_flags: u32,
    pub misc_flags: u32,
}

/// `struct xen_domctl_createdomain` of Xen 4.19 and later.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "fields are those of xen/include/public/domctl.h")]
pub struct CreateDomain {
    pub ssidref: u32,
    pub handle: [u8; 16],
    pub flags: u32,
    pub iommu_opts: u32,
    pub max_vcpus: u32,
    pub max_evtchn_port: u32,
    pub max_grant_frames: i32,
    pub max_maptrack_frames: i32,
    pub grant_opts: u32,
    /// From 4.21 two halves, `altp2m.opts` and `altp2m.nr`.
    pub altp2m_opts: u32,
    pub vmtrace_size: u32,
    pub cpupool_id: u32,
    pub arch: ArchDomainConfig,
}

/// `xc_domaininfo_t` of Xen 4.16 and later.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "fields are those of xen/include/public/domctl.h")]
pub struct DomainInfo {
    pub domain: u16,
    pub pad1: u16,
    pub flags: u32,
    pub tot_pages: u64,
    pub max_pages: u64,
    pub outstanding_pages: u64,
    pub shr_pages: u64,
    pub paged_pages: u64,
    pub shared_info_frame: u64,
    pub cpu_time: u64,
    pub nr_online_vcpus: u32,
    pub max_vcpu_id: u32,
    pub ssidref: u32,
    pub handle: [u8; 16],
    pub cpupool: u32,
    /// Zero before 4.16, which does not report it.
    pub gpaddr_bits: u8,
    pub pad2: [u8; 7],
    pub arch_config: ArchDomainConfig,
}

/// `xc_physinfo_t` of Xen 4.17 and later.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "fields are those of xen/include/public/sysctl.h")]
pub struct PhysInfo {
    pub threads_per_core: u32,
    pub cores_per_socket: u32,
    pub nr_cpus: u32,
    pub max_cpu_id: u32,
    pub nr_nodes: u32,
    pub max_node_id: u32,
    pub cpu_khz: u32,
    pub capabilities: u32,
    /// Zero before 4.17, which does not report it.
    pub arch_capabilities: u32,
    pub pad: u32,
    pub total_pages: u64,
    pub free_pages: u64,
    pub scrub_pages: u64,
    pub outstanding_pages: u64,
    pub max_mfn: u64,
    pub hw_cap: [u32; 8],
}

/// `struct e820entry`, packed in C.
#[repr(C, packed)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "fields are those of tools/include/xenctrl.h")]
pub struct E820Entry {
    pub addr: u64,
    pub size: u64,
    pub type_: u32,
}

/// Layouts that ended with 4.15, or started there.
pub mod v4_15 {
    use super::ArchDomainConfig;

    /// `struct xen_domctl_createdomain` of Xen 4.15.
    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    #[allow(missing_docs, reason = "fields are those of xen/include/public/domctl.h")]
    pub struct CreateDomain {
        pub ssidref: u32,
        pub handle: [u8; 16],
        pub flags: u32,
        pub iommu_opts: u32,
        pub max_vcpus: u32,
        pub max_evtchn_port: u32,
        pub max_grant_frames: i32,
        pub max_maptrack_frames: i32,
        pub vmtrace_size: u32,
        pub arch: ArchDomainConfig,
    }

    /// `xc_domaininfo_t` of Xen 4.15.
    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    #[allow(missing_docs, reason = "fields are those of xen/include/public/domctl.h")]
    pub struct DomainInfo {
        pub domain: u16,
        pub pad1: u16,
        pub flags: u32,
        pub tot_pages: u64,
        pub max_pages: u64,
        pub outstanding_pages: u64,
        pub shr_pages: u64,
        pub paged_pages: u64,
        pub shared_info_frame: u64,
        pub cpu_time: u64,
        pub nr_online_vcpus: u32,
        pub max_vcpu_id: u32,
        pub ssidref: u32,
        pub handle: [u8; 16],
        pub cpupool: u32,
        pub arch_config: ArchDomainConfig,
    }

    /// `xc_physinfo_t` of Xen 4.15 and 4.16.
    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    #[allow(missing_docs, reason = "fields are those of xen/include/public/sysctl.h")]
    pub struct PhysInfo {
        pub threads_per_core: u32,
        pub cores_per_socket: u32,
        pub nr_cpus: u32,
        pub max_cpu_id: u32,
        pub nr_nodes: u32,
        pub max_node_id: u32,
        pub cpu_khz: u32,
        pub capabilities: u32,
        pub total_pages: u64,
        pub free_pages: u64,
        pub scrub_pages: u64,
        pub outstanding_pages: u64,
        pub max_mfn: u64,
        pub hw_cap: [u32; 8],
    }
}

/// Layouts that ended with 4.16.
pub mod v4_16 {
    use super::ArchDomainConfig;

    /// `struct xen_domctl_createdomain` of Xen 4.16.
    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    #[allow(missing_docs, reason = "fields are those of xen/include/public/domctl.h")]
    pub struct CreateDomain {
        pub ssidref: u32,
        pub handle: [u8; 16],
        pub flags: u32,
        pub iommu_opts: u32,
        pub max_vcpus: u32,
        pub max_evtchn_port: u32,
        pub max_grant_frames: i32,
        pub max_maptrack_frames: i32,
        pub grant_opts: u32,
        pub vmtrace_size: u32,
        pub arch: ArchDomainConfig,
    }
}

/// Layouts that ended with 4.18.
pub mod v4_17 {
    use super::ArchDomainConfig;

    /// `struct xen_domctl_createdomain` of Xen 4.17 and 4.18.
    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    #[allow(missing_docs, reason = "fields are those of xen/include/public/domctl.h")]
    pub struct CreateDomain {
        pub ssidref: u32,
        pub handle: [u8; 16],
        pub flags: u32,
        pub iommu_opts: u32,
        pub max_vcpus: u32,
        pub max_evtchn_port: u32,
        pub max_grant_frames: i32,
        pub max_maptrack_frames: i32,
        pub grant_opts: u32,
        pub vmtrace_size: u32,
        pub cpupool_id: u32,
        pub arch: ArchDomainConfig,
    }
}

impl CreateDomain {
    /// The same for 4.17 and 4.18, unless it asks for what they cannot carry (altp2m).
    pub const fn to_v4_17(&self) -> Option<v4_17::CreateDomain> {
        if self.altp2m_opts != 0 {
            return None;
        }
        Some(v4_17::CreateDomain {
            ssidref: self.ssidref,
            handle: self.handle,
            flags: self.flags,
            iommu_opts: self.iommu_opts,
            max_vcpus: self.max_vcpus,
            max_evtchn_port: self.max_evtchn_port,
            max_grant_frames: self.max_grant_frames,
            max_maptrack_frames: self.max_maptrack_frames,
            grant_opts: self.grant_opts,
            vmtrace_size: self.vmtrace_size,
            cpupool_id: self.cpupool_id,
            arch: self.arch,
        })
    }

    /// The same for 4.16, unless it also asks for a CPU pool other than the first.
    pub fn to_v4_16(&self) -> Option<v4_16::CreateDomain> {
        let newer = self.to_v4_17().filter(|c| c.cpupool_id == 0)?;
        Some(v4_16::CreateDomain {
            ssidref: newer.ssidref,
            handle: newer.handle,
            flags: newer.flags,
            iommu_opts: newer.iommu_opts,
            max_vcpus: newer.max_vcpus,
            max_evtchn_port: newer.max_evtchn_port,
            max_grant_frames: newer.max_grant_frames,
            max_maptrack_frames: newer.max_maptrack_frames,
            grant_opts: newer.grant_opts,
            vmtrace_size: newer.vmtrace_size,
            arch: newer.arch,
        })
    }

    /// The same for 4.15. `grant_opts` is dropped: 4.15 lets the host's setting decide.
    pub fn to_v4_15(&self) -> Option<v4_15::CreateDomain> {
        let newer = self.to_v4_16()?;
        Some(v4_15::CreateDomain {
            ssidref: newer.ssidref,
            handle: newer.handle,
            flags: newer.flags,
            iommu_opts: newer.iommu_opts,
            max_vcpus: newer.max_vcpus,
            max_evtchn_port: newer.max_evtchn_port,
            max_grant_frames: newer.max_grant_frames,
            max_maptrack_frames: newer.max_maptrack_frames,
            vmtrace_size: newer.vmtrace_size,
            arch: newer.arch,
        })
    }
}

impl From<v4_15::DomainInfo> for DomainInfo {
    fn from(old: v4_15::DomainInfo) -> Self {
        Self {
            domain: old.domain,
            pad1: old.pad1,
            flags: old.flags,
            tot_pages: old.tot_pages,
            max_pages: old.max_pages,
            outstanding_pages: old.outstanding_pages,
            shr_pages: old.shr_pages,
            paged_pages: old.paged_pages,
            shared_info_frame: old.shared_info_frame,
            cpu_time: old.cpu_time,
            nr_online_vcpus: old.nr_online_vcpus,
            max_vcpu_id: old.max_vcpu_id,
            ssidref: old.ssidref,
            handle: old.handle,
            cpupool: old.cpupool,
            gpaddr_bits: 0,
            pad2: [0; 7],
            arch_config: old.arch_config,
        }
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

macro_rules! layout {
    ($type:ty, $size:literal, { $($field:ident: $offset:literal),* $(,)? }) => {
        const _: () = {
            assert!(size_of::<$type>() == $size);
            $(assert!(offset_of!($type, $field) == $offset);)*
        };
    };
}

layout!(v4_15::CreateDomain, 56, {
    flags: 20, max_grant_frames: 36, vmtrace_size: 44, arch: 48,
});
layout!(v4_16::CreateDomain, 60, {
    flags: 20, max_grant_frames: 36, grant_opts: 44, vmtrace_size: 48, arch: 52,
});
layout!(v4_17::CreateDomain, 64, {
    flags: 20, max_grant_frames: 36, grant_opts: 44, vmtrace_size: 48, cpupool_id: 52, arch: 56,
});
layout!(CreateDomain, 68, {
    ssidref: 0, handle: 4, flags: 20, iommu_opts: 24, max_vcpus: 28, max_evtchn_port: 32,
    max_grant_frames: 36, max_maptrack_frames: 40, grant_opts: 44, altp2m_opts: 48,
    vmtrace_size: 52, cpupool_id: 56, arch: 60,
});
layout!(v4_15::DomainInfo, 104, {
    flags: 4, tot_pages: 8, shared_info_frame: 48, max_vcpu_id: 68, handle: 76, cpupool: 92,
    arch_config: 96,
});
layout!(DomainInfo, 112, {
    domain: 0, flags: 4, tot_pages: 8, max_pages: 16, outstanding_pages: 24, shr_pages: 32,
    paged_pages: 40, shared_info_frame: 48, cpu_time: 56, nr_online_vcpus: 64, max_vcpu_id: 68,
    ssidref: 72, handle: 76, cpupool: 92, gpaddr_bits: 96, pad2: 97, arch_config: 104,
});
layout!(v4_15::PhysInfo, 104, {
    capabilities: 28, total_pages: 32, free_pages: 40, max_mfn: 64, hw_cap: 72,
});
layout!(PhysInfo, 112, {
    nr_cpus: 8, nr_nodes: 16, cpu_khz: 24, capabilities: 28, arch_capabilities: 32,
    total_pages: 40, free_pages: 48, scrub_pages: 56, outstanding_pages: 64, max_mfn: 72,
    hw_cap: 80,
});
layout!(ArchDomainConfig, 8, { emulation_flags: 0, misc_flags: 4 });
layout!(E820Entry, 20, { addr: 0, size: 8, type_: 16 });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_an_older_layout_cannot_carry_is_not_narrowed() {
        let second_pool = CreateDomain { cpupool_id: 1, ..CreateDomain::default() };
        let altp2m = CreateDomain { altp2m_opts: 1, ..CreateDomain::default() };
        assert!(second_pool.to_v4_17().is_some());
        assert_eq!(second_pool.to_v4_16(), None);
        assert_eq!(altp2m.to_v4_17(), None);
    }

    #[test]
    fn narrowing_keeps_what_stands_behind_a_dropped_field() {
        let arch = ArchDomainConfig { emulation_flags: 1, misc_flags: 1 };
        let newest = CreateDomain { grant_opts: 2, vmtrace_size: 7, arch, ..Default::default() };
        let oldest = newest.to_v4_15().unwrap();
        assert_eq!((oldest.vmtrace_size, oldest.arch), (7, arch));
    }
}
