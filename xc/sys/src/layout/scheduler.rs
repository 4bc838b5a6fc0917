//! Parameters of schedulers, and CPU pools.

crate::c_structs! {
    /// `struct xen_domctl_sched_credit` (`xen/include/public/domctl.h`).
    pub struct SchedCredit = "struct xen_domctl_sched_credit" [15, 22], 4 bytes {
        0: weight: u16,
        2: cap: u16,
    }

    /// `struct xen_domctl_sched_credit2` (`xen/include/public/domctl.h`).
    pub struct SchedCredit2 = "struct xen_domctl_sched_credit2" [15, 22], 4 bytes {
        0: weight: u16,
        2: cap: u16,
    }

    /// `struct xen_domctl_sched_rtds` (`xen/include/public/domctl.h`): microseconds.
    pub struct SchedRtds = "struct xen_domctl_sched_rtds" [15, 22], 12 bytes {
        0: period: u32,
        4: budget: u32,
        8: flags: u32,
    }

    /// `struct xen_domctl_schedparam_vcpu` (`xen/include/public/domctl.h`) with the largest member
    /// of its union, the only one in use.
    pub struct SchedVcpuParam = "struct xen_domctl_schedparam_vcpu" [15, 22], 16 bytes {
        0: rtds("u.rtds"): SchedRtds,
        12: vcpuid: u32,
    }

    /// `struct xen_sysctl_credit_schedule` (`xen/include/public/sysctl.h`).
    pub struct CreditSchedule = "struct xen_sysctl_credit_schedule" [15, 22], 12 bytes {
        0: tslice_ms: u32,
        4: ratelimit_us: u32,
        8: vcpu_migr_delay_us: u32,
    }

    /// `struct xen_sysctl_credit2_schedule` (`xen/include/public/sysctl.h`).
    pub struct Credit2Schedule = "struct xen_sysctl_credit2_schedule" [15, 22], 4 bytes {
        0: ratelimit_us: u32,
    }

    /// `xc_cpupoolinfo_t` (`tools/include/xenctrl.h`); the map has as many bytes as
    /// `xc_get_cpumap_size` says.
    pub struct CpuPoolInfo = "xc_cpupoolinfo_t" [15, 22], 24 bytes {
        0: cpupool_id: u32,
        4: sched_id: u32,
        8: n_dom: u32,
        16: cpumap: *mut [u8; 0],
    }
}
