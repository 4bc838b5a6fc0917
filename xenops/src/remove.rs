//! Taking a domain away: out of the hypervisor, then out of the xenstore.
//!
//! Everything here can be repeated: what is gone already is as good as removed. The paths come from
//! the domain's number and UUID alone, never from what a guest could write.

use std::time::Duration;

use devices::Console;
use devices::paths::{self, DomainPaths};
use xen_types::{Deadline, DomId, DomainUuid};
use xs::{Path, Store};

use crate::error::{Cause, Leftover, Problem, Remnant};
use crate::host::Host;
use crate::limits::Limits;

impl Host {
    /// Destroys a domain in the hypervisor and waits until it has gone from there.
    pub(crate) fn remove_domain(&self, dom: DomId, limits: &Limits) -> Result<(), Cause> {
        match self.xc.destroy_domain(dom) {
            Err(error) if error.kind() != xc::Kind::NotFound => return Err(error.into()),
            _ => {}
        }
        let late = || Problem::TimedOut {
            what: "its last page to be released",
            last: "still dying: another domain maps its memory".into(),
        };
        limits.poll(late, || Ok(self.info(dom)?.is_none().then_some(())))
    }

    /// Removes nodes with all below them; returns what it could not.
    pub(crate) fn remove_nodes(&self, paths: impl IntoIterator<Item = Path>) -> Vec<Leftover> {
        paths.into_iter().filter_map(|path| self.remove_node(path)).collect()
    }

    fn remove_node(&self, path: Path) -> Option<Leftover> {
        let removed = self.store.rm_if_exists(&path).and_then(|_| self.prune_above(&path));
        let why = removed.err()?.into();
        Some(Leftover { what: Remnant::StorePath(path.to_string()), why })
    }

    /// Removes the folders above a removed node that it left empty, up to a domain's home or the
    /// root, so that a host that has run a thousand guests looks like one that has run none.
    fn prune_above(&self, removed: &Path) -> Result<(), xs::Error> {
        let mut folder = removed.parent();
        while let Some(path) = folder.filter(|path| !is_kept(path)) {
            let pruned = self.store.transaction(|tx| {
                let empty = match tx.directory(&path) {
                    Ok(names) => names.is_empty() && tx.read(&path)?.is_empty(),
                    Err(error) if error.kind() == xs::Kind::NotFound => false,
                    Err(error) => return Err(error),
                };
                if empty {
                    tx.rm(&path)?;
                }
                Ok(empty)
            })?;
            folder = if pruned { path.parent() } else { None };
        }
        Ok(())
    }
}

/// All that the xenstore holds about one run of a domain whose only device is its console.
pub(crate) fn nodes_of(dom: DomId, uuid: DomainUuid) -> [Path; 4] {
    let [home, vm, record] = skeleton_of(dom, uuid);
    [home, vm, record, consoles_of(dom)]
}

/// What a domain has in the xenstore before it has devices.
pub(crate) fn skeleton_of(dom: DomId, uuid: DomainUuid) -> [Path; 3] {
    let own = DomainPaths(dom);
    [own.home(), paths::vm(uuid), own.record()]
}

/// The backends of its consoles.
pub(crate) fn consoles_of(dom: DomId) -> Path {
    DomainPaths(dom).backends(DomId::DOM0, Console::KIND)
}

/// The limits of an undo: a time of its own, and no cancelling.
pub(crate) fn undo_limits() -> Limits {
    Limits::until(Deadline::after(UNDO_TIME))
}

/// The root, the folder of domains and a domain's home stay even when they are empty.
fn is_kept(path: &Path) -> bool {
    *path == Path::ROOT
        || *path == Path::DOMAINS
        || path.parent().is_some_and(|above| above == Path::DOMAINS)
        || path.parent() == Some(Path::ROOT) && path.leaf() == "local"
}

/// How long an undo may take once the operation has failed.
const UNDO_TIME: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pruning_stops_at_a_domains_home() {
        assert!(is_kept(&Path::from_static("/local/domain/0")));
        assert!(is_kept(&Path::from_static("/local/domain")));
        assert!(!is_kept(&Path::from_static("/local/domain/0/backend")));
        assert!(!is_kept(&Path::from_static("/libxl")));
    }
}
