//! `cargo xtask bench devices`: programs built for speed, measured against `xl` in dom0 of a lab.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::lab::build;
use crate::lab::images::XenRelease;
use crate::lab::machine::{Command, Inherited, Machine, Options, Outcome};

pub(super) fn run(
    xen: XenRelease,
    quick: bool,
    strict: bool,
    only: Option<&str>,
) -> Result<ExitCode> {
    let report = |line: &str| eprintln!("bench devices: {line}");
    report("building for speed");
    let measured = build::measured(TABLE)?;
    let mut machine = Machine::boot(&Options::new(xen), &report)?;
    // Before the others of these names.
    let place = Path::new("/opt/bench");
    for program in &measured {
        machine.push(program, &place.join(program.file_name().unwrap_or_default()))?;
    }
    let flags = [(quick, " --quick"), (strict, " --strict")];
    let mut flags: String =
        flags.iter().filter(|(given, _)| *given).map(|(_, flag)| *flag).collect();
    if let Some(words) = only {
        flags += &format!(" '--only={words}'");
    }
    let script = format!("PATH={}:$PATH exec {TABLE}{flags}", place.display());
    let outcome = machine.exec(&Command::shell(&script).timeout(DEADLINE), &mut Inherited)?;
    machine.power_off()?;
    match outcome {
        Outcome::Exited(0) => Ok(ExitCode::SUCCESS),
        Outcome::Exited(1) => Ok(ExitCode::FAILURE),
        other => bail!("the benchmark ended otherwise: {other:?}"),
    }
}

/// The program that measures.
const TABLE: &str = "devices-table";
/// Longer than 15 rounds of everything on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60 * 60);
