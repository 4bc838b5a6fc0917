//! Waiting for a condition: what to do next, given what was seen so far.
//!
//! ```text
//!   look ─▶ watch ─▶ look ─▶ event ─┐        met at any look: done
//!                     ▲             │
//!                     └─────────────┘
//! ```
//!
//! What is true already costs no watch. The look after the watch finds what changed in between.

use crate::ask::{Outcome, found};
use crate::condition::{Condition, Met, Seen, describe};
use crate::error::Cause;
use crate::path::Path;
use crate::proto::{Reply, Request};

#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    condition: &'a Condition,
    seen: Seen,
    stage: Stage,
}

/// What has to happen next.
#[derive(Debug)]
pub(crate) enum Need<'a> {
    /// Put these, and tell [`Waiting::looked`] the answers.
    Look(Vec<Request<'a>>),
    /// Watch these, and tell [`Waiting::watching`].
    Watch(Vec<&'a Path>),
    /// Wait for an event, drop those that came with it, and tell [`Waiting::woken`].
    Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    FirstLook,
    Watch,
    Look,
    Event,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(condition: &'a Condition) -> Self {
        Self { condition, seen: condition.unseen(), stage: Stage::FirstLook }
    }

    pub(crate) fn need(&self) -> Need<'_> {
        match self.stage {
            Stage::FirstLook | Stage::Look => {
                Need::Look(self.seen.keys().map(Request::Read).collect())
            }
            Stage::Watch => Need::Watch(self.seen.keys().collect()),
            Stage::Event => Need::Event,
        }
    }

    pub(crate) fn looked(&mut self, answers: Vec<Outcome>) -> Result<Option<Met>, Cause> {
        let before = match self.stage {
            Stage::FirstLook => "nothing yet".to_owned(),
            _ => describe(&self.seen),
        };
        for (value, answer) in self.seen.values_mut().zip(answers) {
            let first = self.stage == Stage::FirstLook;
            *value = match found(answer) {
                Ok(reply) => reply.map(Reply::into_value),
                Err(Cause::NotSent) if first => return Err(Cause::NotSent),
                Err(cause) => return Err(silent(cause, &before)),
            };
        }
        self.stage = match self.stage {
            Stage::FirstLook => Stage::Watch,
            _ => Stage::Event,
        };
        Ok(self.condition.check(&self.seen))
    }

    pub(crate) fn watching(&mut self, outcome: Result<(), Cause>) -> Result<(), Cause> {
        self.stage = Stage::Look;
        outcome.map_err(|cause| silent(cause, &describe(&self.seen)))
    }

    pub(crate) fn woken(&mut self, outcome: Result<(), Cause>) -> Result<(), Cause> {
        self.stage = Stage::Look;
        outcome.map_err(|cause| match cause {
            Cause::NoEvent => Cause::NotMet { last_seen: describe(&self.seen) },
            other => other,
        })
    }
}

/// A request that was not answered in time, told as part of a wait.
fn silent(cause: Cause, last_seen: &str) -> Cause {
    match cause {
        Cause::TimedOut => Cause::Silent { last_seen: last_seen.into() },
        Cause::NotSent => Cause::NotMet { last_seen: last_seen.into() },
        other => other,
    }
}
