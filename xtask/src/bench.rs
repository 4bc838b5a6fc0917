//! `cargo xtask bench`: what the libraries cost, against their peers.

use std::env;
use std::path::Path;
use std::process::{Command as Process, ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

mod build;
mod devices;
mod in_lab;

use self::in_lab::InLab;

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The xenstore client, on the real C xenstored: one table with all ratios.
    Xs(Options),
    /// The store, against the real xenstored and oxenstored: one table with all ratios.
    XsServer {
        #[command(flatten)]
        options: Options,
        /// Draw the plot anew, docs/xs-server.svg.
        #[arg(long)]
        plot: bool,
    },
    /// Building guests on a real Xen, against the same calls from C and against xl: one table.
    Build(InLab),
    /// Attaching and detaching devices on a real Xen, against xl: one table.
    Devices {
        #[command(flatten)]
        options: InLab,
        /// Only the cases whose name contains this.
        #[arg(long, value_name = "WORDS")]
        only: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Fewer rounds: for a look, not for a verdict.
    #[arg(long)]
    quick: bool,
    /// The scheduler places daemons and clients. Otherwise they share one processor, for which the aims
    /// are: on two, who waits for whom is up to the scheduler.
    #[arg(long)]
    spread: bool,
    /// Fail if an aim is missed.
    #[arg(long)]
    strict: bool,
}

/// Builds the benchmark and runs it.
pub(crate) fn run(root: &Path, command: &Command) -> Result<ExitCode> {
    let (program, options, plot) = match command {
        Command::Xs(options) => ("xs-table", options, false),
        Command::XsServer { options, plot } => ("xs-server-table", options, *plot),
        Command::Build(options) => return build::run(root, options),
        Command::Devices { options, only } => return devices::run(options, only.as_deref()),
    };
    let flags = [
        (options.quick, "--quick"),
        (!options.spread, "--pin"),
        (options.strict, "--strict"),
        (plot, "--plot=docs/xs-server.svg"),
    ];
    let flags = flags.iter().filter(|(given, _)| *given).map(|(_, flag)| flag);
    let status = Process::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--release", "--locked", "--quiet", "-p", "benches", "--bin", program])
        .arg("--")
        .args(flags)
        .current_dir(root)
        // The target of a dependant's configuration may not run here.
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .context("start cargo run")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
