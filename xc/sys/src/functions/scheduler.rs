//! Schedulers and CPU pools.

use std::ffi::c_int;

use crate::{
    CpuPoolInfo, Credit2Schedule, CreditSchedule, SchedCredit, SchedCredit2, SchedRtds,
    SchedVcpuParam, xc_interface,
};

crate::functions! {
    /// Schedulers and CPU pools.
    pub struct SchedulerFunctions;

    /// Reads which scheduler the host booted with.
    sched_id = "xc_sched_id": (*mut xc_interface, *mut c_int) -> c_int;
    /// Reads a domain's weight and cap under credit.
    sched_credit_domain_get = "xc_sched_credit_domain_get":
        (*mut xc_interface, u32, *mut SchedCredit) -> c_int;
    /// Sets a domain's weight and cap under credit.
    sched_credit_domain_set = "xc_sched_credit_domain_set":
        (*mut xc_interface, u32, *mut SchedCredit) -> c_int;
    /// Reads the parameters of a pool under credit.
    sched_credit_params_get = "xc_sched_credit_params_get":
        (*mut xc_interface, u32, *mut CreditSchedule) -> c_int;
    /// Sets the parameters of a pool under credit, and reads back what became of them.
    sched_credit_params_set = "xc_sched_credit_params_set":
        (*mut xc_interface, u32, *mut CreditSchedule) -> c_int;
    /// Reads a domain's weight and cap under credit2.
    sched_credit2_domain_get = "xc_sched_credit2_domain_get":
        (*mut xc_interface, u32, *mut SchedCredit2) -> c_int;
    /// Sets a domain's weight and cap under credit2.
    sched_credit2_domain_set = "xc_sched_credit2_domain_set":
        (*mut xc_interface, u32, *mut SchedCredit2) -> c_int;
    /// Reads the parameters of a pool under credit2.
    sched_credit2_params_get = "xc_sched_credit2_params_get":
        (*mut xc_interface, u32, *mut Credit2Schedule) -> c_int;
    /// Sets the parameters of a pool under credit2, and reads back what became of them.
    sched_credit2_params_set = "xc_sched_credit2_params_set":
        (*mut xc_interface, u32, *mut Credit2Schedule) -> c_int;
    /// Reads the parameters that virtual CPUs start with under rtds.
    sched_rtds_domain_get = "xc_sched_rtds_domain_get":
        (*mut xc_interface, u32, *mut SchedRtds) -> c_int;
    /// Sets the parameters of all virtual CPUs of a domain under rtds.
    sched_rtds_domain_set = "xc_sched_rtds_domain_set":
        (*mut xc_interface, u32, *mut SchedRtds) -> c_int;
    /// Reads the parameters of some virtual CPUs under rtds: entries, their number.
    sched_rtds_vcpu_get = "xc_sched_rtds_vcpu_get":
        (*mut xc_interface, u32, *mut [SchedVcpuParam; 0], u32) -> c_int;
    /// Sets the parameters of some virtual CPUs under rtds: entries, their number.
    sched_rtds_vcpu_set = "xc_sched_rtds_vcpu_set":
        (*mut xc_interface, u32, *mut [SchedVcpuParam; 0], u32) -> c_int;
    /// Creates a pool without processors; the pool's id is read and written.
    cpupool_create = "xc_cpupool_create": (*mut xc_interface, *mut u32, u32) -> c_int;
    /// Destroys a pool that has neither processors nor domains.
    cpupool_destroy = "xc_cpupool_destroy": (*mut xc_interface, u32) -> c_int;
    /// Describes the pool with this id, or the next one; null and errno on failure.
    cpupool_getinfo = "xc_cpupool_getinfo": (*mut xc_interface, u32) -> *mut CpuPoolInfo;
    /// Frees what the previous gave.
    cpupool_infofree = "xc_cpupool_infofree": (*mut xc_interface, *mut CpuPoolInfo);
    /// Gives a free processor to a pool; a negative one stands for any.
    cpupool_addcpu = "xc_cpupool_addcpu": (*mut xc_interface, u32, c_int) -> c_int;
    /// Takes a processor from a pool; a negative one stands for the last.
    cpupool_removecpu = "xc_cpupool_removecpu": (*mut xc_interface, u32, c_int) -> c_int;
    /// Moves a domain: pool, domain.
    cpupool_movedomain = "xc_cpupool_movedomain": (*mut xc_interface, u32, u32) -> c_int;
    /// The processors in no pool, a bitmap to be freed with `free`; null and errno on failure.
    cpupool_freeinfo = "xc_cpupool_freeinfo": (*mut xc_interface) -> *mut [u8; 0];
}
