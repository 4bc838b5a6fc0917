//! `cargo xtask bench build`: programs built for speed and a builder in C, measured in dom0 of a lab.

use std::path::{Path, PathBuf};
use std::process::{Command as HostCommand, ExitCode};

use anyhow::{Context, Result, ensure};

use super::in_lab::{InLab, in_dom0};
use crate::lab::images::{self, XenRelease};
use crate::workspace;

pub(super) fn run(root: &Path, options: &InLab) -> Result<ExitCode> {
    let report = |line: &str| eprintln!("bench build: {line}");
    let with_c = with_c(root, options.xen, &report)?;
    let arguments = format!("table --with-c {}", in_dom0(&with_c).display());
    options.run("build-table", &[with_c], &arguments, &report)
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
