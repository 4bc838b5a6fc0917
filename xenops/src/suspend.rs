//! Asking a guest to suspend itself, and letting it go on.
//!
//! ```text
//!          control/shutdown = "suspend"       guest: ""            Xen: SHUTDOWN_suspend
//!  asked ────────────────────────────▶ unheard ────▶ acknowledged ─────▶ suspended
//!  given up then:                      withdrawn     waited for, resumed   resumed
//! ```
//! So a guest that was asked runs on, whenever the caller loses patience. The node is the guest's:
//! what it holds decides only whether a request is taken back.

use devices::paths::DomainPaths;
use xen_types::{DomId, DomainUuid, Kind, ShutdownReason};
use xs::{Path, Store, View, Watch};

use crate::domain::State;
use crate::error::{Cause, Error, Leftover, Problem, Remnant, Result};
use crate::host::Host;
use crate::lifecycle::not_control;
use crate::limits::Limits;

impl Host {
    /// Asks a domain to suspend itself, and waits until it has: its memory stays, its vcpus stand
    /// still. One that is suspended already is left so.
    ///
    /// # Errors
    /// [`crate::Kind::TimedOut`] and [`crate::Kind::Cancelled`]: the domain then runs on. A request
    /// that it had not taken is withdrawn; one that it had taken is waited for, for up to 10 s, and
    /// the domain resumed. [`Error::leftovers`] says so if that did not succeed.
    /// [`crate::Kind::Busy`] if it is paused or has another request to answer, [`Problem::Ended`]
    /// if it stopped in another way.
    pub fn suspend(&self, dom: DomId, limits: &Limits) -> Result<()> {
        let fail = |cause: Cause| Error::new("suspend", dom, cause);
        not_control(dom).map_err(|problem| fail(problem.into()))?;
        let (_lock, ..) = self.lock_devices(dom, limits).map_err(fail)?;
        let uuid = self.existing(dom).map_err(fail)?.uuid;
        let mut left = Vec::new();
        let suspended = self.suspend_guest(dom, uuid, limits, &mut left);
        suspended.map_err(|cause| fail(cause).with_leftovers(left))
    }

    /// Lets a suspended domain go on where it is. To the guest, its call to suspend says that it
    /// was not saved, and it keeps its rings and ports.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] if it is not suspended, [`crate::Kind::NotFound`] if there is no
    /// such domain, [`crate::Kind::TimedOut`] if another operation, a save say, still has it after
    /// 10 s.
    pub fn resume(&self, dom: DomId) -> Result<()> {
        let fail = |cause: Cause| Error::new("resume", dom, cause);
        not_control(dom).map_err(|problem| fail(problem.into()))?;
        let (_lock, ..) = self.lock_devices(dom, &self.removal_limits()).map_err(fail)?;
        self.resume_guest(dom).map_err(fail)
    }

    /// Asks for a suspension and sees to it, or to it that the guest runs on; what that did not
    /// achieve goes to `left`.
    pub(crate) fn suspend_guest(
        &self,
        dom: DomId,
        uuid: DomainUuid,
        limits: &Limits,
        left: &mut Vec<Leftover>,
    ) -> Result<(), Cause> {
        let host = self.within(limits);
        match host.state(dom, uuid)? {
            State::Shutdown(ShutdownReason::Suspend) => return Ok(()),
            State::Paused => return Err(Problem::Paused.into()),
            _ => limits.check_time()?,
        }
        // Watched before it is asked: the answer cannot be missed.
        let mut changes = host.store.watch(&Path::RELEASE_DOMAIN)?;
        let mut may_stand = false;
        let waited = match host.ask_to_suspend(dom, &mut may_stand) {
            // Nothing was written.
            Err(cause) if !may_stand => return Err(cause),
            // The request may stand, although its answer is lost.
            Err(cause) => Err(cause),
            // Not `host`: what the guest did with the request is asked when the time is up.
            Ok(()) => self.await_suspension(dom, uuid, limits, &mut changes),
        };
        if waited.is_err() {
            left.extend(self.run_on(dom, uuid));
        }
        waited
    }

    fn await_suspension(
        &self,
        dom: DomId,
        uuid: DomainUuid,
        limits: &Limits,
        changes: &mut Watch,
    ) -> Result<(), Cause> {
        while !self.suspension(dom, uuid, limits)? {
            match changes.wait(limits.next_look()) {
                Err(error) if error.kind() != Kind::TimedOut => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the guest that was asked has suspended; fails once it is no use to wait on.
    fn suspension(&self, dom: DomId, uuid: DomainUuid, limits: &Limits) -> Result<bool, Cause> {
        match self.state(dom, uuid)? {
            State::Shutdown(ShutdownReason::Suspend) => return Ok(true),
            State::Shutdown(other) => return Err(Problem::Ended(other).into()),
            State::Dying => return Err(Problem::NoSuchDomain.into()),
            _ => limits.check()?,
        }
        if limits.is_late() {
            return Err(self.unheeded(dom, "the domain to suspend"));
        }
        Ok(false)
    }

    /// Resumes a guest that has suspended itself, and tells xenstored to look out for its next end.
    pub(crate) fn resume_guest(&self, dom: DomId) -> Result<(), Cause> {
        self.builder()?.resume(dom)?;
        Ok(self.store.resume(dom)?)
    }

    /// Sees to it that a guest which was asked to suspend runs on, in a time of its own.
    fn run_on(&self, dom: DomId, uuid: DomainUuid) -> Option<Leftover> {
        let limits = self.removal_limits();
        let host = self.within(&limits);
        let why = match host.withdraw(dom) {
            Ok(true) => return None,
            Ok(false) => host.resume_soon(dom, uuid, &limits).err()?,
            Err(error) => error.into(),
        };
        if why.kind() == Kind::NotFound {
            return None; // it has gone
        }
        Some(Leftover { what: Remnant::Suspension(dom), why })
    }

    /// Waits for the suspension that a guest has agreed to, and ends it.
    fn resume_soon(&self, dom: DomId, uuid: DomainUuid, limits: &Limits) -> Result<(), Cause> {
        let mut last = None;
        let suspended = limits.poll(|| match self.state(dom, uuid)? {
            State::Shutdown(ShutdownReason::Suspend) => Ok(Some(true)),
            State::Shutdown(_) | State::Dying => Ok(Some(false)),
            state => {
                last = Some(state);
                Ok::<_, Cause>(None)
            }
        })?;
        match suspended {
            Some(true) => self.resume_guest(dom),
            Some(false) => Ok(()),
            None => {
                let last = last.map_or_else(String::new, |state| state.to_string());
                Err(Problem::TimedOut { what: "the suspension it had agreed to", last }.into())
            }
        }
    }

    /// Writes the request, unless there is another one. `may_stand` says, if it failed, whether the guest may
    /// have been asked.
    fn ask_to_suspend(&self, dom: DomId, may_stand: &mut bool) -> Result<(), Cause> {
        let own = DomainPaths(dom);
        let other = self.store.transaction(|tx| {
            *may_stand = false;
            // A write makes missing parents: it must not bring back the home of a removed domain.
            tx.read(&own.home())?;
            match tx.read_opt(&own.shutdown())? {
                Some(request) if !request.is_empty() => return Ok(Some(request)),
                _ => tx.write(&own.shutdown(), SUSPEND)?,
            }
            *may_stand = true; // if the store takes it
            Ok(None)
        })?;
        match other {
            None => Ok(()),
            Some(request) => {
                Err(Problem::OtherRequest(String::from_utf8_lossy(&request).into_owned()).into())
            }
        }
    }

    /// Takes the request back, unless the guest has taken it.
    fn withdraw(&self, dom: DomId) -> Result<bool, xs::Error> {
        let at = DomainPaths(dom).shutdown();
        self.store.transaction(|tx| {
            let standing = tx.read_opt(&at)?.as_deref() == Some(SUSPEND.as_bytes());
            if standing {
                tx.write(&at, "")?;
            }
            Ok(standing)
        })
    }

    /// What the domain with this identity does.
    pub(crate) fn state(&self, dom: DomId, uuid: DomainUuid) -> Result<State, Cause> {
        let info = self.info(dom)?.filter(|info| info.uuid == uuid);
        info.map(|info| State::of(&info)).ok_or_else(|| Problem::NoSuchDomain.into())
    }
}

/// The word for it in `control/shutdown`.
const SUSPEND: &str = "suspend";
