//! The workspace's own programs, built for dom0.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::images::glibc;
use crate::workspace;

/// What was built for dom0.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// Process 1 of dom0.
    pub(crate) agent: PathBuf,
    /// What is on dom0's `PATH`: the command and the examples.
    pub(crate) commands: Vec<PathBuf>,
}

/// One program of tests: a file of `tests/lab/tests`, or of `tests/conformance/tests`.
#[derive(Clone, Debug)]
pub(crate) struct TestProgram {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Cargo's target folder.
///
/// # Errors
/// If cargo cannot say; it is asked once.
pub(crate) fn target() -> Result<&'static Path> {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    if let Some(target) = TARGET.get() {
        return Ok(target);
    }
    let target = workspace::target()?;
    Ok(TARGET.get_or_init(|| target))
}

/// Builds what is measured in dom0, for speed: the command, and the benchmark of this name.
pub(crate) fn measured(table: &str) -> Result<Vec<PathBuf>> {
    let programs = ["--bin", "xenops", "--bin", table];
    let artifacts = cargo(
        &[&["build", "--release", "-p", "xenops-cli", "-p", "benches"], &programs[..]].concat(),
    )?;
    let programs: Vec<_> = artifacts.into_iter().map(|(_, _, path)| path).collect();
    glibc::check(programs.iter().map(PathBuf::as_path))?;
    Ok(programs)
}

/// Builds what dom0 runs.
pub(crate) fn programs() -> Result<Programs> {
    let packages = ["-p", "xenops-cli", "-p", "lab-tests", "-p", "examples"];
    let artifacts = cargo(&[&["build"], &packages[..], &["--bins", "--examples"]].concat())?;
    let mut programs = Programs { agent: PathBuf::new(), commands: Vec::new() };
    for (kind, name, path) in artifacts {
        match (kind.as_str(), name.as_str()) {
            ("bin", "lab-agent") => programs.agent = path,
            ("bin" | "example", _) => programs.commands.push(path),
            _ => (),
        }
    }
    ensure!(!programs.agent.as_os_str().is_empty(), "cargo built no lab-agent");
    glibc::check(programs.commands.iter().chain([&programs.agent]).map(PathBuf::as_path))?;
    Ok(programs)
}

/// Builds the lab tests, and those of the conformance suites.
pub(crate) fn tests() -> Result<Vec<TestProgram>> {
    let packages = ["-p", "lab-tests", "-p", "conformance"];
    let artifacts = cargo(&[&["test"], &packages[..], &["--tests", "--no-run"]].concat())?;
    let tests = artifacts.into_iter().filter(|(kind, ..)| kind == "test");
    let mut tests: Vec<_> = tests.map(|(_, name, path)| TestProgram { name, path }).collect();
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    glibc::check(tests.iter().map(|test| test.path.as_path()))?;
    Ok(tests)
}

/// Runs cargo and returns kind, name and path of each executable that it names.
pub(crate) fn cargo(args: &[&str]) -> Result<Vec<(String, String, PathBuf)>> {
    // The first build takes a while, and cargo's own lines show it going on.
    let built_before = target()?.join("debug/lab-agent").exists();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(args)
        .args(built_before.then_some("--quiet"))
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace::root())
        // What the caller builds for is this machine; dom0 has another processor, and only glibc.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start cargo")?;
    ensure!(output.status.success(), "cargo {} failed", args.join(" "));
    let mut executables = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let message: Value = serde_json::from_slice(line).context("read cargo's messages")?;
        let target = &message["target"];
        if let (Some(path), Some(kind), Some(name)) =
            (message["executable"].as_str(), target["kind"][0].as_str(), target["name"].as_str())
        {
            executables.push((kind.to_owned(), name.to_owned(), path.into()));
        }
    }
    Ok(executables)
}
