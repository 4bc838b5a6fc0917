//! What a call through `xc` costs beyond the raw C call.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::Valgrind;
use crate::lab::build;

/// The calls that `xc-cost` knows, with the number of calls of C that each makes, either way.
const CALLS: &[(&str, i64)] =
    &[("pause", 1), ("hvm-param", 1), ("phys-info", 1), ("list", 1), ("create", 2)];

/// At most so many instructions more than the raw call.
const LIMIT: i64 = 300;

/// Prints a line for each call, and fails if one costs too much.
pub(super) fn check(valgrind: &Valgrind) -> Result<()> {
    let arguments = ["build", "--locked", "--release", "-p", "benches", "--bin", "xc-cost"];
    let built = build::cargo(&arguments)?;
    let (.., program) = built.first().context("cargo built no xc-cost")?;
    let mut dear = Vec::new();
    println!("{:<12}{:>8}{:>8}{:>8}", "call", "raw", "xc", "more");
    for (call, calls) in CALLS {
        let raw = per_call(valgrind, program, "raw", call)?;
        let ours = per_call(valgrind, program, "xc", call)?;
        println!("{call:<12}{raw:>8}{ours:>8}{:>8}", ours - raw);
        if ours - raw > calls * LIMIT {
            dear.push(*call);
        }
    }
    ensure!(
        dear.is_empty(),
        "more than {LIMIT} instructions beyond a raw call: {}",
        dear.join(", ")
    );
    Ok(())
}

/// What one more call costs when many were made.
fn per_call(valgrind: &Valgrind, program: &Path, way: &str, call: &str) -> Result<i64> {
    const FEW: i64 = 100;
    const MANY: i64 = 1100;
    let count = |times: i64| instructions(valgrind, program, &[way, call, &times.to_string()]);
    Ok((count(MANY)? - count(FEW)?) / (MANY - FEW))
}

fn instructions(valgrind: &Valgrind, program: &Path, arguments: &[&str]) -> Result<i64> {
    let counts = valgrind.scratch.join("callgrind.out");
    let file = format!("--callgrind-out-file={}", counts.display());
    let mut command = valgrind.command(&["--tool=callgrind", &file], program);
    command.args(arguments).arg("--scratch").arg(&valgrind.scratch);
    let output = command.output().context("start valgrind")?;
    if !output.status.success() {
        bail!("xc-cost {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text =
        std::fs::read_to_string(&counts).with_context(|| format!("read {}", counts.display()))?;
    total(&text).with_context(|| format!("no total in {}", counts.display()))
}

/// The last line of callgrind's file: `totals: 123`.
fn total(text: &str) -> Option<i64> {
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found_in_callgrinds_file() {
        assert_eq!(total("events: Ir\nfn=(1)\n1 2\ntotals: 4711\n"), Some(4711));
        assert_eq!(total("events: Ir\n"), None);
    }
}
