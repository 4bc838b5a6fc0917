//! `cargo xtask versions`: writes `docs/xen-versions.md`, what each Xen release has of what the
//! libraries use.
//!
//! ```text
//! functions and structures declared in xenctrl-sys and xenguest-sys ──┐
//! tests/abi/data: what each release has                     ──────────┼──▶ docs/xen-versions.md
//! tests/lab/answered/V.txt: what a real Xen answered in the lab ──────┘
//! ```
//! `cargo xtask check` fails when the document is out of date, `cargo xtask lab test` when a list of
//! answered calls is.

mod table;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::lab::images::XenRelease;
use table::{Row, document};

/// Writes the document.
pub(crate) fn write(root: &Path) -> Result<()> {
    let path = root.join(DOCUMENT);
    fs::write(&path, text(root)?).with_context(|| format!("write {}", path.display()))
}

/// Fails if the document is not what it would be if written now.
pub(crate) fn check(root: &Path) -> Result<()> {
    let path = root.join(DOCUMENT);
    let there = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    ensure!(there == text(root)?, "{DOCUMENT} is out of date: run `cargo xtask versions`");
    println!("versions: {DOCUMENT} is up to date");
    Ok(())
}

/// The calls that a real Xen of this release is known to have answered in the lab.
pub(crate) fn answered(root: &Path, xen: XenRelease) -> Result<BTreeSet<String>> {
    let path = list_of(root, xen);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(e) => Err(e).with_context(|| format!("read {}", path.display())),
    }
}

/// Where that list lies.
pub(crate) fn list_of(root: &Path, xen: XenRelease) -> PathBuf {
    root.join("tests/lab/answered").join(format!("{xen}.txt"))
}

fn text(root: &Path) -> Result<String> {
    let answered = XenRelease::ALL
        .into_iter()
        .map(|xen| Ok((xen.version(), answered(root, xen)?)))
        .collect::<Result<Vec<_>>>()?;
    let ctrl = xenctrl_sys::Functions::declared().map(|declared| declared.symbol);
    let guest = xenguest_sys::Functions::DECLARED.iter().map(|declared| declared.symbol);
    let symbols: BTreeSet<_> = ctrl.chain(guest).collect();
    let rows: Vec<_> = symbols.into_iter().map(|symbol| Row::of(symbol, &answered)).collect();
    let structures: BTreeSet<_> =
        xenctrl_sys::declared_layouts().map(|declared| declared.name).collect();
    Ok(document(&rows, &structures))
}

const DOCUMENT: &str = "docs/xen-versions.md";
