//! `cargo xtask headers`: the data of `tests/abi` against the headers that Debian packages.
//!
//! ```text
//! tests/abi ──facts──▶ probes ──source──▶ facts.c ──compile──▶ facts.o ──▶ each value, held against
//!                                           ▲                              the data
//! libxen-dev, libxenmisc ──apt──▶ headers ──┘
//!                                 headers, libraries ──places──▶ where each function is
//! ```
//! Nothing is run of what is compiled: the compiler writes what it knows into constants. Debian has
//! three of the releases that were measured. The oldest will leave its mirrors one day, and is then
//! skipped aloud.

mod compile;
mod facts;
mod places;
mod source;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Result, bail};

use crate::lab::images::{self, Suite};
use crate::workspace;
use compile::Compiler;
use facts::Facts;

/// Compares every release that Debian has, and fails if one differs.
pub(crate) fn run() -> Result<()> {
    let (mut compared, mut skipped, mut wrong) = (0, 0, 0);
    for release in &RELEASES {
        let report = |line: &str| eprintln!("headers: {line}");
        let tree = match images::headers(release.suite, &release.version(), &report) {
            Ok(tree) => tree,
            Err(error) if release.may_be_gone => {
                say(format_args!("{}: SKIPPED: {error:#}", release.version()))?;
                skipped += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        wrong += compare(release, &tree)?;
        compared += 1;
    }
    if wrong > 0 {
        bail!("tests/abi/data and Debian's headers differ in {wrong} points");
    }
    say(format_args!("{compared} releases compared, {skipped} skipped"))
}

/// Compares one release and returns how many differences it has named.
fn compare(release: &Release, packages: &Path) -> Result<usize> {
    let version = release.version();
    let headers = packages.join("usr/include");
    let facts = Facts::of(release.minor);
    let place = workspace::target()?.join("headers").join(&version);
    let mut wrong = Compiler::new(place, &headers)?.differences(&facts.probes)?;
    wrong.extend(places::not_declared(facts.functions(), &headers)?);
    let everywhere = || xen_abi::functions().iter().filter(|f| f.minors.contains(release.minor));
    wrong.extend(places::not_exported(everywhere(), release.minor, packages)?);
    for line in &wrong {
        say(format_args!("{version}: {line}"))?;
    }
    let (compared, questions) = (facts.compared, facts.probes.len());
    say(format_args!("{version}: compared {compared}, by {questions} questions"))?;
    say(format_args!("{version}: asked that these are absent: {}", facts.absent))?;
    let exports = everywhere().count();
    say(format_args!("{version}: looked for {exports} functions in their libraries"))?;
    if !facts.left_out.is_empty() {
        let (left_out, private) = (facts.left_out, facts::PRIVATE);
        say(format_args!(
            "{version}: left out {left_out}: of {private}, which the package does not ship"
        ))?;
    }
    Ok(wrong.len())
}

fn say(line: impl Display) -> Result<()> {
    Ok(writeln!(io::stdout(), "headers: {line}")?)
}

/// A release of Xen that Debian has.
struct Release {
    minor: u16,
    suite: Suite,
    may_be_gone: bool,
}

impl Release {
    fn version(&self) -> String {
        format!("4.{}", self.minor)
    }
}

const RELEASES: [Release; 3] = [
    // Debian 11 is supported until August 2026, and then leaves the mirrors for its archive.
    Release { minor: 14, suite: Suite::Bullseye, may_be_gone: true },
    Release { minor: 17, suite: Suite::Bookworm, may_be_gone: false },
    Release { minor: 20, suite: Suite::Trixie, may_be_gone: false },
];
