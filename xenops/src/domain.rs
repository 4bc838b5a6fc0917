//! Looking at domains: what runs here, and which domain a name, number or UUID means.

use std::fmt;
use std::time::Duration;

use devices::paths::DomainPaths;
use xc::{DomainFlags, DomainInfo};
use xen_types::{DomId, DomainUuid, KiB, ShutdownReason};
use xs::View;

use crate::error::{Cause, Error, Problem, Result, Subject};
use crate::host::Host;

/// A domain as it was at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Domain {
    /// Its number.
    pub id: DomId,
    /// Its identity.
    pub uuid: DomainUuid,
    /// Its name in the xenstore, if it has one that is text.
    pub name: Option<String>,
    /// What it does.
    pub state: State,
    /// The memory it holds now.
    pub memory: KiB,
    /// Its online virtual CPUs.
    pub vcpus: u32,
    /// The time its virtual CPUs have run, summed.
    pub cpu_time: Duration,
}

/// What a domain does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A vcpu runs, or is ready to.
    Running,
    /// Every vcpu waits for an event.
    Blocked,
    /// Kept from running by a toolstack.
    Paused,
    /// Stopped, for this reason; its memory is still there.
    Shutdown(ShutdownReason),
    /// Being destroyed; it goes when its last page is released.
    Dying,
}

impl Host {
    /// All domains, in the order of their numbers.
    ///
    /// # Errors
    /// The hypervisor or the xenstore did not answer.
    pub fn domains(&self) -> Result<Vec<Domain>> {
        let fail = |cause: Cause| Error::new("list domains", Subject::Host, cause);
        let infos = self.xc.domains().map_err(|error| fail(error.into()))?;
        let paths: Vec<_> = infos.iter().map(|info| DomainPaths(info.id).name()).collect();
        let names = self.store.read_each(&paths).map_err(|error| fail(error.into()))?;
        let named = infos.iter().zip(names);
        Ok(named.map(|(info, name)| described(info, name)).collect())
    }

    /// One domain by its number.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is none.
    pub fn domain(&self, dom: DomId) -> Result<Domain> {
        let fail = |cause: Cause| Error::new("look at", dom, cause);
        let info = self.existing(dom).map_err(fail)?;
        self.describe(&info).map_err(fail)
    }

    /// The domain that a person means: by number, by UUID or by name, in that order.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is none, [`crate::Kind::Exists`] if several have the
    /// name: which of them is meant nobody but the caller knows.
    pub fn find(&self, whom: &str) -> Result<Domain> {
        let fail = |cause: Cause| Error::new("find", Subject::Name(whom.to_owned()), cause);
        if let Ok(dom) = whom.parse::<DomId>() {
            let info = self.existing(dom).map_err(fail)?;
            return self.describe(&info).map_err(fail);
        }
        let uuid = whom.parse::<DomainUuid>().ok();
        let mut meant: Vec<Domain> = self.domains()?;
        meant.retain(|domain| match uuid {
            Some(uuid) => domain.uuid == uuid,
            None => domain.name.as_deref() == Some(whom),
        });
        the_one(meant).map_err(|problem| fail(problem.into()))
    }

    /// The hypervisor's record of a domain, or the problem that there is none.
    pub(crate) fn existing(&self, dom: DomId) -> Result<DomainInfo, Cause> {
        self.info(dom)?.ok_or_else(|| Problem::NoSuchDomain.into())
    }

    /// Whether another domain has the number by now: the one that an operation is about has gone.
    pub(crate) fn is_another(&self, dom: DomId, uuid: DomainUuid) -> bool {
        // Where nobody can tell, it is taken for the same.
        matches!(self.info(dom), Ok(Some(info)) if info.uuid != uuid)
    }

    /// The hypervisor's record of a domain, `None` when there is none.
    pub(crate) fn info(&self, dom: DomId) -> Result<Option<DomainInfo>, xc::Error> {
        match self.xc.info(dom) {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.kind() == xc::Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn describe(&self, info: &DomainInfo) -> Result<Domain, Cause> {
        Ok(described(info, self.store.read_opt(&DomainPaths(info.id).name())?))
    }

    /// The name of a domain, if it has one that is text.
    pub(crate) fn name(&self, dom: DomId) -> Result<Option<String>, xs::Error> {
        let name = self.store.read_opt(&DomainPaths(dom).name())?;
        Ok(name.and_then(|name| String::from_utf8(name).ok()))
    }
}

/// A domain by the hypervisor's record and by its name in the xenstore.
fn described(info: &DomainInfo, name: Option<Vec<u8>>) -> Domain {
    Domain {
        id: info.id,
        uuid: info.uuid,
        name: name.and_then(|name| String::from_utf8(name).ok()),
        state: State::of(info),
        memory: info.current_pages.to_kib(),
        vcpus: info.online_vcpus,
        cpu_time: info.cpu_time,
    }
}

/// The one domain of several with the same name or UUID. A run that is still dying shares them with
/// the one that took its place.
fn the_one(mut meant: Vec<Domain>) -> Result<Domain, Problem> {
    if meant.iter().any(|domain| domain.state != State::Dying) {
        meant.retain(|domain| domain.state != State::Dying);
        if let [one, other, ..] = meant.as_slice() {
            return Err(Problem::Ambiguous(one.id, other.id));
        }
    }
    meant.into_iter().next().ok_or(Problem::NoSuchDomain)
}

impl State {
    /// What the hypervisor's flags mean together, the most final first.
    pub(crate) fn of(info: &DomainInfo) -> Self {
        if info.is_dying() {
            Self::Dying
        } else if let Some(reason) = info.shutdown {
            Self::Shutdown(reason)
        } else if info.is_paused() {
            Self::Paused
        } else if info.flags.contains(DomainFlags::BLOCKED) {
            Self::Blocked
        } else {
            Self::Running
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Blocked => f.write_str("blocked"),
            Self::Paused => f.write_str("paused"),
            Self::Shutdown(reason) => reason.fmt(f),
            Self::Dying => f.write_str("dying"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(id: u16, state: State) -> Domain {
        Domain {
            id: DomId::new(id).unwrap(),
            uuid: "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap(),
            name: Some("web".to_owned()),
            state,
            memory: KiB(0),
            vcpus: 1,
            cpu_time: Duration::ZERO,
        }
    }

    fn id_of(meant: Vec<Domain>) -> Result<u16, Problem> {
        the_one(meant).map(|domain| domain.id.raw())
    }

    #[test]
    fn a_name_that_two_living_domains_have_means_neither() {
        let (one, other) = (domain(3, State::Blocked), domain(5, State::Paused));
        let both = Problem::Ambiguous(one.id, other.id);
        assert_eq!(id_of(vec![one, domain(4, State::Dying), other]), Err(both));
    }

    #[test]
    fn a_run_that_is_dying_makes_way_for_the_next() {
        assert_eq!(id_of(vec![domain(3, State::Dying), domain(5, State::Running)]), Ok(5));
        assert_eq!(id_of(vec![domain(3, State::Dying), domain(5, State::Dying)]), Ok(3));
        assert_eq!(id_of(Vec::new()), Err(Problem::NoSuchDomain));
    }
}
