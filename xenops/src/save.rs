//! Saving a domain: the guest suspends itself, its state goes into a stream, and then it is removed
//! or goes on. Whatever fails, it goes on.

use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use xc::Capabilities;
use xen_types::{DomId, DomainUuid, Kind, PageCount, ShutdownReason};
use xg::{Precopied, Precopy, PrecopyLimits, Saved, Saving, Stopped};

use crate::domain::State;
use crate::error::{Cause, Error, Leftover, Problem, Remnant, Result};
use crate::host::Host;
use crate::lifecycle::not_control;
use crate::limits::Limits;

/// How a domain is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveOptions {
    /// Whether its memory is sent while it runs, so that it stands still for less long.
    pub live: bool,
    /// When to suspend it at the latest, if it is saved live.
    pub limits: PrecopyLimits,
    /// What becomes of it.
    pub afterwards: Afterwards,
}

impl Default for SaveOptions {
    /// As `xl save` does it: still, and removed afterwards.
    fn default() -> Self {
        Self { live: false, limits: PrecopyLimits::DEFAULT, afterwards: Afterwards::Removed }
    }
}

/// What becomes of a domain that has been saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// It is removed.
    Removed,
    /// It goes on: the save is a checkpoint. Its disks change from then on, unless they are copied
    /// while it is still suspended.
    GoesOn,
    /// It stays suspended, until it is removed or [`Host::resume`] lets it go on.
    StaysSuspended,
}

/// How far a save is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaveProgress {
    /// Before or after a round of a live save.
    Precopy(Precopied),
    /// So many of the frames of a round are sent.
    Sent {
        /// The frames sent.
        frames: PageCount,
        /// All frames of the round.
        of: PageCount,
    },
    /// The domain will be asked to suspend now.
    Suspending,
    /// It has suspended.
    Suspended,
}

impl Host {
    /// Writes a domain to `to`, for [`Host::restore`] here or elsewhere.
    ///
    /// Devices come and go, and other saves begin, only when it is over: it holds the domain's lock, as
    /// libxl's tools do for theirs. The guest must know how to suspend, as Linux does. `told` hears how far it is, in between
    /// the work. The limits are looked at before and after each step, while the guest is waited
    /// for, and each 4 MiB of memory. A write to a pipe or socket that does not return is ended by
    /// whoever has its other end.
    ///
    /// # Errors
    /// Whatever fails, the domain runs on, unless it was suspended before: a request that it had
    /// not taken is withdrawn, and a domain that had suspended is resumed; [`Error::leftovers`]
    /// says if that did not succeed. What was written to the stream is worth nothing then.
    /// [`crate::Kind::Unavailable`] for a live save of a PV guest where Xen was built without
    /// shadow paging, as Debian's is. [`crate::Kind::Cancelled`] and [`crate::Kind::TimedOut`] for
    /// the limits, [`crate::Kind::NoMemory`] for a file system that is full, [`crate::Kind::Busy`]
    /// for a domain that is paused or has another request to answer, [`crate::Kind::Unavailable`] if
    /// it is to be removed and has devices that cannot be. A domain that is saved and could not be removed is as
    /// for [`Host::destroy`].
    ///
    /// # Panics
    /// If `told` does; the domain runs on first.
    pub fn save(
        &self,
        dom: DomId,
        to: BorrowedFd<'_>,
        options: &SaveOptions,
        limits: &Limits,
        told: &mut dyn FnMut(SaveProgress),
    ) -> Result<Saved> {
        self.save_and(dom, to, options, limits, told, &mut || Ok(()))
    }

    /// The same, and does something with what was written, before the domain is removed. If that
    /// fails, so does the save.
    pub(crate) fn save_and(
        &self,
        dom: DomId,
        to: BorrowedFd<'_>,
        options: &SaveOptions,
        limits: &Limits,
        told: &mut dyn FnMut(SaveProgress),
        finish: &mut dyn FnMut() -> Result<(), Cause>,
    ) -> Result<Saved> {
        let fail = |cause: Cause| Error::new("save", dom, cause);
        not_control(dom).map_err(|problem| fail(problem.into()))?;
        // Held to the end: neither another save nor an attachment comes in between.
        let (_lock, ..) = self.lock_devices(dom, limits).map_err(fail)?;
        let info = self.existing(dom).map_err(fail)?;
        let (uuid, was_suspended) = (info.uuid, info.shutdown == Some(ShutdownReason::Suspend));
        if options.afterwards == Afterwards::Removed {
            self.check_devices(dom).map_err(fail)?;
        }
        if options.live && !info.is_hvm() {
            let host = self.xc.physinfo().map_err(|error| fail(error.into()))?;
            if !host.capabilities.contains(Capabilities::SHADOW) {
                return Err(fail(Problem::NoShadowPaging.into()));
            }
        }
        let builder = self.builder().map_err(|error| fail(error.into()))?;
        let mut how = if options.live { xg::SaveOptions::LIVE } else { xg::SaveOptions::STILL };
        how.limits = options.limits;
        let mut save = Save { host: self, dom, uuid, limits, told, reason: None, left: Vec::new() };
        let goes_on = options.afterwards == Afterwards::GoesOn;
        let saved = catch_unwind(AssertUnwindSafe(|| builder.save(dom, to, &how, &mut save)));
        let saved = saved.unwrap_or_else(|panic| {
            if !was_suspended && let Some(left) = self.resume_if_suspended(dom, uuid) {
                tracing::error!(what = %left.what, why = %left.why, "left behind in a panic");
            }
            resume_unwind(panic)
        });
        let saved = saved.map_err(|error| match save.reason.take() {
            Some(reason) => reason,
            None => error.into(),
        });
        let mut left = save.left;
        let finished = saved.and_then(|saved| {
            if goes_on {
                // It has waited for long enough.
                self.within(&self.removal_limits()).resume_guest(dom)?;
            }
            finish().map(|()| saved)
        });
        match finished {
            Err(cause) => {
                if left.is_empty() && !was_suspended {
                    left.extend(self.resume_if_suspended(dom, uuid));
                }
                Err(fail(cause).with_leftovers(left))
            }
            Ok(saved) if options.afterwards == Afterwards::Removed => {
                self.take_away(dom, uuid, limits, fail).map(|()| saved)
            }
            Ok(saved) => Ok(saved),
        }
    }

    /// Lets a domain go on whose save failed, if it had suspended.
    fn resume_if_suspended(&self, dom: DomId, uuid: DomainUuid) -> Option<Leftover> {
        let host = self.within(&self.removal_limits());
        let resumed = match host.state(dom, uuid) {
            Ok(State::Shutdown(ShutdownReason::Suspend)) => host.resume_guest(dom),
            Ok(_) => Ok(()),
            Err(cause) if cause.kind() == Kind::NotFound => Ok(()),
            Err(cause) => Err(cause),
        };
        resumed.err().map(|why| Leftover { what: Remnant::Suspension(dom), why })
    }
}

/// A save under way.
struct Save<'a> {
    host: &'a Host,
    dom: DomId,
    uuid: DomainUuid,
    limits: &'a Limits,
    told: &'a mut dyn FnMut(SaveProgress),
    /// Why it shall not go on.
    reason: Option<Cause>,
    left: Vec<Leftover>,
}

impl Saving for Save<'_> {
    fn suspend(&mut self) -> Result<(), Stopped> {
        (self.told)(SaveProgress::Suspending);
        let (dom, uuid, limits) = (self.dom, self.uuid, self.limits);
        match self.host.suspend_guest(dom, uuid, limits, &mut self.left) {
            Ok(()) => {
                (self.told)(SaveProgress::Suspended);
                Ok(())
            }
            Err(cause) => {
                self.reason = Some(cause);
                Err(Stopped)
            }
        }
    }

    fn go_on(&mut self) -> bool {
        match self.limits.check_time() {
            Ok(()) => true,
            Err(problem) => {
                self.reason.get_or_insert(problem.into());
                false
            }
        }
    }

    fn precopy(&mut self, so_far: &Precopied) -> Precopy {
        (self.told)(SaveProgress::Precopy(*so_far));
        Precopy::Continue
    }

    fn progress(&mut self, frames: PageCount, of: PageCount) {
        (self.told)(SaveProgress::Sent { frames, of });
    }
}
