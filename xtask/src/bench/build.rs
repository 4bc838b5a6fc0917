//! `cargo xtask bench build`: programs built for speed and a builder in C, measured in dom0 of a lab.

use std::path::{Path, PathBuf};
use std::process::{Command as HostCommand, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::lab::build;
use crate::lab::images::{self, XenRelease};
use crate::lab::machine::{Command, Inherited, Machine, Options, Outcome};
use crate::workspace;

pub(super) fn run(root: &Path, xen: XenRelease, quick: bool, strict: bool) -> Result<ExitCode> {
    let report = |line: &str| eprintln!("bench build: {line}");
    let with_c = with_c(root, xen, &report)?;
    report("building for speed");
    let measured = build::measured("build-table")?;
    let mut machine = Machine::boot(&Options::new(xen), &report)?;
    // Before the others of these names.
    let place = Path::new("/opt/bench");
    let in_dom0 = |program: &Path| place.join(program.file_name().unwrap_or_default());
    for program in measured.iter().chain([&with_c]) {
        machine.push(program, &in_dom0(program))?;
    }
    let flags = [(quick, " --quick"), (strict, " --strict")];
    let flags: String = flags.iter().filter(|(given, _)| *given).map(|(_, flag)| *flag).collect();
    let script = format!(
        "PATH={0}:$PATH exec build-table table --with-c {1}{flags}",
        place.display(),
        in_dom0(&with_c).display()
    );
    let command = Command::shell(&script).timeout(DEADLINE);
    let outcome = machine.exec(&command, &mut Inherited)?;
    machine.power_off()?;
    match outcome {
        Outcome::Exited(0) => Ok(ExitCode::SUCCESS),
        Outcome::Exited(1) => Ok(ExitCode::FAILURE),
        other => bail!("the benchmark ended otherwise: {other:?}"),
    }
}

/// Compiles the builder in C with the headers and libraries of `xen`.
fn with_c(root: &Path, xen: XenRelease, report: &dyn Fn(&str)) -> Result<PathBuf> {
    let version = xen.version();
    let packages = images::headers(xen.suite(), version, report)?;
    let libraries = packages.join("usr/lib/x86_64-linux-gnu");
    let program = workspace::target()?.join("lab").join(format!("build-with-c-{version}"));
    let output = HostCommand::new("cc")
        .args(["-std=gnu11", "-O2", "-Wall", "-o"])
        .arg(&program)
        .arg(root.join("benches/src/building/libxenguest.c"))
        .arg("-I")
        .arg(packages.join("usr/include"))
        .arg("-L")
        .arg(libraries)
        .args(["libxenguest", "libxenctrl"].map(|name| format!("-l:{name}.so.{version}")))
        // What these need in turn is in dom0.
        .arg("-Wl,--unresolved-symbols=ignore-in-shared-libs")
        .output()
        .context("start cc, the C compiler: the package gcc")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "compile the builder in C: {}", said.trim());
    Ok(program)
}

/// Longer than 15 rounds of everything on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60 * 60);
