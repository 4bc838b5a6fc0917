//! Running a function again whenever what it has read changes: what to watch between two runs.

use std::collections::BTreeSet;

use crate::error::Cause;
use crate::path::Path;

/// What is watched for the sake of a function.
#[derive(Debug, Default)]
pub(crate) struct Looking {
    watched: BTreeSet<Path>,
}

/// What has to change about the watches after a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// No longer read: end these.
    pub(crate) stale: Vec<Path>,
    /// Read for the first time: watch these and run the function again, because what changed before
    /// the watch was there has no event. If there are none, wait for an event first.
    pub(crate) fresh: Vec<Path>,
}

impl Looking {
    /// Takes what a run has read without finding what it looks for.
    pub(crate) fn looked(&mut self, seen: BTreeSet<Path>) -> Result<Change, Cause> {
        if seen.is_empty() {
            return Err(Cause::NothingRead);
        }
        let stale = self.watched.difference(&seen).cloned().collect();
        let fresh = seen.difference(&self.watched).cloned().collect();
        self.watched = seen;
        Ok(Change { stale, fresh })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Path = Path::from_static("/a");
    const B: Path = Path::from_static("/b");

    #[test]
    fn what_was_read_is_watched_until_it_is_read_no_more() {
        let mut looking = Looking::default();
        let first = looking.looked(BTreeSet::from([A])).unwrap();
        assert_eq!(first, Change { stale: vec![], fresh: vec![A] });
        let same = looking.looked(BTreeSet::from([A])).unwrap();
        assert_eq!(same, Change { stale: vec![], fresh: vec![] });
        let other = looking.looked(BTreeSet::from([B])).unwrap();
        assert_eq!(other, Change { stale: vec![A], fresh: vec![B] });
    }

    #[test]
    fn a_function_that_reads_nothing_is_never_run_again() {
        let nothing = Looking::default().looked(BTreeSet::new());
        assert!(matches!(nothing, Err(Cause::NothingRead)));
    }
}
