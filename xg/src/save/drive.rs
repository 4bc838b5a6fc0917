//! What stands between libxenguest's callbacks and the caller's [`Saving`]: looks whether to go on,
//! keeps the limits, and knows how far the save is.

use xen_types::{DomId, PageCount};
use xenguest_sys::{PrecopyStats, Progress};

use super::{Checkpoint, Precopied, Precopy, PrecopyLimits, SavePhase, Saved, Saving, Stopped};
use crate::backend::Saver;

/// A save under way.
pub(super) struct Drive<'a> {
    saving: &'a mut dyn Saving,
    limits: PrecopyLimits,
    phase: SavePhase,
    stopped: bool,
    frames: Frames,
}

impl<'a> Drive<'a> {
    pub(super) fn new(saving: &'a mut dyn Saving, limits: PrecopyLimits) -> Self {
        let phase = SavePhase::Starting;
        Self { saving, limits, phase, stopped: false, frames: Frames::default() }
    }

    /// Asks whether to go on. Once the answer was no, it stays.
    pub(super) fn stops(&mut self) -> bool {
        self.stopped = self.stopped || !self.saving.go_on();
        self.stopped
    }

    /// Whether the caller stopped the save.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn phase(&self) -> SavePhase {
        self.phase
    }

    pub(super) fn saved(&self) -> Saved {
        self.frames.saved()
    }

    /// Asks the caller for something, unless it wants to stop before or after.
    fn ask<R>(&mut self, question: impl FnOnce(&mut Self) -> Result<R, Stopped>) -> Option<R> {
        if self.stops() {
            return None;
        }
        let answer = question(self);
        self.stopped |= answer.is_err();
        answer.ok().filter(|_| !self.stops())
    }
}

impl Saver for Drive<'_> {
    fn suspend(&mut self) -> i32 {
        let suspended = self.ask(|drive| {
            drive.phase = SavePhase::Suspending;
            drive.saving.suspend()?;
            drive.phase = SavePhase::Suspended;
            Ok(())
        });
        suspended.map_or(0, |()| 1)
    }

    fn precopy_policy(&mut self, stats: PrecopyStats) -> i32 {
        let so_far = Precopied::from(stats);
        let wanted = self.ask(|drive| {
            drive.phase = SavePhase::Precopy;
            match drive.saving.precopy(&so_far) {
                Precopy::Abort => Err(Stopped),
                Precopy::Continue => Ok(drive.limits.decide(&so_far)),
                Precopy::StopAndCopy => Ok(Precopy::StopAndCopy),
            }
        });
        wanted.unwrap_or(Precopy::Abort).raw()
    }

    fn postcopy(&mut self) -> i32 {
        let resumed = self.ask(|drive| {
            drive.saving.resume()?;
            drive.phase = SavePhase::Starting;
            Ok(())
        });
        resumed.map_or(-1, |()| 1)
    }

    fn checkpoint(&mut self) -> i32 {
        match self.ask(|drive| drive.saving.checkpoint()) {
            Some(Checkpoint::Another) => 1,
            Some(Checkpoint::Last) => 0,
            None => -1,
        }
    }

    fn switch_qemu_logdirty(&mut self, _dom: DomId, enable: bool) -> i32 {
        // To be turned off whatever the caller wants: libxenguest cleans up.
        if !enable {
            return self.saving.log_dirty(false).map_or(-1, |()| 0);
        }
        self.ask(|drive| drive.saving.log_dirty(true)).map_or(-1, |()| 0)
    }

    fn progress(&mut self, progress: Progress<'_>) -> bool {
        tracing::debug!(
            doing = progress.doing,
            done = progress.done,
            total = progress.total,
            "save"
        );
        if progress.total == 0 {
            return !self.stops();
        }
        self.frames.count(progress.done);
        self.saving.progress(PageCount(progress.done), PageCount(progress.total));
        !self.stops()
    }
}

/// Counts what is sent, by how far each round came.
#[derive(Debug, Default)]
struct Frames {
    rounds: u32,
    earlier: u64,
    round: Option<u64>,
}

impl Frames {
    /// So many frames of a round are sent. Each begins at 0 and goes up.
    fn count(&mut self, done: u64) {
        if self.round.is_none_or(|before| done < before) {
            self.rounds += 1;
            self.earlier += self.round.unwrap_or(0);
        }
        self.round = Some(done);
    }

    fn saved(&self) -> Saved {
        let frames = PageCount(self.earlier + self.round.unwrap_or(0));
        Saved { rounds: self.rounds, frames }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_ends_where_the_next_begins() {
        let mut frames = Frames::default();
        for done in [0, 1024, 1500, 0, 70, 0, 3] {
            frames.count(done);
        }
        assert_eq!(frames.saved(), Saved { rounds: 3, frames: PageCount(1573) });
    }

    #[test]
    fn a_save_that_sent_nothing_has_no_rounds() {
        assert_eq!(Frames::default().saved(), Saved { rounds: 0, frames: PageCount(0) });
    }
}
