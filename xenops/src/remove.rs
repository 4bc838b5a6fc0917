//! Taking a domain away: out of the hypervisor, then out of the xenstore.
//!
//! Once the hypervisor has been told to destroy a domain there is no way back, so a removal goes on
//! to its end in a time of its own, and what it could not do is listed. Everything here can be
//! repeated: what is gone already is as good as removed. The paths come from the domain's number
//! and UUID and from the toolstack's own record, never from what a guest could write.

use std::fs;
use std::io;
use std::path::Path as FilePath;
use std::time::Duration;

use devices::paths::{self, DomainPaths};
use devices::{Console, Kind};
use xen_types::{DomId, DomainUuid, Kind as ErrorKind};
use xs::{Path, Store, View, ask};

use crate::error::{Cause, Leftover, Problem, Remnant};
use crate::host::Host;
use crate::limits::Limits;

impl Host {
    /// Removes a domain with all that the xenstore and libxl's files hold about it; returns what it
    /// could not remove. One that has gone already may have left that. `devices` is what could
    /// not be taken from it: if there are any, what leads the next removal to them stays.
    ///
    /// # Errors
    /// The hypervisor refused to destroy it, or did not answer, or has another domain of this number:
    /// then nothing was done.
    pub(crate) fn remove(
        &self,
        dom: DomId,
        uuid: DomainUuid,
        devices: &[Leftover],
    ) -> Result<Vec<Leftover>, Cause> {
        let consoles = self.within(&self.removal_limits()).consoles(dom);
        // A run that lingers, as a backend does not let go of its pages, has the UUID of the next.
        let domains = self.xc.domains()?;
        let runs_on = domains.iter().any(|info| info.uuid == uuid && info.id != dom);
        let there = domains.iter().find(|info| info.id == dom);
        if there.is_some_and(|info| info.uuid != uuid) {
            return Err(Problem::NoSuchDomain.into());
        }
        if there.is_some()
            && let Err(why) = self.end(dom)
            && self.lives(dom, uuid)
        {
            return Err(why);
        }
        // The hypervisor takes as long as it takes, which is seconds for a large domain.
        let limits = self.removal_limits();
        let host = self.within(&limits);
        // While a domain is there the console daemon may still write below its home.
        let mut left: Vec<Leftover> = host.await_end(dom, uuid, &limits).into_iter().collect();
        let [home, vm, record] = skeleton_of(dom, uuid);
        let vm = Some(vm).filter(|_| !runs_on);
        left.extend(host.remove_nodes(vm.into_iter().chain([consoles, folders_of(dom)])));
        if !is_needed_for(devices, dom) {
            // The home last: its `vm` tells the next toolstack what there is, should this one be killed.
            left.extend(host.remove_nodes([record]));
            left.extend(host.remove_nodes([home]));
            left.extend(self.remove_libxl_files(dom, uuid));
        }
        Ok(left)
    }

    /// Takes away what a domain that went without its toolstack has left where a new one of its number was
    /// just made: its devices and what is found by its UUID, both of which only its home and its record lead
    /// to, which are about to be replaced. Nothing of the new one stands there yet.
    ///
    /// # Errors
    /// A backend did not let go by the deadline of the new domain, which would have the device.
    pub(crate) fn remove_predecessor(&self, dom: DomId, limits: &Limits) -> Result<(), Cause> {
        let own = DomainPaths(dom);
        let there = self.store.read_each(&[own.home(), own.record()])?;
        if there.iter().all(Option::is_none) {
            return Ok(());
        }
        let longest = self.device_removal_limits().deadline;
        let limits = Limits { deadline: limits.deadline.min(longest), ..limits.clone() };
        let left = self.within(&limits).unplug_all(dom, None, &limits);
        // What is not taken apart here stays with whoever serves it, as it would without a new domain.
        let kept = left.into_iter().find(|left| left.why.kind() != ErrorKind::Unavailable);
        if let Some(kept) = kept {
            return Err(kept.why);
        }
        // The rest is in nobody's way.
        self.remove_nodes([self.consoles(dom)]);
        let Ok(uuid) = self.abandoned(dom) else { return Ok(()) };
        if !self.xc.domains()?.iter().any(|info| info.uuid == uuid) {
            self.remove_nodes([paths::vm(uuid)]);
            self.remove_libxl_files(dom, uuid);
        }
        Ok(())
    }

    /// The UUID of a domain that has gone and left its home, as its removal was killed. No guest can
    /// write the node that tells.
    pub(crate) fn abandoned(&self, dom: DomId) -> Result<DomainUuid, Cause> {
        let at = DomainPaths(dom).vm();
        let Some(vm) = self.store.read_str_opt(&at)? else {
            return Err(Problem::NoSuchDomain.into());
        };
        let uuid = Path::new(&vm).ok().and_then(|path| path.leaf().parse().ok());
        uuid.filter(|uuid| paths::vm(*uuid).as_str() == vm)
            .ok_or_else(|| Problem::Malformed { path: at.to_string(), value: vm }.into())
    }

    /// Removes what libxl's folder has of a domain, the lock on its devices too.
    pub(crate) fn remove_libxl_files(&self, dom: DomId, uuid: DomainUuid) -> Vec<Leftover> {
        remove_files(&self.locks.libxl, dom, uuid)
    }

    /// Tells the hypervisor to destroy a domain. One that is gone is as good as destroyed.
    pub(crate) fn end(&self, dom: DomId) -> Result<(), Cause> {
        match self.xc.destroy_domain(dom) {
            Err(error) if error.kind() != xc::Kind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether a domain is there and nobody has begun to destroy it. A call that failed to may have
    /// begun; where nobody can tell, it has not.
    fn lives(&self, dom: DomId, uuid: DomainUuid) -> bool {
        match self.info(dom) {
            Ok(info) => info.is_some_and(|info| info.uuid == uuid && !info.is_dying()),
            Err(_) => true,
        }
    }

    /// Waits until a destroyed domain has gone, for a part of the time that a removal has: one that
    /// never goes must not keep its nodes from being removed.
    pub(crate) fn await_end(
        &self,
        dom: DomId,
        uuid: DomainUuid,
        limits: &Limits,
    ) -> Option<Leftover> {
        let mut last = String::from("nothing");
        let share = limits.deadline.min(limits.clock.after(END_TIME));
        let gone = Limits { deadline: share, ..limits.clone() }.poll(|| {
            let Some(info) = self.info(dom)?.filter(|info| info.uuid == uuid) else {
                return Ok(Some(()));
            };
            // Pages stay while another domain maps them: the console daemon, a backend.
            last = format!("{} of it are still in use", info.current_pages);
            Ok(None)
        });
        let why = match gone {
            Ok(Some(())) => return None,
            Ok(None) => Problem::TimedOut { what: "its last page to be released", last }.into(),
            Err(why) => why,
        };
        Some(Leftover { what: Remnant::Domain(dom), why })
    }

    /// Removes nodes with all below them, in this order and at once, and the folders above that they
    /// leave empty; returns what it could not.
    pub(crate) fn remove_nodes(&self, paths: impl IntoIterator<Item = Path>) -> Vec<Leftover> {
        let (removed, left) = self.remove_bare_nodes(paths.into_iter().collect());
        self.prune_above(&removed);
        left
    }

    /// The same without the folders; returns what it removed and what it could not.
    pub(crate) fn remove_bare_nodes(&self, paths: Vec<Path>) -> (Vec<Path>, Vec<Leftover>) {
        let outcomes = self.store.batch(paths.iter().map(ask::rm_if_exists));
        let (mut removed, mut left) = (Vec::new(), Vec::new());
        for (path, outcome) in paths.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => removed.push(path),
                Err(why) => left.push(Leftover::node(&path, why)),
            }
        }
        (removed, left)
    }

    /// Whether a node is there, or may be as the store does not say.
    pub(crate) fn has_node(&self, node: &Path) -> bool {
        !matches!(self.store.read_opt(node), Ok(None))
    }

    /// The limits of a removal: it cannot be cancelled, and has a time of its own even when that of
    /// the operation is over.
    pub(crate) fn removal_limits(&self) -> Limits {
        self.limits(REMOVAL_TIME)
    }

    /// The limits of taking a device away from a guest that is not asked.
    pub(crate) fn device_removal_limits(&self) -> Limits {
        self.limits(DEVICE_REMOVAL_TIME)
    }

    /// Where the backends of a domain's consoles stand, by the record that only toolstacks write.
    fn consoles(&self, dom: DomId) -> Path {
        let own = DomainPaths(dom);
        let recorded = own.recorded_devices().join(Console::KIND).join("0/backend");
        let backend = self.store.read_str_opt(&recorded).ok().flatten();
        let server = backend.and_then(|path| serving_domain(&path, dom)).unwrap_or(DomId::DOM0);
        own.backends(server, Console::KIND)
    }
}

/// The domain that runs the backend of a domain's console, by the path that the record has for it.
/// One that leads anywhere else is not followed.
fn serving_domain(backend: &str, dom: DomId) -> Option<DomId> {
    match paths::parse_backend(backend)? {
        (server, Kind::Console, owner, _) if owner == dom => Some(server),
        _ => None,
    }
}

/// Where the backends of a domain's folders stood: QEMU may have written there after they had gone, see
/// `let_finish` in `hotplug/qemu.rs`.
pub(crate) fn folders_of(dom: DomId) -> Path {
    DomainPaths(dom).backends(DomId::DOM0, FOLDERS)
}

/// Whether a domain's record leads to devices that could not be taken away.
pub(crate) fn is_needed_for(left: &[Leftover], dom: DomId) -> bool {
    let record = DomainPaths(dom).record();
    left.iter().any(|left| match &left.what {
        Remnant::Device(_) => true,
        Remnant::StorePath(path) => Path::new(path).is_ok_and(|path| record.contains(&path)),
        Remnant::Domain(_) | Remnant::File(_) | Remnant::Suspension(_) => false,
    })
}

/// What a domain has in the xenstore before it has devices.
pub(crate) fn skeleton_of(dom: DomId, uuid: DomainUuid) -> [Path; 3] {
    let own = DomainPaths(dom);
    [own.home(), paths::vm(uuid), own.record()]
}

/// Removes what xl keeps about a domain of its own (`libxl__userdata_path`:
/// `userdata-<kind>.<domid>.<uuid>.<what>`), which nobody else would once the domain is gone.
fn remove_files(folder: &FilePath, dom: DomId, uuid: DomainUuid) -> Vec<Leftover> {
    let of_domain = format!(".{dom}.{uuid}.");
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        entries => entries.into_iter().flatten().flatten(),
    };
    let files = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("userdata-") && name.contains(&of_domain)
    });
    files
        .filter_map(|path| {
            let source = fs::remove_file(&path).err()?;
            let why = Cause::File { what: "remove", path: path.clone(), source };
            Some(Leftover { what: Remnant::File(path), why })
        })
        .collect()
}

/// The folder of such backends.
const FOLDERS: &str = "9pfs";

/// How long a removal may take once it has begun.
const REMOVAL_TIME: Duration = Duration::from_secs(10);

/// How long it may take to take devices away: 10 s for the backend and 40 s for scripts in libxl
/// (`LIBXL_DESTROY_TIMEOUT`, `LIBXL_HOTPLUG_TIMEOUT`).
const DEVICE_REMOVAL_TIME: Duration = Duration::from_secs(50);

/// How much of it may go by until the domain has gone.
const END_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_leads_elsewhere_is_not_followed() {
        let server = |backend| serving_domain(backend, DomId::new(7).unwrap()).map(DomId::raw);
        assert_eq!(server("/local/domain/0/backend/console/7/0"), Some(0));
        assert_eq!(server("/local/domain/3/backend/console/7/0"), Some(3));
        assert_eq!(server("/local/domain/3/backend/console/8/0"), None);
        assert_eq!(server("/local/domain/3/backend/vbd/7/0"), None);
        assert_eq!(server("/local/domain/3/data/backend/console/7/0"), None);
        assert_eq!(server("/local/domain/7/0"), None);
        assert_eq!(server("/libxl/7/0"), None);
        assert_eq!(server("/local/domain/03/../backend/console/7/0"), None);
    }

    #[test]
    fn only_the_files_of_this_run_of_the_domain_are_removed() {
        let folder = std::env::temp_dir().join(format!("xenops-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let uuid: DomainUuid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        let files = [
            format!("userdata-d.7.{uuid}.libxl-json"),
            format!("userdata-d.77.{uuid}.libxl-json"),
            "userdata-d.7.ffeeddcc-4455-6677-8899-aabbccddeeff.libxl-json".to_owned(),
        ];
        for file in &files {
            fs::write(folder.join(file), "{}").unwrap();
        }

        let left = remove_files(&folder, DomId::new(7).unwrap(), uuid);

        assert!(left.is_empty());
        assert!(!folder.join(&files[0]).exists());
        assert!(folder.join(&files[1]).exists() && folder.join(&files[2]).exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
