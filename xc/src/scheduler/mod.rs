//! Schedulers: which there are, and what each lets a toolstack set.
//!
//! Every CPU pool has a scheduler of its own. A call for another scheduler than that of the domain's
//! or the given pool is refused, so a toolstack asks [`Xc::cpupool`] first.
//!
//! Not covered: the schedules of arinc653 (`xc_sched_arinc653_schedule_set`), which avionics use.

mod credit;
mod pool;
mod rtds;

use std::fmt;
use std::time::Duration;

use xenctrl_sys::{
    XEN_SCHEDULER_ARINC653, XEN_SCHEDULER_CREDIT, XEN_SCHEDULER_CREDIT2, XEN_SCHEDULER_NULL,
    XEN_SCHEDULER_RTDS,
};

pub use credit::{CpuShare, Credit2Params, CreditParams};
pub use pool::{CpuPool, CpuPools};
pub use rtds::{RtdsReservation, RtdsVcpu};

use crate::error::Cause;
use crate::{Error, Result, Xc};

/// A scheduler (`XEN_SCHEDULER_*`, `xen/include/public/domctl.h`). Its text is the word that Xen's
/// option `sched=` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheduler {
    /// Fair shares by credits; [`Xc::credit_share`].
    Credit,
    /// Fair shares by credits, with one queue for several processors; [`Xc::credit2_share`].
    Credit2,
    /// Fixed time slots for avionics; what it lets one set is not covered here.
    Arinc653,
    /// Periods and budgets; [`Xc::rtds_vcpus`].
    Rtds,
    /// One virtual CPU per processor, no scheduling.
    Null,
    /// One not known here.
    Unknown(u32),
}

impl Scheduler {
    /// The number that Xen gives it.
    pub const fn raw(self) -> u32 {
        match self {
            Self::Credit => XEN_SCHEDULER_CREDIT,
            Self::Credit2 => XEN_SCHEDULER_CREDIT2,
            Self::Arinc653 => XEN_SCHEDULER_ARINC653,
            Self::Rtds => XEN_SCHEDULER_RTDS,
            Self::Null => XEN_SCHEDULER_NULL,
            Self::Unknown(raw) => raw,
        }
    }
}

impl From<u32> for Scheduler {
    fn from(raw: u32) -> Self {
        match raw {
            XEN_SCHEDULER_CREDIT => Self::Credit,
            XEN_SCHEDULER_CREDIT2 => Self::Credit2,
            XEN_SCHEDULER_ARINC653 => Self::Arinc653,
            XEN_SCHEDULER_RTDS => Self::Rtds,
            XEN_SCHEDULER_NULL => Self::Null,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Credit => "credit",
            Self::Credit2 => "credit2",
            Self::Arinc653 => "arinc653",
            Self::Rtds => "rtds",
            Self::Null => "null",
            Self::Unknown(raw) => return write!(f, "scheduler {raw}"),
        };
        f.pad(word)
    }
}

impl Xc {
    /// The scheduler that the host booted with, which pool 0 has.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_sched_id")]
    pub fn scheduler(&self) -> Result<Scheduler> {
        let id = self.backend.sched_id().map_err(|e| Error::new("read the scheduler", e))?;
        Ok(Scheduler::from(id.cast_unsigned()))
    }
}

/// So many whole microseconds, within a range.
fn micros(
    of: Duration,
    range: std::ops::RangeInclusive<u32>,
    or: &'static str,
) -> Result<u32, Cause> {
    let whole = of.subsec_nanos().is_multiple_of(1000);
    let number = u32::try_from(of.as_micros()).ok().filter(|n| whole && range.contains(n));
    number.ok_or(Cause::Argument(or))
}

#[cfg(test)]
mod tests;
