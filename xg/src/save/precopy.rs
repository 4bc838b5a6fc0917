//! When a live save stops sending what the domain goes on to change. Pure.

use xen_types::PageCount;
use xenguest_sys::{
    PrecopyStats, XGS_POLICY_ABORT, XGS_POLICY_CONTINUE_PRECOPY, XGS_POLICY_STOP_AND_COPY,
};

/// How a live save goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Precopied {
    /// The rounds that are over.
    pub rounds: u32,
    /// The frames sent in them.
    pub sent: PageCount,
    /// The frames that are to be sent now. Before the first round all that the domain can have,
    /// after a round none is known until they have been counted.
    pub dirty: Option<PageCount>,
}

impl From<PrecopyStats> for Precopied {
    fn from(stats: PrecopyStats) -> Self {
        Self {
            rounds: stats.iteration,
            sent: PageCount(stats.total_written),
            // Less than 0 is "unknown" (xenguest.h).
            dirty: u64::try_from(stats.dirty_count).ok().map(PageCount),
        }
    }
}

/// What a live save does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precopy {
    /// Send what is dirty while the domain runs.
    Continue,
    /// Suspend the domain, and send what is left.
    StopAndCopy,
    /// Give up; the domain runs on.
    Abort,
}

impl Precopy {
    pub(super) const fn raw(self) -> i32 {
        match self {
            Self::Continue => XGS_POLICY_CONTINUE_PRECOPY,
            Self::StopAndCopy => XGS_POLICY_STOP_AND_COPY,
            Self::Abort => XGS_POLICY_ABORT,
        }
    }
}

/// When the domain is suspended at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrecopyLimits {
    /// After so many rounds.
    pub rounds: u32,
    /// When fewer frames are dirty.
    pub dirty: PageCount,
}

impl PrecopyLimits {
    /// Five rounds, 50 frames: what libxl has (`tools/libs/light/libxl_dom_save.c`, 4.15 to 4.22).
    pub const DEFAULT: Self = Self { rounds: 5, dirty: PageCount(50) };

    /// What to do, if nobody knows better.
    pub fn decide(self, so_far: &Precopied) -> Precopy {
        let few = so_far.dirty.is_some_and(|dirty| dirty < self.dirty);
        if few || so_far.rounds >= self.rounds { Precopy::StopAndCopy } else { Precopy::Continue }
    }
}

impl Default for PrecopyLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(rounds: u32, dirty: i64) -> Precopy {
        let stats = PrecopyStats { iteration: rounds, total_written: 0, dirty_count: dirty };
        PrecopyLimits::DEFAULT.decide(&stats.into())
    }

    #[test]
    fn few_dirty_frames_suspend_the_domain() {
        assert_eq!(decided(1, 50), Precopy::Continue);
        assert_eq!(decided(1, 49), Precopy::StopAndCopy);
        assert_eq!(decided(1, 0), Precopy::StopAndCopy);
    }

    #[test]
    fn the_fifth_round_is_the_last_however_many_frames_are_dirty() {
        assert_eq!(decided(4, 1_000_000), Precopy::Continue);
        assert_eq!(decided(5, 1_000_000), Precopy::StopAndCopy);
    }

    #[test]
    fn an_unknown_number_is_not_few() {
        assert_eq!(decided(1, -1), Precopy::Continue);
        assert_eq!(decided(5, -1), Precopy::StopAndCopy);
    }
}
