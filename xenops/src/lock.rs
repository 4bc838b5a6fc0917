//! Locks between processes: one on the devices of a domain, one on the disks of the host, and one on the
//! names of domains.
//!
//! The first two are locks that Xen's own tools take, so that `xl` and its hotplug scripts wait for us
//! and we for them. The third is ours alone: xl looks at names without a lock. A lock file may be removed by its holder, so whoever got a lock looks whether the file
//! is still the one of that name (`libxl__lock_file`, `libxl_internal.c`; `claim_lock`,
//! `locking.sh`). A holder that dies frees its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xen_types::{DomId, DomainUuid};

use crate::error::{Cause, Problem};
use crate::limits::Limits;

/// Where the locks of a host are.
#[derive(Debug)]
pub(crate) struct Locks {
    names: PathBuf,
    /// libxl's folder, where it has files about domains too.
    pub(crate) libxl: PathBuf,
    disks: PathBuf,
}

impl Locks {
    /// Those of the machine that this runs on, where Xen's tools have theirs. That on names is on a file
    /// system that a reboot empties, as the names themselves are.
    pub(crate) fn of_this_machine() -> Self {
        Self {
            names: "/run/xenops".into(),
            // `XEN_LIB_DIR` of Xen's build.
            libxl: "/var/lib/xen".into(),
            disks: "/run/xen-hotplug".into(),
        }
    }

    /// Those of another one.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { names: folder.into(), libxl: folder.into(), disks: folder.into() }
    }
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// The right to give a domain a name, from looking for the name until the new domain's own entry in
    /// the xenstore holds it: two creations at once must not both find it free.
    pub(crate) fn of_names(locks: &Locks, limits: &Limits) -> Result<Self, Cause> {
        Self::take(&locks.names.join("names.lock"), "the right to name a domain", limits)
    }

    /// The right to change a domain and its devices (`libxl__lock_domain_userdata`).
    pub(crate) fn of_domain(
        locks: &Locks,
        dom: DomId,
        uuid: DomainUuid,
        limits: &Limits,
    ) -> Result<Self, Cause> {
        let name = format!("userdata-l.{dom}.{uuid}.domain-userdata-lock");
        let what = "the right to change the domain";
        Self::take(&locks.libxl.join(name), what, limits)
    }

    /// The right to say which disks of the host are in use (`claim_lock "block"`, `block`).
    pub(crate) fn of_disks(locks: &Locks, limits: &Limits) -> Result<Self, Cause> {
        let what = "the right to give disks to guests";
        Self::take(&locks.disks.join("block"), what, limits)
    }

    fn take(path: &Path, what: &'static str, limits: &Limits) -> Result<Self, Cause> {
        let taken = limits.poll(|| Self::try_take(path))?;
        let late = || Problem::TimedOut { what, last: format!("{} is locked", path.display()) };
        taken.ok_or_else(|| late().into())
    }

    fn try_take(path: &Path) -> Result<Option<Self>, Cause> {
        let fail = |what| move |source| Cause::File { what, path: PathBuf::from(path), source };
        let folder = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail("make"))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(fail("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(None);
            }
            Err(TryLockError::Error(error)) => return Err(fail("lock")(error)),
        }
        let ours = file.metadata().map_err(fail("look at"))?;
        match fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {
                Ok(Some(Self { _file: file }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fail("look at")(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use xen_types::Deadline;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("xenops-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_second_holder_waits_and_not_past_its_deadline() {
        let scratch = Scratch::new("lock");
        let path = scratch.0.join("l");
        let long = Limits::until(Deadline::after(Duration::from_secs(60)));
        let passed = Limits::until(Deadline::at(Instant::now()));
        let first = Lock::take(&path, "it", &long).unwrap();
        let second = Lock::take(&path, "it", &passed);
        assert!(matches!(second, Err(Cause::Problem(Problem::TimedOut { what: "it", .. }))));
        drop(first);
        assert!(Lock::take(&path, "it", &passed).is_ok());
    }

    #[test]
    fn nobody_else_can_hold_a_lock() {
        // Whoever can open the file can hold the lock.
        let scratch = Scratch::new("ours");
        let limits = Limits::until(Deadline::after(Duration::from_secs(60)));
        let _lock = Lock::of_names(&Locks::in_folder(&scratch.0), &limits).unwrap();
        assert_eq!(fs::metadata(&scratch.0).unwrap().mode() & 0o777, 0o700);
        let file = fs::metadata(scratch.0.join("names.lock")).unwrap();
        assert_eq!(file.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_lock_on_a_file_that_its_holder_removed_is_none() {
        let scratch = Scratch::new("relock");
        let path = scratch.0.join("l");
        let first = Lock::try_take(&path).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        // Another file has the name now, which nobody has locked.
        let second = Lock::try_take(&path).unwrap().unwrap();
        drop(first);
        assert!(Lock::try_take(&path).unwrap().is_none());
        drop(second);
    }
}
