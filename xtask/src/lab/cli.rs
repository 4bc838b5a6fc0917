//! The command line of `cargo xtask lab`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::images::{self, XenRelease};
use super::machine::{Options, Store};
use super::{keep, once, selftest, test};
use crate::{READER_GONE, reader_is_gone};

/// The exit status that says that the lab itself failed, not the command in it.
const LAB_FAILED: u8 = 125;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch and prepare what a lab machine boots from, and print where it lies.
    Images {
        /// Prepare one release only.
        #[arg(long, value_name = "VERSION")]
        xen: Option<XenRelease>,
    },
    /// Boot, run a command in dom0, pass its exit status on, power off.
    Run {
        #[command(flatten)]
        shape: Shape,
        /// Write the serial log here.
        #[arg(long, value_name = "PATH")]
        keep_log: Option<PathBuf>,
        /// End the command after so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = seconds())]
        timeout: u64,
        /// The command.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
    /// Boot a lab that stays, for two hours at most.
    Up {
        #[command(flatten)]
        shape: Shape,
        #[command(flatten)]
        name: Name,
    },
    /// Run a command in a lab that is up, with freshly built programs.
    Exec {
        #[command(flatten)]
        name: Name,
        /// The command.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
    /// Open a shell in a lab that is up.
    Shell {
        #[command(flatten)]
        name: Name,
    },
    /// End a lab that is up.
    Down {
        #[command(flatten)]
        name: Name,
    },
    /// List the labs that are up.
    Status,
    /// Run the lab tests in dom0: on one release, or on all of them.
    Test {
        /// On this release only.
        #[arg(long, value_name = "VERSION")]
        xen: Option<XenRelease>,
        /// The store daemon.
        #[arg(long, value_enum, default_value_t = Store::C)]
        store: Store,
        /// Boot the releases at the same time.
        #[arg(long)]
        parallel: bool,
        /// Write down anew which calls a real Xen answered, for docs/xen-versions.md.
        #[arg(long, conflicts_with = "filter")]
        record: bool,
        /// Run the tests whose names contain this, and those of the file of this name.
        filter: Option<String>,
    },
    /// Prove that the lab notices what goes wrong in it and leaves nothing behind.
    Selftest {
        /// On this release.
        #[arg(long, value_name = "VERSION", default_value = "4.17")]
        xen: XenRelease,
    },
}

/// What to boot.
#[derive(Args, Clone, Debug)]
pub(crate) struct Shape {
    /// The release of Xen: 4.17 or 4.20.
    #[arg(long, value_name = "VERSION", default_value = "4.17")]
    xen: XenRelease,
    /// The store daemon.
    #[arg(long, value_enum, default_value_t = Store::C)]
    store: Store,
    /// The number of NUMA nodes; 0 for a machine without any.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=8))]
    numa: u32,
    /// Memory of the whole machine.
    #[arg(long, value_name = "MIB", default_value_t = 3072, value_parser = clap::value_parser!(u32).range(1280..))]
    memory: u32,
    /// The folder of the host that is /host in dom0.
    #[arg(long, value_name = "FOLDER")]
    share: Option<PathBuf>,
    /// Put a device model for HVM guests into dom0, and log what guests say to Xen.
    #[arg(long)]
    device_model: bool,
    /// Seconds from the start of QEMU to the first command.
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = seconds())]
    boot_deadline: u64,
    /// Seconds for which dom0 may show no sign of life.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = seconds())]
    hang_deadline: u64,
}

/// Which lab.
#[derive(Args, Clone, Debug)]
pub(crate) struct Name {
    /// The name of the lab.
    #[arg(long, default_value = "lab")]
    pub(crate) name: String,
}

impl Shape {
    fn options(&self) -> Options {
        Options {
            store: self.store,
            numa: self.numa,
            memory: self.memory,
            share: self.share.clone(),
            device_model: self.device_model,
            boot_deadline: Duration::from_secs(self.boot_deadline),
            hang_deadline: Duration::from_secs(self.hang_deadline),
            ..Options::new(self.xen)
        }
    }
}

/// Runs one `cargo xtask lab` command and returns the exit status to pass on.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Images { xen } => images::print(xen),
        Command::Run { shape, keep_log, timeout, command } => {
            let options = Options { log: keep_log, ..shape.options() };
            Ok(pass_on(once::run(&options, &command, Duration::from_secs(timeout))))
        }
        Command::Up { shape, name } => {
            keep::up(&Options { keep: Some(name.name), ..shape.options() })
        }
        Command::Exec { name, command } => Ok(pass_on(keep::exec(&name.name, &command))),
        Command::Shell { name } => Ok(pass_on(keep::shell(&name.name))),
        Command::Down { name } => keep::down(&name.name),
        Command::Status => keep::status(),
        Command::Test { xen, store, parallel, record, filter } => {
            let releases = xen.map_or(XenRelease::ALL.to_vec(), |xen| vec![xen]);
            let filter = filter.as_deref();
            test::run(&releases, test::Choice { store, parallel, record, filter })
        }
        Command::Selftest { xen } => selftest::run(xen),
    }
}

/// All that can be tested on a real Xen: the lab itself, then every release.
pub(crate) fn test_everything() -> Result<ExitCode> {
    let lab = selftest::run(XenRelease::V4_17)?;
    let tests = test::run(&XenRelease::ALL, test::Choice::ALL)?;
    Ok(if lab == ExitCode::SUCCESS { tests } else { lab })
}

/// Up to a day, which is longer than any lab lives.
fn seconds() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=24 * 60 * 60)
}

fn pass_on(status: Result<u8>) -> ExitCode {
    match status {
        Ok(status) => status.into(),
        Err(error) if reader_is_gone(&error) => READER_GONE.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            LAB_FAILED.into()
        }
    }
}
