//! What a domain is created with, and what is told of it.

use super::{v4_15, v4_16, v4_17, v4_19};
use crate::XEN_DOMCTL_CDF_VPMU;

crate::c_structs! {
    /// `struct xen_arch_domainconfig` of x86 (`xen/include/public/arch-x86/xen.h`).
    pub struct ArchDomainConfig = "struct xen_arch_domainconfig" [15, 22], 8 bytes {
        0: emulation_flags: u32,
        4: misc_flags: u32,
    }

    /// `struct xen_domctl_createdomain` of Xen 4.21 and later (`xen/include/public/domctl.h`).
    pub struct CreateDomain = "struct xen_domctl_createdomain" [21, 22], 68 bytes {
        0: ssidref: u32,
        4: handle: [u8; 16],
        20: flags: u32,
        24: iommu_opts: u32,
        28: max_vcpus: u32,
        32: max_evtchn_port: u32,
        36: max_grant_frames: i32,
        40: max_maptrack_frames: i32,
        44: grant_opts: u32,
        48: altp2m_opts ("altp2m.opts"): u16,
        50: altp2m_nr ("altp2m.nr"): u16,
        52: vmtrace_size: u32,
        56: cpupool_id: u32,
        60: arch: ArchDomainConfig,
    }

    /// `xc_domaininfo_t` of Xen 4.16 and later (`xen/include/public/domctl.h`); `gpaddr_bits` is zero
    /// where an older release does not report it.
    pub struct DomainInfo = "xc_domaininfo_t" [16, 22], 112 bytes {
        0: domain: u16,
        2: pad1: u16,
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
        96: gpaddr_bits: u8,
        97: pad2: [u8; 7],
        104: arch_config: ArchDomainConfig,
    }
}

/// What an older release cannot carry of a domain to create, as a name for people.
pub type NotCarried = &'static str;

impl CreateDomain {
    /// The same for 4.19 and 4.20.
    ///
    /// # Errors
    /// If it sets the number of altp2m views, which is fixed there.
    pub const fn to_v4_19(&self) -> Result<v4_19::CreateDomain, NotCarried> {
        if self.altp2m_nr != 0 {
            return Err("number of altp2m views in xc_domain_create");
        }
        Ok(v4_19::CreateDomain {
            ssidref: self.ssidref,
            handle: self.handle,
            flags: self.flags,
            iommu_opts: self.iommu_opts,
            max_vcpus: self.max_vcpus,
            max_evtchn_port: self.max_evtchn_port,
            max_grant_frames: self.max_grant_frames,
            max_maptrack_frames: self.max_maptrack_frames,
            grant_opts: self.grant_opts,
            altp2m_opts: self.altp2m_opts as u32,
            vmtrace_size: self.vmtrace_size,
            cpupool_id: self.cpupool_id,
            arch: self.arch,
        })
    }

    /// The same for 4.17 and 4.18.
    ///
    /// # Errors
    /// If it also asks for altp2m, which is a parameter of HVM domains there.
    pub fn to_v4_17(&self) -> Result<v4_17::CreateDomain, NotCarried> {
        let newer = self.to_v4_19()?;
        if newer.altp2m_opts != 0 {
            return Err("altp2m mode in xc_domain_create");
        }
        Ok(v4_17::CreateDomain {
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
            cpupool_id: newer.cpupool_id,
            arch: newer.arch,
        })
    }

    /// The same for 4.16.
    ///
    /// # Errors
    /// If it also asks for a CPU pool other than the first.
    pub fn to_v4_16(&self) -> Result<v4_16::CreateDomain, NotCarried> {
        let newer = self.to_v4_17()?;
        if newer.cpupool_id != 0 {
            return Err("CPU pool in xc_domain_create");
        }
        Ok(v4_16::CreateDomain {
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
    ///
    /// # Errors
    /// If it also asks for performance counters.
    pub fn to_v4_15(&self) -> Result<v4_15::CreateDomain, NotCarried> {
        let newer = self.to_v4_16()?;
        if newer.flags & XEN_DOMCTL_CDF_VPMU != 0 {
            return Err("vpmu in xc_domain_create");
        }
        Ok(v4_15::CreateDomain {
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
            pad1: 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_an_older_layout_cannot_carry_is_not_narrowed() {
        let views = CreateDomain { altp2m_nr: 1, ..CreateDomain::default() };
        let altp2m = CreateDomain { altp2m_opts: 3, ..CreateDomain::default() };
        let second_pool = CreateDomain { cpupool_id: 1, ..CreateDomain::default() };
        let vpmu = CreateDomain { flags: XEN_DOMCTL_CDF_VPMU, ..CreateDomain::default() };
        assert!(views.to_v4_19().unwrap_err().starts_with("number of altp2m views"));
        assert_eq!(altp2m.to_v4_19().unwrap().altp2m_opts, 3);
        assert!(altp2m.to_v4_17().unwrap_err().starts_with("altp2m mode"));
        assert_eq!(second_pool.to_v4_17().unwrap().cpupool_id, 1);
        assert!(second_pool.to_v4_16().unwrap_err().starts_with("CPU pool"));
        assert_eq!(vpmu.to_v4_16().unwrap().flags, XEN_DOMCTL_CDF_VPMU);
        assert!(vpmu.to_v4_15().unwrap_err().starts_with("vpmu"));
    }

    #[test]
    fn narrowing_keeps_what_stands_behind_a_dropped_field() {
        let arch = ArchDomainConfig { emulation_flags: 1, misc_flags: 1 };
        let newest = CreateDomain { grant_opts: 2, vmtrace_size: 7, arch, ..Default::default() };
        let oldest = newest.to_v4_15().unwrap();
        assert_eq!((oldest.vmtrace_size, oldest.arch), (7, arch));
    }
}
