//! What happens to a domain between its creation and its end.

use std::fmt;
use std::time::Instant;

use devices::Console;
use devices::paths::DomainPaths;
use xen_types::{DomId, ShutdownReason};
use xs::{Path, Store};

use crate::domain::State;
use crate::error::{Cause, Error, Problem, Result};
use crate::host::Host;
use crate::limits::Limits;
use crate::remove::nodes_of;

/// What a domain may be asked to do about its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// End.
    Poweroff,
    /// End, in order to be started again.
    Reboot,
}

impl fmt::Display for Stop {
    /// The word that the guest reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poweroff => "poweroff",
            Self::Reboot => "reboot",
        })
    }
}

impl Host {
    /// Keeps the vcpus of a domain from running.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain.
    pub fn pause(&self, dom: DomId) -> Result<()> {
        self.xc.pause(dom).map_err(|error| Error::new("pause", dom, error))
    }

    /// Lets the vcpus of a domain run.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain.
    pub fn unpause(&self, dom: DomId) -> Result<()> {
        self.xc.unpause(dom).map_err(|error| Error::new("unpause", dom, error))
    }

    /// Asks a domain to stop, and does not wait for it.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain.
    pub fn request_stop(&self, dom: DomId, stop: Stop) -> Result<()> {
        let fail = |cause: Cause| Error::new("ask for a shutdown of", dom, cause);
        self.existing(dom).map_err(fail)?;
        let request = DomainPaths(dom).shutdown();
        self.store.write(&request, stop.to_string()).map_err(|error| fail(error.into()))
    }

    /// Asks a domain to power off, waits until it has, and removes it.
    ///
    /// # Errors
    /// [`crate::Kind::TimedOut`] if it did not stop in time: it is then left as it was, with the
    /// request standing. [`Problem::Ended`] if it stopped in another way, by a crash say: it is
    /// left to be looked at.
    pub fn shut_down(&self, dom: DomId, limits: &Limits) -> Result<()> {
        let fail = |cause: Cause| Error::new("shut down", dom, cause);
        let host = self.within(limits);
        // Watched before it is asked: the answer cannot be missed.
        let mut changes = host.store.watch(&Path::RELEASE_DOMAIN).map_err(|e| fail(e.into()))?;
        host.request_stop(dom, Stop::Poweroff)?;
        loop {
            match self.info(dom).map_err(|error| fail(error.into()))?.map(|info| State::of(&info)) {
                // Another toolstack was faster.
                None | Some(State::Dying) => break,
                Some(State::Shutdown(ShutdownReason::Poweroff)) => break,
                Some(State::Shutdown(reason)) => return Err(fail(Problem::Ended(reason).into())),
                Some(_) => {}
            }
            limits.check().map_err(|problem| fail(problem.into()))?;
            if limits.deadline.passed(Instant::now()) {
                return Err(fail(self.unheeded(dom)));
            }
            match changes.wait(limits.deadline) {
                Err(error) if error.kind() != xs::Kind::TimedOut => return Err(fail(error.into())),
                _ => {}
            }
        }
        self.destroy(dom, limits)
    }

    /// Removes a domain at once: from the hypervisor, then from the xenstore.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain, [`crate::Kind::Busy`] if it has devices
    /// that cannot be removed yet. When it is destroyed but something stays behind, the error lists
    /// that in [`Error::leftovers`].
    pub fn destroy(&self, dom: DomId, limits: &Limits) -> Result<()> {
        let fail = |cause: Cause| Error::new("destroy", dom, cause);
        let host = self.within(limits);
        let uuid = match self.info(dom).map_err(|error| fail(error.into()))? {
            Some(info) => info.uuid,
            None => return Err(fail(Problem::NoSuchDomain.into())),
        };
        host.check_devices(dom).map_err(fail)?;
        host.remove_domain(dom, limits).map_err(fail)?;
        let leftovers = host.remove_nodes(nodes_of(dom, uuid));
        if leftovers.is_empty() {
            return Ok(());
        }
        Err(fail(Problem::LeftBehind.into()).with_leftovers(leftovers))
    }

    /// Devices other than the console hold things on the host that nobody here would release.
    fn check_devices(&self, dom: DomId) -> Result<(), Cause> {
        let kinds = match self.store.directory(&DomainPaths(dom).recorded_devices()) {
            Err(error) if error.kind() == xs::Kind::NotFound => return Ok(()),
            kinds => kinds?,
        };
        let others: Vec<&str> =
            kinds.iter().map(|kind| kind.as_str()).filter(|kind| *kind != Console::KIND).collect();
        if others.is_empty() {
            Ok(())
        } else {
            Err(Problem::OtherDevices(others.join(", ")).into())
        }
    }

    /// A domain that did not stop in time: what it did with the request.
    fn unheeded(&self, dom: DomId) -> Cause {
        let state = match self.info(dom) {
            Ok(Some(info)) => State::of(&info).to_string(),
            Ok(None) => "gone".to_owned(),
            Err(error) => return error.into(),
        };
        let request = match self.store.read_opt(&DomainPaths(dom).shutdown()) {
            Ok(Some(request)) if !request.is_empty() => "request not acknowledged",
            Ok(_) => "request acknowledged",
            Err(error) => return error.into(),
        };
        Problem::TimedOut { what: "the domain to power off", last: format!("{state}, {request}") }
            .into()
    }
}
