//! Creating domains (`domain_create`, `xen/common/domain.c`).

use rustix::io::Errno;
use xc::HvmParam;
use xc::backend::CreateDomain;
use xen_types::DomId;
use xenctrl_sys::{
    Release, XEN_DOMCTL_CDF_HAP, XEN_DOMCTL_CDF_HVM, XEN_DOMCTL_CDF_IOMMU,
    XEN_DOMCTL_CDF_NESTED_VIRT, XEN_DOMCTL_CDF_OOS_OFF, XEN_DOMCTL_CDF_S3_INTEGRITY,
    XEN_DOMCTL_CDF_VPMU, XEN_DOMCTL_CDF_XS_DOMAIN, XEN_X86_EMU_ALL, XEN_X86_EMU_LAPIC,
    XEN_X86_EMU_USE_PIRQ, XEN_X86_EMU_VPCI, XEN_X86_MSR_RELAXED,
};

use super::domain::Domain;
use super::{Outcome, Xen};

impl Xen {
    /// `XEN_DOMCTL_createdomain`: the id asked for, or the next that is free after the last one
    /// given.
    pub(crate) fn create(&mut self, id: u32, config: &CreateDomain) -> Outcome<DomId> {
        let wanted = DomId::try_from(id).ok().filter(|id| *id != DomId::DOM0);
        let id = match wanted {
            Some(id) if self.domains.contains_key(&id) => return Err(Errno::EXIST),
            Some(id) => id,
            None => self.next_id()?,
        };
        self.check(config)?;
        self.births += 1;
        self.domains.insert(id, Domain::new(id, self.births, *config));
        if config.flags & XEN_DOMCTL_CDF_HAP != 0 {
            self.start_paging(id).inspect_err(|_| drop(self.domains.remove(&id)))?;
        }
        if config.altp2m_opts != 0 {
            self.set_hvm_param(id, HvmParam::ALTP2M.0, config.altp2m_opts.into())?;
        }
        Ok(id)
    }

    fn next_id(&mut self) -> Outcome<DomId> {
        let after = (self.rover..).skip(1).map_while(DomId::new);
        let before = (1..self.rover).map_while(DomId::new);
        let free = |id: &DomId| !self.domains.contains_key(id);
        let id = after.chain(before).find(free).ok_or(Errno::NOMEM)?;
        self.rover = id.raw();
        Ok(id)
    }

    /// `sanitise_domain_config`, on a host without IOMMU, performance counters, processor tracing
    /// and shadow paging, as the lab's is.
    fn check(&self, config: &CreateDomain) -> Outcome<()> {
        let has = |flag: u32| config.flags & flag != 0;
        let (hvm, hap) = (has(XEN_DOMCTL_CDF_HVM), has(XEN_DOMCTL_CDF_HAP));
        let since_4_19 = self.release >= Release::new(4, 19);
        let refused = config.flags & !KNOWN != 0
            || !(1..=MOST_VCPUS).contains(&config.max_vcpus)
            || (hap && !hvm)
            || has(XEN_DOMCTL_CDF_IOMMU)
            || config.iommu_opts != 0
            || config.vmtrace_size != 0
            || has(XEN_DOMCTL_CDF_VPMU)
            || has(XEN_DOMCTL_CDF_S3_INTEGRITY)
            || (has(XEN_DOMCTL_CDF_NESTED_VIRT) && (!hap || since_4_19))
            || (config.altp2m_opts != 0 && !hap)
            || config.arch.misc_flags & !XEN_X86_MSR_RELAXED != 0
            || !(1..=2).contains(&config.grant_opts)
            || config.max_grant_frames == 0
            || config.max_grant_frames > MOST_GRANT_FRAMES
            || config.max_maptrack_frames > MOST_MAPTRACK_FRAMES;
        if refused {
            return Err(Errno::INVAL);
        }
        if (hvm && !hap) || !self.emulates(hvm, config.arch.emulation_flags) {
            return Err(Errno::OPNOTSUPP);
        }
        if config.cpupool_id != 0 {
            return Err(Errno::NOENT);
        }
        Ok(())
    }

    /// `emulation_flags_ok` (`xen/arch/x86/domain.c`).
    fn emulates(&self, hvm: bool, flags: u32) -> bool {
        let all = XEN_X86_EMU_ALL & !XEN_X86_EMU_VPCI;
        let without_pirqs =
            self.release >= Release::new(4, 19) && flags == all & !XEN_X86_EMU_USE_PIRQ;
        match hvm {
            true => flags == all || flags == XEN_X86_EMU_LAPIC || without_pirqs,
            false => flags == 0 || flags == EMU_PIT,
        }
    }

    /// `hap_enable`: the pool has 256 pages to begin with, some of them in use.
    fn start_paging(&mut self, dom: DomId) -> Outcome<()> {
        self.resize_pool(dom, FIRST_POOL)?;
        self.dom(dom)?.memory.pool.take_tables(0, 18)
    }
}

const KNOWN: u32 = XEN_DOMCTL_CDF_HVM
    | XEN_DOMCTL_CDF_HAP
    | XEN_DOMCTL_CDF_S3_INTEGRITY
    | XEN_DOMCTL_CDF_OOS_OFF
    | XEN_DOMCTL_CDF_XS_DOMAIN
    | XEN_DOMCTL_CDF_IOMMU
    | XEN_DOMCTL_CDF_NESTED_VIRT
    | XEN_DOMCTL_CDF_VPMU;
/// `HVM_MAX_VCPUS` (`xen/include/public/hvm/hvm_info_table.h`).
const MOST_VCPUS: u32 = 128;
/// `opt_max_grant_frames` and `opt_max_maptrack_frames` (`xen/common/grant_table.c`).
const MOST_GRANT_FRAMES: i32 = 64;
const MOST_MAPTRACK_FRAMES: i32 = 1024;
/// `XEN_X86_EMU_PIT` (`xen/include/public/arch-x86/xen.h`).
const EMU_PIT: u32 = 1 << 8;
/// In pages.
const FIRST_POOL: u64 = 256;
