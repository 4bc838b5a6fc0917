//! The scheduler rtds: every virtual CPU has a budget for each period.
//!
//! Only a Xen that was configured for debugging, or for it, has this scheduler; Debian's has not.

use std::time::Duration;

use xen_types::DomId;
use xenctrl_sys::{SchedRtds, SchedVcpuParam, XEN_DOMCTL_SCHEDRT_EXTRA};

use super::micros;
use crate::error::Cause;
use crate::{Error, Result, Xc};

/// How much time a virtual CPU gets, and how often.
///
/// Both are whole microseconds, at least 10, and the budget is no more than the period, which is at
/// most 4294.967295 s (`rt_dom_cntl`, `xen/common/sched/rt.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RtdsReservation {
    /// How often the budget is renewed; 10 ms for new virtual CPUs.
    pub period: Duration,
    /// How long it runs in a period; 4 ms for new virtual CPUs.
    pub budget: Duration,
}

/// What a virtual CPU has under rtds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RtdsVcpu {
    /// Its number in its domain.
    pub vcpu: u32,
    /// What it gets.
    pub reservation: RtdsReservation,
    /// Whether it may go on with its budget spent while nobody else needs the time.
    pub extra_time: bool,
}

impl RtdsReservation {
    fn to_raw(self) -> Result<SchedRtds, Cause> {
        let or = "period and budget are whole microseconds, at least 10 and at most 4294967295";
        let period = micros(self.period, 10..=u32::MAX, or)?;
        let budget = micros(self.budget, 10..=u32::MAX, or)?;
        if budget > period {
            return Err(Cause::Argument("a budget is no more than its period"));
        }
        Ok(SchedRtds { period, budget, flags: 0 })
    }

    fn from_raw(raw: SchedRtds) -> Self {
        Self {
            period: Duration::from_micros(raw.period.into()),
            budget: Duration::from_micros(raw.budget.into()),
        }
    }
}

impl RtdsVcpu {
    fn to_raw(self) -> Result<SchedVcpuParam, Cause> {
        let flags = if self.extra_time { XEN_DOMCTL_SCHEDRT_EXTRA } else { 0 };
        let rtds = SchedRtds { flags, ..self.reservation.to_raw()? };
        Ok(SchedVcpuParam { rtds, vcpuid: self.vcpu })
    }

    fn from_raw(raw: &SchedVcpuParam) -> Self {
        Self {
            vcpu: raw.vcpuid,
            reservation: RtdsReservation::from_raw(raw.rtds),
            extra_time: raw.rtds.flags & XEN_DOMCTL_SCHEDRT_EXTRA != 0,
        }
    }
}

impl Xc {
    /// What the virtual CPUs of `dom` start with under rtds: Xen's own default, whatever they have
    /// now. See [`Xc::rtds_vcpus`] for that.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if its pool has another scheduler.
    #[doc(alias = "xc_sched_rtds_domain_get")]
    pub fn rtds_default(&self, dom: DomId) -> Result<RtdsReservation> {
        let raw = self.backend.sched_rtds_domain_get(dom);
        raw.map(RtdsReservation::from_raw)
            .map_err(|e| Error::on("read the default under rtds", dom, e))
    }

    /// Gives every virtual CPU of `dom` the same reservation. Whether they may use extra time stays
    /// as it is.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if its pool has another scheduler, and for what is out
    /// of range, part of which Xen does not check here.
    #[doc(alias = "xc_sched_rtds_domain_set")]
    pub fn set_rtds(&self, dom: DomId, to: RtdsReservation) -> Result<()> {
        let fail = |e| Error::on(format!("give all virtual CPUs {to:?}"), dom, e);
        let raw = to.to_raw().map_err(fail)?;
        self.backend.sched_rtds_domain_set(dom, raw).map_err(|e| fail(e.into()))
    }

    /// What these virtual CPUs of `dom` have under rtds, in the order asked for.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if its pool has another scheduler or it has no such
    /// virtual CPU.
    #[doc(alias = "xc_sched_rtds_vcpu_get")]
    pub fn rtds_vcpus(&self, dom: DomId, vcpus: &[u32]) -> Result<Vec<RtdsVcpu>> {
        let fail = |e| Error::on(format!("read what virtual CPUs {vcpus:?} have"), dom, e);
        let entry = |&vcpuid| SchedVcpuParam { vcpuid, ..SchedVcpuParam::default() };
        let mut entries: Vec<_> = vcpus.iter().map(entry).collect();
        self.backend.sched_rtds_vcpu_get(dom, &mut entries).map_err(fail)?;
        Ok(entries.iter().map(RtdsVcpu::from_raw).collect())
    }

    /// Sets what some virtual CPUs of `dom` have under rtds, one after the other: of several, those
    /// before the one that is refused are set.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if its pool has another scheduler, it has no such
    /// virtual CPU, and for what is out of range; the last before any is set.
    #[doc(alias = "xc_sched_rtds_vcpu_set")]
    pub fn set_rtds_vcpus(&self, dom: DomId, to: &[RtdsVcpu]) -> Result<()> {
        let fail = |e| Error::on(format!("set {to:?}"), dom, e);
        let raw: Result<Vec<_>, _> = to.iter().map(|vcpu| vcpu.to_raw()).collect();
        let raw = raw.map_err(fail)?;
        self.backend.sched_rtds_vcpu_set(dom, &raw).map_err(|e| fail(e.into()))
    }
}
