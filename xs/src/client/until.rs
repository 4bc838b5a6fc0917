//! A deadline with the clock that it is on.

use std::time::{Duration, Instant};

use xen_types::{Clock, Deadline};

use crate::error::Lost;

/// Until when somebody waits, and by whose clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until<'a> {
    pub(super) deadline: Deadline,
    pub(super) clock: &'a Clock,
}

impl Until<'_> {
    pub(super) fn passed(self) -> bool {
        self.clock.passed(self.deadline)
    }

    /// Waits for what `ready` waits for, for no longer than it is told to; `now` is what the clock
    /// has said last.
    pub(super) fn wait(
        self,
        now: Instant,
        mut ready: impl FnMut(Duration) -> Result<bool, Lost>,
    ) -> Result<(), Lost> {
        let ready = |limit| match ready(limit) {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(lost) => Some(Err(lost)),
        };
        self.clock.wait(self.deadline, now, ready).unwrap_or(Ok(()))
    }
}
