//! Schedulers and CPU pools.

use xen_types::DomId;
use xenctrl_sys::{
    Credit2Schedule, CreditSchedule, SchedCredit, SchedCredit2, SchedRtds, SchedVcpuParam,
};

calls! {
    /// Schedulers and CPU pools.
    pub trait SchedulerCalls;

    "xc_sched_id" fn sched_id(&self) -> i32;
    "xc_sched_credit_domain_get"
    fn sched_credit_domain_get(&self, dom: DomId) -> SchedCredit;
    "xc_sched_credit_domain_set"
    fn sched_credit_domain_set(&self, dom: DomId, to: SchedCredit) -> ();
    "xc_sched_credit_params_get"
    fn sched_credit_params_get(&self, pool: u32) -> CreditSchedule;
    /// What the pool has now.
    "xc_sched_credit_params_set"
    fn sched_credit_params_set(&self, pool: u32, to: CreditSchedule) -> CreditSchedule;
    "xc_sched_credit2_domain_get"
    fn sched_credit2_domain_get(&self, dom: DomId) -> SchedCredit2;
    "xc_sched_credit2_domain_set"
    fn sched_credit2_domain_set(&self, dom: DomId, to: SchedCredit2) -> ();
    "xc_sched_credit2_params_get"
    fn sched_credit2_params_get(&self, pool: u32) -> Credit2Schedule;
    /// What the pool has now.
    "xc_sched_credit2_params_set"
    fn sched_credit2_params_set(&self, pool: u32, to: Credit2Schedule) -> Credit2Schedule;
    /// Before 4.19 libxc leaves the flags to chance (`tools/libs/ctrl/xc_rt.c`).
    "xc_sched_rtds_domain_get"
    fn sched_rtds_domain_get(&self, dom: DomId) -> SchedRtds;
    /// The flags are not looked at.
    "xc_sched_rtds_domain_set"
    fn sched_rtds_domain_set(&self, dom: DomId, to: SchedRtds) -> ();
    /// Fills in the parameters of the virtual CPUs that the entries name.
    "xc_sched_rtds_vcpu_get"
    fn sched_rtds_vcpu_get(&self, dom: DomId, vcpus: &mut [SchedVcpuParam]) -> ();
    "xc_sched_rtds_vcpu_set"
    fn sched_rtds_vcpu_set(&self, dom: DomId, vcpus: &[SchedVcpuParam]) -> ();

    /// The id that the pool got.
    "xc_cpupool_create" fn cpupool_create(&self, pool: u32, scheduler: u32) -> u32;
    "xc_cpupool_destroy" fn cpupool_destroy(&self, pool: u32) -> ();
    /// The pool with this id, or the one with the next.
    "xc_cpupool_getinfo" fn cpupool_getinfo(&self, pool: u32) -> PoolInfo;
    "xc_cpupool_addcpu" fn cpupool_addcpu(&self, pool: u32, cpu: i32) -> ();
    "xc_cpupool_removecpu" fn cpupool_removecpu(&self, pool: u32, cpu: i32) -> ();
    "xc_cpupool_movedomain" fn cpupool_movedomain(&self, pool: u32, dom: DomId) -> ();
    /// A bitmap, the lowest id in the lowest bit of the first byte.
    "xc_cpupool_freeinfo" fn cpupool_freeinfo(&self) -> Vec<u8>;
}

/// A copy of `xc_cpupoolinfo_t`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "fields are those of the C structure")]
pub struct PoolInfo {
    pub cpupool_id: u32,
    pub sched_id: u32,
    pub n_dom: u32,
    /// A bitmap, the lowest id in the lowest bit of the first byte.
    pub cpumap: Vec<u8>,
}
