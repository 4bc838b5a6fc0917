//! Schedulers and CPU pools.

crate::constants! {
    /// The scheduler credit.
    XEN_SCHEDULER_CREDIT: u32 = 5;
    /// The scheduler credit2.
    XEN_SCHEDULER_CREDIT2: u32 = 6;
    /// The scheduler arinc653.
    XEN_SCHEDULER_ARINC653: u32 = 7;
    /// The scheduler rtds.
    XEN_SCHEDULER_RTDS: u32 = 8;
    /// The scheduler null.
    XEN_SCHEDULER_NULL: u32 = 9;
    /// A virtual CPU under rtds may run beyond its budget while nobody else needs the time.
    XEN_DOMCTL_SCHEDRT_EXTRA ("XEN_DOMCTL_SCHEDRT_extra"): u32 = 1 << 0;
    /// Asks for a free id of a pool.
    XC_CPUPOOL_POOLID_ANY: u32 = u32::MAX;
    /// The shortest time slice of credit, in milliseconds.
    XEN_SYSCTL_CSCHED_TSLICE_MIN: u32 = 1;
    /// The longest time slice of credit, in milliseconds.
    XEN_SYSCTL_CSCHED_TSLICE_MAX: u32 = 1000;
    /// The longest migration delay of credit, in microseconds.
    XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US: u32 = 100_000;
    /// The lowest limit on the rate of context switches, in microseconds.
    XEN_SYSCTL_SCHED_RATELIMIT_MIN: u32 = 100;
    /// The highest limit on the rate of context switches, in microseconds.
    XEN_SYSCTL_SCHED_RATELIMIT_MAX: u32 = 500_000;
}
