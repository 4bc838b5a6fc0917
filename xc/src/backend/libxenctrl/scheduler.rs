//! Schedulers and CPU pools.

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::{
    CpuPoolInfo, Credit2Schedule, CreditSchedule, SchedCredit, SchedCredit2, SchedRtds,
    SchedVcpuParam,
};

use super::allocated::Allocated;
use super::{LibXenCtrl, call, check, last_errno};
use crate::backend::{CallError, PoolInfo, SchedulerCalls, VcpuCalls};

impl SchedulerCalls for LibXenCtrl {
    fn sched_id(&self) -> Result<i32, CallError> {
        let mut id = 0;
        call!(self, scheduler.sched_id(&mut id))?;
        Ok(id)
    }

    fn sched_credit_domain_get(&self, dom: DomId) -> Result<SchedCredit, CallError> {
        let mut found = SchedCredit::default();
        call!(self, scheduler.sched_credit_domain_get(dom, &mut found))?;
        Ok(found)
    }

    fn sched_credit_domain_set(&self, dom: DomId, mut to: SchedCredit) -> Result<(), CallError> {
        call!(self, scheduler.sched_credit_domain_set(dom, &mut to)).map(drop)
    }

    fn sched_credit_params_get(&self, pool: u32) -> Result<CreditSchedule, CallError> {
        let mut found = CreditSchedule::default();
        call!(self, scheduler.sched_credit_params_get(pool, &mut found))?;
        Ok(found)
    }

    fn sched_credit_params_set(
        &self,
        pool: u32,
        mut to: CreditSchedule,
    ) -> Result<CreditSchedule, CallError> {
        call!(self, scheduler.sched_credit_params_set(pool, &mut to))?;
        Ok(to)
    }

    fn sched_credit2_domain_get(&self, dom: DomId) -> Result<SchedCredit2, CallError> {
        let mut found = SchedCredit2::default();
        call!(self, scheduler.sched_credit2_domain_get(dom, &mut found))?;
        Ok(found)
    }

    fn sched_credit2_domain_set(&self, dom: DomId, mut to: SchedCredit2) -> Result<(), CallError> {
        call!(self, scheduler.sched_credit2_domain_set(dom, &mut to)).map(drop)
    }

    fn sched_credit2_params_get(&self, pool: u32) -> Result<Credit2Schedule, CallError> {
        let mut found = Credit2Schedule::default();
        call!(self, scheduler.sched_credit2_params_get(pool, &mut found))?;
        Ok(found)
    }

    fn sched_credit2_params_set(
        &self,
        pool: u32,
        mut to: Credit2Schedule,
    ) -> Result<Credit2Schedule, CallError> {
        call!(self, scheduler.sched_credit2_params_set(pool, &mut to))?;
        Ok(to)
    }

    fn sched_rtds_domain_get(&self, dom: DomId) -> Result<SchedRtds, CallError> {
        let mut found = SchedRtds::default();
        call!(self, scheduler.sched_rtds_domain_get(dom, &mut found))?;
        Ok(found)
    }

    fn sched_rtds_domain_set(&self, dom: DomId, mut to: SchedRtds) -> Result<(), CallError> {
        call!(self, scheduler.sched_rtds_domain_set(dom, &mut to)).map(drop)
    }

    fn sched_rtds_vcpu_get(
        &self,
        dom: DomId,
        vcpus: &mut [SchedVcpuParam],
    ) -> Result<(), CallError> {
        let function = self.functions().scheduler.sched_rtds_vcpu_get;
        let (function, handle) = self.callable("xc_sched_rtds_vcpu_get", function)?;
        let count = u32::try_from(vcpus.len()).map_err(|_| Errno::TOOBIG)?;
        // SAFETY: `count` entries must be readable and writable, all of which libxc copies both ways
        // (xc_rt.c): the slice has as many. Any bytes are valid entries, structures of integers.
        check(unsafe { function(handle, dom.into(), vcpus.as_mut_ptr().cast(), count) }).map(drop)
    }

    fn sched_rtds_vcpu_set(&self, dom: DomId, vcpus: &[SchedVcpuParam]) -> Result<(), CallError> {
        let function = self.functions().scheduler.sched_rtds_vcpu_set;
        let (function, handle) = self.callable("xc_sched_rtds_vcpu_set", function)?;
        let count = u32::try_from(vcpus.len()).map_err(|_| Errno::TOOBIG)?;
        let entries = vcpus.as_ptr().cast_mut().cast();
        // SAFETY: `count` entries must be readable: the slice has as many. They are not written,
        // though the prototype allows it: the buffer is bounced inwards only (xc_rt.c).
        check(unsafe { function(handle, dom.into(), entries, count) }).map(drop)
    }

    fn cpupool_create(&self, pool: u32, scheduler: u32) -> Result<u32, CallError> {
        let mut id = pool;
        call!(self, scheduler.cpupool_create(&mut id, scheduler))?;
        Ok(id)
    }

    fn cpupool_destroy(&self, pool: u32) -> Result<(), CallError> {
        call!(self, scheduler.cpupool_destroy(pool)).map(drop)
    }

    fn cpupool_getinfo(&self, pool: u32) -> Result<PoolInfo, CallError> {
        let free = self.functions().scheduler.cpupool_infofree;
        let (free, _) = self.callable("xc_cpupool_infofree", free)?;
        let bytes = self.get_cpumap_size()? as usize;
        let function = self.functions().scheduler.cpupool_getinfo;
        let (function, handle) = self.callable("xc_cpupool_getinfo", function)?;
        // SAFETY: as at the head of this folder's mod.rs, nothing more.
        let info = unsafe { function(handle, pool) };
        // SAFETY: must be null or a description that lives: what was just returned, freed below.
        let Some(&CpuPoolInfo { cpupool_id, sched_id, n_dom, cpumap }) = (unsafe { info.as_ref() })
        else {
            return Err(last_errno().into());
        };
        // SAFETY: must be readable for as many bytes as a map has: libxc allocated one by the size
        // that it also reports, and filled it (xc_cpupool.c).
        let cpumap = unsafe { std::slice::from_raw_parts(cpumap.cast::<u8>(), bytes) }.to_vec();
        // SAFETY: must be what the library gave, freed once and used no more: `info`, copied.
        unsafe { free(handle, info) };
        Ok(PoolInfo { cpupool_id, sched_id, n_dom, cpumap })
    }

    fn cpupool_addcpu(&self, pool: u32, cpu: i32) -> Result<(), CallError> {
        call!(self, scheduler.cpupool_addcpu(pool, cpu)).map(drop)
    }

    fn cpupool_removecpu(&self, pool: u32, cpu: i32) -> Result<(), CallError> {
        call!(self, scheduler.cpupool_removecpu(pool, cpu)).map(drop)
    }

    fn cpupool_movedomain(&self, pool: u32, dom: DomId) -> Result<(), CallError> {
        call!(self, scheduler.cpupool_movedomain(pool, dom)).map(drop)
    }

    fn cpupool_freeinfo(&self) -> Result<Vec<u8>, CallError> {
        let bytes = self.get_cpumap_size()? as usize;
        let function = self.functions().scheduler.cpupool_freeinfo;
        let (function, handle) = self.callable("xc_cpupool_freeinfo", function)?;
        // SAFETY: as at the head of this folder's mod.rs, nothing more.
        let map = unsafe { function(handle) };
        // SAFETY: must come from malloc and be nobody else's: a map of xc_cpumap_alloc, the caller's
        // (xc_cpupool.c).
        let map = unsafe { Allocated::new(map) }.ok_or_else(last_errno)?;
        // SAFETY: must have so many bytes: libxc allocates maps by the size that it also reports, and
        // fills all of it.
        Ok(unsafe { map.bytes(bytes) })
    }
}
