//! What happens to a domain between its creation and its end.

use std::collections::BTreeSet;
use std::fmt;
use std::iter;

use devices::paths::DomainPaths;
use devices::{Console, Kind};
use xen_types::{DomId, DomainUuid, ShutdownReason};
use xs::{Name, Path, Store, View, ask};

use crate::device::check_removable;
use crate::domain::State;
use crate::error::{Cause, Error, Leftover, Problem, Remnant, Result};
use crate::host::Host;
use crate::limits::{Finishing, Limits};
use crate::lock::Lock;

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
    /// Keeps the vcpus of a domain from running. Pauses count: two of them need two unpauses.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain.
    pub fn pause(&self, dom: DomId) -> Result<()> {
        let fail = |cause: Cause| Error::new("pause", dom, cause);
        not_control(dom).map_err(|problem| fail(problem.into()))?;
        self.xc.pause(dom).map_err(|error| fail(error.into()))
    }

    /// Takes back one pause of a domain.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain, [`crate::Kind::Invalid`] if it is not
    /// paused.
    pub fn unpause(&self, dom: DomId) -> Result<()> {
        self.xc.unpause(dom).map_err(|error| Error::new("unpause", dom, error))
    }

    /// Asks a domain to stop, and does not wait for it.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain.
    pub fn request_stop(&self, dom: DomId, stop: Stop) -> Result<()> {
        let fail = |cause: Cause| Error::new("ask for a shutdown of", dom, cause);
        not_control(dom).map_err(|problem| fail(problem.into()))?;
        if self.existing(dom).map_err(fail)?.is_dying() {
            return Err(fail(Problem::NoSuchDomain.into()));
        }
        let own = DomainPaths(dom);
        let asked = self.store.transaction(|tx| {
            // A write makes missing parents: it must not bring back the home of a removed domain.
            tx.read(&own.home())?;
            tx.write(&own.shutdown(), stop.to_string())
        });
        asked.map_err(|error| fail(error.into()))
    }

    /// Asks a domain to power off, waits until it has, and removes it.
    ///
    /// # Errors
    /// [`crate::Kind::TimedOut`] if it did not stop in time: it is then left as it was, with the
    /// request standing. [`Problem::Ended`] if it stopped in another way, by a crash say: it is
    /// left to be looked at. Otherwise as [`Host::destroy`].
    pub fn shut_down(&self, dom: DomId, limits: &Limits) -> Result<()> {
        let fail = |cause: Cause| Error::new("shut down", dom, cause);
        let host = self.within(limits);
        let uuid = host.existing(dom).map_err(fail)?.uuid;
        host.check_devices(dom).map_err(fail)?;
        // Watched before it is asked: the answer cannot be missed.
        let mut changes = host.store.watch(&Path::RELEASE_DOMAIN).map_err(|e| fail(e.into()))?;
        host.request_stop(dom, Stop::Poweroff)?;
        loop {
            let info = host.info(dom).map_err(|error| fail(error.into()))?;
            match info.filter(|info| info.uuid == uuid).map(|info| State::of(&info)) {
                // Who made the domain may watch it too, and have removed it already.
                None => return Ok(()),
                Some(State::Dying | State::Shutdown(ShutdownReason::Poweroff)) => break,
                Some(State::Shutdown(reason)) => return Err(fail(Problem::Ended(reason).into())),
                Some(_) => {}
            }
            limits.check().map_err(|problem| fail(problem.into()))?;
            if limits.is_late() {
                return Err(fail(self.unheeded(dom, "the domain to power off")));
            }
            match changes.wait(limits.next_look()) {
                Err(error) if error.kind() != xs::Kind::TimedOut => return Err(fail(error.into())),
                _ => {}
            }
        }
        // The time may be up, and it has stopped.
        let step = Finishing::new(self.removal_limits(), limits);
        let _lock = self.lock_domain(dom, uuid, &step.most).map_err(fail)?;
        // Others may have come while it stopped.
        self.within(&self.removal_limits()).check_devices(dom).map_err(fail)?;
        self.take_away(dom, uuid, limits, fail)
    }

    /// Removes a domain at once: from the hypervisor, then from the xenstore.
    ///
    /// Its devices are taken from it first; a QEMU that serves some has ten seconds to let go. Once that
    /// has begun, the removal goes on to its end, whatever the deadline: the devices have fifty seconds, or
    /// until the deadline if that is later, and each that has not gone by then a second more, or ten for each
    /// step of its host's part; the hypervisor takes its own time with the memory; the rest has ten seconds.
    /// Of a domain that has gone already, what a toolstack that was killed has left is removed.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is neither the domain nor anything left of it,
    /// [`crate::Kind::Unavailable`] if it has devices that cannot be removed here. When it is destroyed
    /// but something stays behind, the error lists that in [`Error::leftovers`]; with a device its
    /// record stays too, and another call goes on with it.
    pub fn destroy(&self, dom: DomId, limits: &Limits) -> Result<()> {
        let fail = |cause: Cause| Error::new("destroy", dom, cause);
        not_control(dom).map_err(|problem| fail(problem.into()))?;
        let host = self.within(limits);
        let uuid = match host.info(dom).map_err(|error| fail(error.into()))? {
            Some(info) => info.uuid,
            None => host.abandoned(dom).map_err(fail)?,
        };
        let _lock = host.lock_domain(dom, uuid, limits).map_err(fail)?;
        host.check_devices(dom).map_err(fail)?;
        limits.check_time().map_err(|problem| fail(problem.into()))?;
        self.take_away(dom, uuid, limits, fail)
    }

    /// The domain's lock, also on one that is dying or has gone.
    fn lock_domain(&self, dom: DomId, uuid: DomainUuid, limits: &Limits) -> Result<Lock, Cause> {
        let lock = Lock::of_domain(&self.locks, dom, uuid, limits)?;
        // Another domain may have the number by now; the lock is on the old one.
        match self.info(dom)? {
            Some(info) if info.uuid != uuid => Err(Problem::NoSuchDomain.into()),
            _ => Ok(lock),
        }
    }

    /// Removes a domain. The caller holds the domain's lock, and has checked its devices under it.
    pub(crate) fn take_away(
        &self,
        dom: DomId,
        uuid: DomainUuid,
        limits: &Limits,
        fail: impl Fn(Cause) -> Error,
    ) -> Result<()> {
        // It shall not see its devices go one by one. That it cannot be paused changes nothing.
        let paused = self.xc.pause(dom);
        // The devices first: a domain whose pages a backend maps does not go.
        let own = self.device_removal_limits().at_least_until(limits.deadline);
        let mut left = self.within(&own).unplug_all(dom, Some(uuid), &own);
        match self.remove(dom, uuid, &left) {
            Ok(more) => left.extend(more),
            Err(cause) => {
                // It lives on, if without its devices. Another one of its number may wait to be started.
                let paused = paused.is_ok() && !self.is_another(dom, uuid);
                let resumed = if paused { self.xc.unpause(dom) } else { Ok(()) };
                left.extend(
                    resumed
                        .err()
                        .map(|why| Leftover { what: Remnant::Domain(dom), why: why.into() }),
                );
                return Err(fail(cause).with_leftovers(left));
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(fail(Problem::LeftBehind.into()).with_leftovers(left))
    }

    /// Devices that hold things on the host which nobody here would release.
    pub(crate) fn check_devices(&self, dom: DomId) -> Result<(), Cause> {
        let own = DomainPaths(dom);
        let mut others = BTreeSet::new();
        let mut recorded = BTreeSet::new();
        for device in self.recorded_devices(dom)? {
            if device.kind == Kind::Console && device.number == 0 {
                continue;
            }
            let record = match self.record_of(&device)? {
                // It has gone, or its record cannot be read and so not be followed.
                None => continue,
                Some(Err(_)) => {
                    others.insert(device.kind.to_string());
                    continue;
                }
                Some(Ok(record)) => record,
            };
            recorded.insert(record.ends().backend());
            match check_removable(&record) {
                Ok(()) => self.check_machine(record.ends().server)?,
                Err(_) => {
                    others.insert(record.ends().served_as.to_string());
                }
            }
        }
        // Toolstacks that keep no such record still have their backends in one place.
        let backends = own.all_backends(DomId::DOM0);
        for kind in self.children(&backends)? {
            if kind == Console::KIND {
                continue;
            }
            let here = backends.join(&kind).join(dom);
            let unrecorded =
                self.children(&here)?.iter().any(|id| !recorded.contains(&here.join(id)));
            if unrecorded {
                others.insert(kind.to_string());
            }
        }
        if self.store.read_opt(&own.kind())?.as_deref() == Some(b"hvm") {
            others.insert("device-model".to_owned());
        }
        if others.is_empty() {
            return Ok(());
        }
        let others: Vec<String> = others.into_iter().collect();
        Err(Problem::OtherDevices(others.join(", ")).into())
    }

    pub(crate) fn children(&self, path: &Path) -> Result<Vec<Name>, xs::Error> {
        match self.store.directory(path) {
            Err(error) if error.kind() == xs::Kind::NotFound => Ok(Vec::new()),
            names => names,
        }
    }

    /// The names below each of these nodes, in one flight; none for one that is missing.
    pub(crate) fn children_of_each(&self, paths: &[Path]) -> Result<Vec<Vec<Name>>, xs::Error> {
        let listed = self.store.batch(paths.iter().map(ask::directory_opt));
        let listed = iter::zip(paths, listed).map(|(path, names)| match names {
            // A long list comes in parts.
            Err(error) if error.kind() == xs::Kind::Invalid => self.children(path),
            names => Ok(names?.unwrap_or_default()),
        });
        listed.collect()
    }

    /// A domain that did not stop in time: what it did with the request.
    pub(crate) fn unheeded(&self, dom: DomId, what: &'static str) -> Cause {
        let state = match self.info(dom) {
            Ok(Some(info)) => State::of(&info).to_string(),
            Ok(None) => "gone".to_owned(),
            Err(error) => return error.into(),
        };
        let request = match self
            .within(&self.removal_limits())
            .store
            .read_opt(&DomainPaths(dom).shutdown())
        {
            Ok(None) => "the request is gone",
            Ok(Some(request)) if request.is_empty() => "the request is acknowledged",
            Ok(Some(_)) => "the request is not acknowledged",
            Err(error) => return error.into(),
        };
        Problem::TimedOut { what, last: format!("{state}, {request}") }.into()
    }
}

/// What a toolstack must not do to the domain it runs in.
pub(crate) fn not_control(dom: DomId) -> Result<(), Problem> {
    if dom == DomId::DOM0 { Err(Problem::ControlDomain) } else { Ok(()) }
}
