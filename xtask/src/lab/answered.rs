//! Which calls of libxenctrl the lab tests made on a real Xen, for `docs/xen-versions.md`.
//!
//! The tests write the names into `/host/calls` (`tests/lab/tests/answered`). What a whole
//! run made must be what `tests/lab/answered` says.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

use super::images::XenRelease;
use crate::{versions, workspace};

/// The file in the machine's shared folder.
const CALLS: &str = "calls";

/// Adds what the tests on a machine called.
pub(super) fn collect(share: &Path, calls: &mut BTreeSet<String>) -> Result<()> {
    let path = share.join(CALLS);
    match fs::read_to_string(&path) {
        Ok(text) => calls.extend(text.lines().map(str::to_owned)),
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| format!("read {}", path.display())),
    }
    Ok(())
}

/// Holds what a whole run called against the list, or makes the list anew.
///
/// # Errors
/// If the list differs and is not to be made anew; it says how.
pub(super) fn settle(xen: XenRelease, calls: &BTreeSet<String>, record: bool) -> Result<()> {
    let root = workspace::root();
    if record {
        let path = versions::list_of(&root, xen);
        let folder = path.parent().context("the list lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let text: String = calls.iter().map(|call| format!("{call}\n")).collect();
        return fs::write(&path, text).with_context(|| format!("write {}", path.display()));
    }
    match difference(&versions::answered(&root, xen)?, calls) {
        None => Ok(()),
        Some(difference) => anyhow::bail!(
            "tests/lab/answered/{xen}.txt is out of date ({difference}): run \
             `cargo xtask lab test --record` and `cargo xtask versions`"
        ),
    }
}

/// In words, or `None`.
fn difference(listed: &BTreeSet<String>, made: &BTreeSet<String>) -> Option<String> {
    let names =
        |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let gone: Vec<_> = listed.difference(made).collect();
    let new: Vec<_> = made.difference(listed).collect();
    match (gone.is_empty(), new.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("no longer called: {}", names(gone))),
        (true, false) => Some(format!("not listed: {}", names(new))),
        (false, false) => {
            Some(format!("no longer called: {}; not listed: {}", names(gone), names(new)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn calls_that_are_listed_and_not_made_are_told_and_the_other_way_round() {
        let told = difference(&set(&["xc_a", "xc_b"]), &set(&["xc_b", "xc_c"]));
        assert_eq!(told.as_deref(), Some("no longer called: xc_a; not listed: xc_c"));
    }

    #[test]
    fn a_list_that_fits_is_no_difference() {
        assert_eq!(difference(&set(&["xc_a"]), &set(&["xc_a"])), None);
    }
}
