//! Benchmarks of programs built for speed, in dom0 of a lab.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::lab::build;
use crate::lab::images::XenRelease;
use crate::lab::machine::{Command, Inherited, Machine, Options, Outcome};

/// How a benchmark runs in a lab.
#[derive(Debug, Args)]
pub(crate) struct InLab {
    /// The release of Xen.
    #[arg(long, value_name = "VERSION", default_value = "4.17")]
    pub(super) xen: XenRelease,
    /// Fewer rounds: for a look, not for a verdict.
    #[arg(long)]
    quick: bool,
    /// Fail if an aim is missed.
    #[arg(long)]
    strict: bool,
}

impl InLab {
    /// Builds `xenops` and the program that measures, and runs this with `others` beside them in
    /// [`in_dom0`].
    pub(super) fn run(
        &self,
        table: &str,
        others: &[PathBuf],
        arguments: &str,
        report: &dyn Fn(&str),
    ) -> Result<ExitCode> {
        report("building for speed");
        let measured = build::measured(table)?;
        let mut machine = Machine::boot(&Options::new(self.xen), report)?;
        for program in measured.iter().chain(others) {
            machine.push(program, &in_dom0(program))?;
        }
        let flags = [(self.quick, " --quick"), (self.strict, " --strict")];
        let flags: String =
            flags.iter().filter(|(given, _)| *given).map(|(_, flag)| *flag).collect();
        // Before the others of these names.
        let script = format!("PATH={PLACE}:$PATH exec {table} {arguments}{flags}");
        let outcome = machine.exec(&Command::shell(&script).timeout(DEADLINE), &mut Inherited)?;
        machine.power_off()?;
        match outcome {
            Outcome::Exited(0) => Ok(ExitCode::SUCCESS),
            Outcome::Exited(1) => Ok(ExitCode::FAILURE),
            other => bail!("the benchmark ended otherwise: {other:?}"),
        }
    }
}

/// Where a program is in dom0.
pub(super) fn in_dom0(program: &Path) -> PathBuf {
    Path::new(PLACE).join(program.file_name().unwrap_or_default())
}

const PLACE: &str = "/opt/bench";

/// Longer than 15 rounds of everything on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60 * 60);
