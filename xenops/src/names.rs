//! Claiming a name: two creations at once must not both find it free.
//!
//! The claim is a lock file, so that a holder who dies frees it. It covers the short time from
//! looking for the name until the new domain's own entry in the xenstore holds it. It binds xenops
//! only: xl does not know it, and looks at names without a lock.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::error::{Cause, Problem};
use crate::limits::Limits;

/// The right to give a domain a name, host-wide, until dropped.
#[derive(Debug)]
pub(crate) struct NameClaim {
    _lock: File,
}

impl NameClaim {
    /// Waits for the right on the host whose locks are in `folder`.
    pub(crate) fn take(folder: &Path, limits: &Limits) -> Result<Self, Cause> {
        let path = folder.join(FILE);
        let fail = |what| move |source| Cause::File { what, path: folder.join(FILE), source };
        // Whoever can open the file can hold the lock: only its owner shall.
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail("make"))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(fail("open"))?;
        let taken = limits.poll(|| match lock.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
                Ok(None)
            }
            Err(TryLockError::Error(error)) => Err(fail("lock")(error)),
        })?;
        let late = || Problem::TimedOut {
            what: "the right to name a domain",
            last: "held by another creation".into(),
        };
        taken.map(|()| Self { _lock: lock }).ok_or_else(|| late().into())
    }
}

const FILE: &str = "names.lock";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use xen_types::Deadline;

    use super::*;

    #[test]
    fn a_second_claim_waits_for_the_first_and_not_past_its_deadline() {
        let folder = std::env::temp_dir().join(format!("xenops-names-{}", std::process::id()));
        let long = Limits::until(Deadline::after(Duration::from_secs(60)));
        let passed = Limits::until(Deadline::at(Instant::now()));

        let first = NameClaim::take(&folder, &long).unwrap();
        let second = NameClaim::take(&folder, &passed);
        assert!(matches!(second, Err(Cause::Problem(Problem::TimedOut { .. }))));

        drop(first);
        assert!(NameClaim::take(&folder, &passed).is_ok());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn nobody_else_can_hold_the_claim() {
        let folder = std::env::temp_dir().join(format!("xenops-ours-{}", std::process::id()));
        let limits = Limits::until(Deadline::after(Duration::from_secs(60)));
        let claim = NameClaim::take(&folder, &limits).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        drop(claim);
        fs::remove_dir_all(folder).unwrap();
    }
}
