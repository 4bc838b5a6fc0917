//! `cargo xtask daemons`: the real xenstored and oxenstored, for tests without Xen.
//!
//! ```text
//! Debian packages ──▶ target/daemons/root            unpacked, nothing is installed
//! tests/daemons/shim ─▶ target/daemons/libfakexen.so
//! ```
//!
//! Tests find both by `STORE_DAEMONS`. The packages are those of the lab's stock, `target/lab`.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::{Subcommand, ValueEnum};
use serde_json::Value;
use store_daemons::{Kind, Setup};

use crate::lab::images;
use crate::workspace;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the tests that talk to the daemons.
    Test {
        /// Run the tests whose names contain this.
        filter: Option<String>,
    },
    /// Run one daemon, and print where clients find it, until Ctrl-C.
    Run {
        /// The daemon.
        #[arg(value_enum)]
        daemon: Which,
        /// More arguments for it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
}

/// A daemon by the language that it is written in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Which {
    /// xenstored.
    C,
    /// oxenstored.
    Ocaml,
}

/// Runs the command, or only prepares the daemons and says where they are.
pub(crate) fn run(command: Option<Command>) -> Result<()> {
    match command {
        None => {
            let folder = prepare()?;
            writeln!(io::stdout(), "export STORE_DAEMONS={}", folder.display())?;
            Ok(())
        }
        Some(Command::Test { filter }) => test(filter.as_deref()),
        Some(Command::Run { daemon, flags }) => foreground(daemon, flags),
    }
}

/// Runs the tests of every package that has some for the daemons.
pub(crate) fn test(filter: Option<&str>) -> Result<()> {
    let folder = prepare()?;
    let metadata = workspace::metadata()?;
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let ours = packages.iter().filter_map(|package| package["name"].as_str());
    let mut arguments = vec!["test", "--locked", "--features", "xs/tokio"];
    for package in ours.filter(|name| WITH_TESTS.contains(name)) {
        arguments.extend(["-p", package]);
    }
    arguments.extend(["--", "--include-ignored"]);
    arguments.extend(filter);
    let status = cargo()
        .args(&arguments)
        .env("STORE_DAEMONS", folder)
        .status()
        .context("start cargo test")?;
    ensure!(status.success(), "cargo {}: {status}", arguments.join(" "));
    Ok(())
}

/// Makes the daemons present and returns their folder.
fn prepare() -> Result<PathBuf> {
    let folder = workspace::target()?.join("daemons");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    images::store_daemons(&folder.join("root"), &|line| eprintln!("daemons: {line}"))?;
    let shim = folder.join("libfakexen.so");
    put(&built_shim()?, &shim).with_context(|| format!("write {}", shim.display()))?;
    Ok(folder)
}

/// Builds the shim and returns where cargo put it.
fn built_shim() -> Result<PathBuf> {
    let output = cargo()
        .args(["build", "--locked", "--quiet", "--release", "-p", "fakexen"])
        .arg("--message-format=json-render-diagnostics")
        // It is for the daemons that run here, whatever the caller builds for.
        .env_remove("CARGO_BUILD_TARGET")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start cargo build")?;
    ensure!(output.status.success(), "cargo cannot build fakexen");
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let message: Value = serde_json::from_slice(line).context("read cargo's messages")?;
        if message["target"]["name"] == "fakexen"
            && let Some(path) = message["filenames"][0].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("cargo built no fakexen")
}

/// Copies a file if it differs, by another name: a daemon that runs has the old one mapped.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    let contents = fs::read(from)?;
    if fs::read(to).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    let new = to.with_extension(format!("new.{}", process::id()));
    fs::write(&new, contents)?;
    fs::rename(new, to)
}

fn foreground(daemon: Which, flags: Vec<String>) -> Result<()> {
    let kind = match daemon {
        Which::C => Kind::C,
        Which::Ocaml => Kind::OCaml,
    };
    let folder = prepare()?;
    let _alone = only_one(&folder, kind)?;
    // A folder that stays: the signal of Ctrl-C ends this process without a chance to remove it.
    let place = folder.join("run").join(kind.to_string());
    let setup = Setup::new(kind).installed_in(&folder).run_in(place);
    let mut running = flags.into_iter().fold(setup, Setup::flag).start()?;
    writeln!(io::stdout(), "export XENSTORED_PATH={}", running.socket().display())?;
    eprintln!("daemons: {kind} runs as process {}; Ctrl-C ends it", running.pid());
    let status = running.wait()?;
    bail!("{kind} ended: {status}; it logged:\n{}", running.log())
}

/// Keeps a second daemon of this kind out of the folder of the first.
fn only_one(folder: &Path, kind: Kind) -> Result<File> {
    let path = folder.join(format!("{kind}.lock"));
    let lock = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another `cargo xtask daemons run` runs {kind}"),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("lock {}", path.display()))
        }
    }
}

fn cargo() -> process::Command {
    let mut command = process::Command::new(env!("CARGO"));
    command.current_dir(workspace::root());
    command
}

/// The packages with tests that want the daemons, as far as they are there.
const WITH_TESTS: &[&str] = &["store-daemons", "xs", "xs-server", "conformance", "examples"];
