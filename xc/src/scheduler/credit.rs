//! The schedulers credit and credit2: weights and caps of domains, parameters of pools.

use std::time::Duration;

use xen_types::DomId;
use xenctrl_sys::{
    Credit2Schedule, CreditSchedule, SchedCredit, SchedCredit2, XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US,
    XEN_SYSCTL_CSCHED_TSLICE_MAX, XEN_SYSCTL_CSCHED_TSLICE_MIN, XEN_SYSCTL_SCHED_RATELIMIT_MAX,
    XEN_SYSCTL_SCHED_RATELIMIT_MIN,
};

use super::micros;
use crate::error::Cause;
use crate::{Error, Result, Xc};

/// What a domain gets of the processors of its pool under credit and credit2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CpuShare {
    /// Its share against those of the others: one of 512 gets twice what one of 256 does. From 1 to
    /// 65535; new domains have 256.
    pub weight: u16,
    /// The most it gets though others idle, in hundredths of one processor: 50 is half of one, 400
    /// is four. 0 for no limit, as new domains have.
    pub cap: u16,
}

/// What a pool under credit has (`struct xen_sysctl_credit_schedule`,
/// `xen/include/public/sysctl.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CreditParams {
    /// How long a virtual CPU runs before others of its priority do: whole milliseconds from 1 to
    /// 1000.
    pub time_slice: Duration,
    /// How long it runs before others of a higher priority do: zero, or whole microseconds from 100
    /// to 500000, and no more than the time slice.
    pub rate_limit: Duration,
    /// How long its data are supposed to stay in the cache of the processor it left, where it would
    /// be put back: whole microseconds up to 100000.
    pub migration_delay: Duration,
}

/// What a pool under credit2 has (`struct xen_sysctl_credit2_schedule`,
/// `xen/include/public/sysctl.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Credit2Params {
    /// How long a virtual CPU runs at least: zero, or whole microseconds from 100 to 500000.
    pub rate_limit: Duration,
}

impl CpuShare {
    /// Xen takes a weight of 0 for none given (`csched_dom_cntl`, `xen/common/sched/credit.c`).
    fn check(self) -> Result<Self, Cause> {
        if self.weight == 0 { Err(Cause::Argument("a weight is at least 1")) } else { Ok(self) }
    }
}

impl CreditParams {
    fn to_raw(self) -> Result<CreditSchedule, Cause> {
        let slice = "a time slice is a whole number of milliseconds from 1 to 1000";
        let tslice_us = micros(self.time_slice, 0..=1000 * XEN_SYSCTL_CSCHED_TSLICE_MAX, slice)?;
        let tslice_ms = tslice_us / 1000;
        if tslice_us % 1000 != 0 || tslice_ms < XEN_SYSCTL_CSCHED_TSLICE_MIN {
            return Err(Cause::Argument(slice));
        }
        let ratelimit_us = rate_limit(self.rate_limit)?;
        if ratelimit_us > tslice_us {
            return Err(Cause::Argument("a rate limit is no longer than the time slice"));
        }
        let delay = "a migration delay is a whole number of microseconds up to 100000";
        let range = 0..=XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US;
        let vcpu_migr_delay_us = micros(self.migration_delay, range, delay)?;
        Ok(CreditSchedule { tslice_ms, ratelimit_us, vcpu_migr_delay_us })
    }

    fn from_raw(raw: CreditSchedule) -> Self {
        Self {
            time_slice: Duration::from_millis(raw.tslice_ms.into()),
            rate_limit: Duration::from_micros(raw.ratelimit_us.into()),
            migration_delay: Duration::from_micros(raw.vcpu_migr_delay_us.into()),
        }
    }
}

impl Xc {
    /// What `dom` gets under credit.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if its pool has another scheduler.
    #[doc(alias = "xc_sched_credit_domain_get")]
    pub fn credit_share(&self, dom: DomId) -> Result<CpuShare> {
        let fail = |e| Error::on("read its share under credit", dom, e);
        let SchedCredit { weight, cap } =
            self.backend.sched_credit_domain_get(dom).map_err(|e| fail(Cause::from(e)))?;
        Ok(CpuShare { weight, cap })
    }

    /// Sets what `dom` gets under credit. Both numbers are set: read first what is to stay.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if its pool has another scheduler, for a weight of 0,
    /// and for a cap of 65535, which Xen takes for none given.
    #[doc(alias = "xc_sched_credit_domain_set")]
    pub fn set_credit_share(&self, dom: DomId, share: CpuShare) -> Result<()> {
        let fail = |e| Error::on(format!("set its share under credit to {share:?}"), dom, e);
        let CpuShare { weight, cap } = share.check().map_err(fail)?;
        if cap == u16::MAX {
            return Err(fail(Cause::Argument("a cap is at most 65534")));
        }
        self.backend
            .sched_credit_domain_set(dom, SchedCredit { weight, cap })
            .map_err(|e| fail(e.into()))
    }

    /// What `dom` gets under credit2.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if its pool has another scheduler.
    #[doc(alias = "xc_sched_credit2_domain_get")]
    pub fn credit2_share(&self, dom: DomId) -> Result<CpuShare> {
        let SchedCredit2 { weight, cap } = self
            .backend
            .sched_credit2_domain_get(dom)
            .map_err(|e| Error::on("read its share under credit2", dom, e))?;
        Ok(CpuShare { weight, cap })
    }

    /// Sets what `dom` gets under credit2. Both numbers are set: read first what is to stay.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if its pool has another scheduler, for a weight of 0,
    /// and for a cap of more than 100 a virtual CPU.
    #[doc(alias = "xc_sched_credit2_domain_set")]
    pub fn set_credit2_share(&self, dom: DomId, share: CpuShare) -> Result<()> {
        let fail = |e| Error::on(format!("set its share under credit2 to {share:?}"), dom, e);
        let CpuShare { weight, cap } = share.check().map_err(fail)?;
        self.backend
            .sched_credit2_domain_set(dom, SchedCredit2 { weight, cap })
            .map_err(|e| fail(e.into()))
    }

    /// What the pool has under credit.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such pool,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it has another scheduler.
    #[doc(alias = "xc_sched_credit_params_get")]
    pub fn credit_params(&self, pool: u32) -> Result<CreditParams> {
        let raw = self.backend.sched_credit_params_get(pool);
        raw.map(CreditParams::from_raw)
            .map_err(|e| Error::new(format!("read what pool {pool} has under credit"), e))
    }

    /// Sets what the pool has under credit, and says what it has now.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such pool,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it has another scheduler, and for what is out of
    /// range or no whole number of the unit.
    #[doc(alias = "xc_sched_credit_params_set")]
    pub fn set_credit_params(&self, pool: u32, params: CreditParams) -> Result<CreditParams> {
        let fail = |e| Error::new(format!("give pool {pool} under credit {params:?}"), e);
        let raw = params.to_raw().map_err(fail)?;
        let now = self.backend.sched_credit_params_set(pool, raw).map_err(|e| fail(e.into()))?;
        Ok(CreditParams::from_raw(now))
    }

    /// What the pool has under credit2.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such pool,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it has another scheduler.
    #[doc(alias = "xc_sched_credit2_params_get")]
    pub fn credit2_params(&self, pool: u32) -> Result<Credit2Params> {
        let raw = self.backend.sched_credit2_params_get(pool);
        raw.map(Credit2Params::from_raw)
            .map_err(|e| Error::new(format!("read what pool {pool} has under credit2"), e))
    }

    /// Sets what the pool has under credit2, and says what it has now.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such pool,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it has another scheduler, and for what is out of
    /// range or no whole number of the unit.
    #[doc(alias = "xc_sched_credit2_params_set")]
    pub fn set_credit2_params(&self, pool: u32, params: Credit2Params) -> Result<Credit2Params> {
        let fail = |e| Error::new(format!("give pool {pool} under credit2 {params:?}"), e);
        let ratelimit_us = rate_limit(params.rate_limit).map_err(fail)?;
        let raw = Credit2Schedule { ratelimit_us };
        let now = self.backend.sched_credit2_params_set(pool, raw).map_err(|e| fail(e.into()))?;
        Ok(Credit2Params::from_raw(now))
    }
}

impl Credit2Params {
    fn from_raw(raw: Credit2Schedule) -> Self {
        Self { rate_limit: Duration::from_micros(raw.ratelimit_us.into()) }
    }
}

fn rate_limit(limit: Duration) -> Result<u32, Cause> {
    let or = "a rate limit is zero or a whole number of microseconds from 100 to 500000";
    if limit.is_zero() {
        return Ok(0);
    }
    micros(limit, XEN_SYSCTL_SCHED_RATELIMIT_MIN..=XEN_SYSCTL_SCHED_RATELIMIT_MAX, or)
}
