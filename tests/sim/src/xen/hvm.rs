//! What only HVM and PVH domains have: parameters, and the paging pool.

use rustix::io::Errno;
use xc::HvmParam;
use xen_types::DomId;

use super::{Outcome, Xen};

impl Xen {
    /// `HVMOP_get_param`.
    pub(crate) fn hvm_param(&mut self, dom: DomId, index: u32) -> Outcome<u64> {
        let params = self.params(dom, index)?;
        if DEPRECATED.contains(&HvmParam(index)) {
            return Err(Errno::INVAL);
        }
        Ok(params.get(&index).copied().unwrap_or(0))
    }

    /// `HVMOP_set_param` (`hvm_set_param`, `xen/arch/x86/hvm/hvm.c`).
    pub(crate) fn set_hvm_param(&mut self, dom: DomId, index: u32, value: u64) -> Outcome<()> {
        let params = self.params(dom, index)?;
        let param = HvmParam(index);
        if DEPRECATED.contains(&param) {
            return Err(Errno::INVAL);
        }
        let before = params.get(&index).copied().unwrap_or(0);
        if ONCE.contains(&param) && before != 0 && before != value {
            return Err(Errno::EXIST);
        }
        let refused = match param {
            HvmParam::TIMER_MODE => value > 3,
            HvmParam::ACPI_S_STATE => value != 0 && value != 3,
            HvmParam::ALTP2M => value > 3,
            HvmParam::TRIPLE_FAULT_REASON => value > 5,
            HvmParam::NR_IOREQ_SERVER_PAGES => value == 0 || value > 64,
            HvmParam::X87_FIP_WIDTH => ![0, 4, 8].contains(&value),
            _ => false,
        };
        if refused {
            return Err(Errno::INVAL);
        }
        params.insert(index, value);
        Ok(())
    }

    fn params(
        &mut self,
        dom: DomId,
        index: u32,
    ) -> Outcome<&mut std::collections::BTreeMap<u32, u64>> {
        if index >= NR_PARAMS {
            return Err(Errno::INVAL);
        }
        let domain = self.dom(dom)?;
        if !domain.is_hvm() {
            return Err(Errno::INVAL);
        }
        Ok(&mut domain.hvm_params)
    }

    /// `XEN_DOMCTL_get_paging_mempool_size`, in bytes.
    pub(crate) fn pool_size(&mut self, dom: DomId) -> Outcome<u64> {
        let domain = self.dom(dom)?;
        if !domain.is_hvm() {
            return Err(Errno::OPNOTSUPP);
        }
        Ok(domain.memory.pool.frames.len() as u64 * PAGE)
    }

    /// `XEN_DOMCTL_set_paging_mempool_size`, in bytes.
    pub(crate) fn set_pool_size(&mut self, dom: DomId, bytes: u64) -> Outcome<()> {
        if !self.dom(dom)?.is_hvm() {
            return Err(Errno::OPNOTSUPP);
        }
        if !bytes.is_multiple_of(PAGE) || bytes / PAGE > u64::from(u32::MAX) {
            return Err(Errno::INVAL);
        }
        self.resize_pool(dom, bytes / PAGE)
    }

    /// `hap_set_allocation`: tables in use stay.
    pub(super) fn resize_pool(&mut self, dom: DomId, pages: u64) -> Outcome<()> {
        loop {
            let claimed = self.claimed();
            let domain = self.domains.get_mut(&dom).ok_or(Errno::SRCH)?;
            let pool = &mut domain.memory.pool;
            let target = pages.max(pool.used() as u64);
            let size = pool.frames.len() as u64;
            if size == target {
                return Ok(());
            }
            if size > target {
                self.heap.give(pool.frames.pop().ok_or(Errno::NOMEM)?);
            } else if self.heap.free() > claimed {
                let nodes = 0..self.heap.nodes().len();
                pool.frames.push(self.heap.take(0, u64::MAX, nodes).ok_or(Errno::NOMEM)?);
            } else {
                return Err(Errno::NOMEM);
            }
        }
    }
}

/// No longer used by anybody (`hvm_allow_get_param`).
const DEPRECATED: [HvmParam; 10] = [
    HvmParam::PAE_ENABLED,
    HvmParam::DM_DOMAIN,
    HvmParam::MEMORY_EVENT_CR0,
    HvmParam::MEMORY_EVENT_CR3,
    HvmParam::MEMORY_EVENT_CR4,
    HvmParam::MEMORY_EVENT_INT3,
    HvmParam::NESTEDHVM,
    HvmParam::MEMORY_EVENT_SINGLE_STEP,
    HvmParam::BUFIOREQ_EVTCHN,
    HvmParam::MEMORY_EVENT_MSR,
];

/// Those that keep the first value other than 0 (`hvm_allow_set_param`).
const ONCE: [HvmParam; 7] = [
    HvmParam::VIRIDIAN,
    HvmParam::IOREQ_PFN,
    HvmParam::BUFIOREQ_PFN,
    HvmParam::IOREQ_SERVER_PFN,
    HvmParam::NR_IOREQ_SERVER_PAGES,
    HvmParam::ALTP2M,
    HvmParam::MCA_CAP,
];

/// `HVM_NR_PARAMS` (`xen/include/public/hvm/params.h`).
const NR_PARAMS: u32 = 39;
const PAGE: u64 = 4096;
