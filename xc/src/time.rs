//! What time a domain has, and the caller's watchdogs.

use std::time::Duration;

use rustix::io::Errno;
use xen_types::DomId;

use crate::backend::CallError;
use crate::{Error, Result, Xc};

/// How a domain reads the time-stamp counter (`XEN_CPUID_TSC_MODE_*`,
/// `xen/arch/x86/include/asm/time.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TscMode {
    /// Native while that is sound on this host, emulated otherwise.
    #[default]
    Default,
    /// Every read is emulated.
    AlwaysEmulate,
    /// Never emulated: fast, and wrong after a migration to a host of another frequency.
    Native,
    /// A mode that is not known here.
    Unknown(u32),
}

impl TscMode {
    /// The number in Xen's interfaces.
    pub const fn raw(self) -> u32 {
        match self {
            Self::Default => 0,
            Self::AlwaysEmulate => 1,
            Self::Native => 2,
            Self::Unknown(raw) => raw,
        }
    }
}

impl From<u32> for TscMode {
    fn from(raw: u32) -> Self {
        match raw {
            0 => Self::Default,
            1 => Self::AlwaysEmulate,
            2 => Self::Native,
            other => Self::Unknown(other),
        }
    }
}

/// The time-stamp counter of a domain at one moment, as it goes along with a saved domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TscInfo {
    /// How it is read.
    pub mode: TscMode,
    /// How long it has counted. Zero for a native one.
    pub elapsed: Duration,
    /// Its frequency; 0 stands for the host's, also for a native one.
    pub khz: u32,
    /// How often it was set, which is once more for each save and restore.
    pub incarnation: u32,
}

/// A watchdog of the caller's domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchdogId(pub u32);

impl Xc {
    /// Sets how `dom` reads the time-stamp counter, at the host's frequency. Before its virtual CPUs
    /// first run.
    ///
    /// # Errors
    /// As [`Xc::set_tsc`].
    #[doc(alias = "xc_domain_set_tsc_info")]
    pub fn set_tsc_mode(&self, dom: DomId, mode: TscMode) -> Result<()> {
        self.set_tsc(dom, &TscInfo { mode, ..TscInfo::default() })
    }

    /// Sets the time-stamp counter of `dom`, as it was where the domain comes from. Before its virtual
    /// CPUs first run. Xen counts the incarnation one further.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for an unknown mode or the caller's own domain.
    #[doc(alias = "xc_domain_set_tsc_info")]
    pub fn set_tsc(&self, dom: DomId, tsc: &TscInfo) -> Result<()> {
        let TscInfo { mode, elapsed, khz, incarnation } = *tsc;
        u64::try_from(elapsed.as_nanos())
            .map_err(|_| CallError::Errno(Errno::RANGE))
            .and_then(|elapsed| {
                self.backend.domain_set_tsc_info(dom, mode.raw(), elapsed, khz, incarnation)
            })
            .map_err(|e| Error::on(format!("set the TSC to {tsc:?}"), dom, e))
    }

    /// The time-stamp counter of `dom`.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for the caller's own domain.
    #[doc(alias = "xc_domain_get_tsc_info")]
    pub fn tsc(&self, dom: DomId) -> Result<TscInfo> {
        let (mode, elapsed, khz, incarnation) =
            self.backend.domain_get_tsc_info(dom).map_err(|e| Error::on("read the TSC", dom, e))?;
        let elapsed = Duration::from_nanos(elapsed);
        Ok(TscInfo { mode: mode.into(), elapsed, khz, incarnation })
    }

    /// Sets how many seconds the wall clock of `dom` is ahead of the host's; less than 0 is behind.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone.
    #[doc(alias = "xc_domain_set_time_offset")]
    pub fn set_time_offset(&self, dom: DomId, seconds: i32) -> Result<()> {
        self.backend
            .domain_set_time_offset(dom, seconds)
            .map_err(|e| Error::on(format!("set its clock {seconds} s ahead"), dom, e))
    }

    /// Starts a watchdog over the domain that the caller runs in: unless it is
    /// [set anew](Xc::set_watchdog) before `timeout` has passed, Xen shuts that domain down, which
    /// for the control domain reboots the host. A domain can have two. Nothing stops one by itself:
    /// not the end of this program, nor dropping this handle.
    ///
    /// `timeout` is rounded up to whole seconds.
    ///
    /// # Errors
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if the domain has two,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for no time at all or more than 2³² seconds.
    #[doc(alias = "xc_watchdog")]
    pub fn start_watchdog(&self, timeout: Duration) -> Result<WatchdogId> {
        let fail = |e: CallError| Error::new(format!("start a watchdog of {timeout:?}"), e);
        match seconds(timeout).map_err(fail)? {
            // Xen would let it bite at once (domain_watchdog, xen/common/sched/core.c).
            0 => Err(fail(Errno::INVAL.into())),
            seconds => self.backend.watchdog(0, seconds).map(WatchdogId).map_err(fail),
        }
    }

    /// Gives a watchdog this much time from now on, rounded up to whole seconds; none at all ends it.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if the domain has no such watchdog, or for more than
    /// 2³² seconds.
    #[doc(alias = "xc_watchdog")]
    pub fn set_watchdog(&self, WatchdogId(id): WatchdogId, timeout: Duration) -> Result<()> {
        let fail = |e: CallError| Error::new(format!("set watchdog {id} to {timeout:?}"), e);
        match id {
            0 => Err(fail(Errno::INVAL.into())), // asks for another one
            id => seconds(timeout)
                .and_then(|seconds| self.backend.watchdog(id, seconds))
                .map(drop)
                .map_err(fail),
        }
    }
}

fn seconds(timeout: Duration) -> Result<u32, CallError> {
    let more = u64::from(timeout.subsec_nanos() > 0);
    let seconds = timeout.as_secs().saturating_add(more);
    u32::try_from(seconds).map_err(|_| Errno::RANGE.into())
}
