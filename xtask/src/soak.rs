//! `cargo xtask soak`: the same again and again, to see what is left of it after thousands of times.
//!
//! ```text
//!   sim    lives and deaths of guests on the simulated machine    xenops/tests/simulated/soak.rs
//!   xen    lives of the tiny guest on a real Xen                  guests, state
//!   fuzz   every target, for longer than a look                   crate::fuzz
//! ```
//!
//! What it found last stands in `docs/soak.md`.

mod guests;
mod state;

use std::path::Path;
use std::process::Command as Process;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use crate::fuzz;
use crate::lab::images::XenRelease;

/// What is repeated; all of it if nothing is named.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Guests of two toolstacks, failing and killed creations, on the simulated machine.
    Sim(Sim),
    /// The tiny guest, made and ended by the command, on a real Xen.
    Xen(Guests),
    /// Inputs that break the parsers of what others send.
    Fuzz(Fuzz),
}

#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    cycles: u64,
    /// What the cycles are drawn by.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Guests {
    /// On this release only.
    #[arg(long, value_name = "VERSION")]
    xen: Option<XenRelease>,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..))]
    cycles: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// The target; all of them if none is named.
    target: Option<String>,
    /// How long to look in each target.
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=24 * 60))]
    minutes: u32,
}

/// Runs one of them, or all with what they do by default.
pub(crate) fn run(root: &Path, command: Option<Command>) -> Result<()> {
    match command {
        Some(Command::Sim(options)) => sim(root, &options),
        Some(Command::Xen(options)) => xen(&options),
        Some(Command::Fuzz(options)) => fuzz(options),
        None => {
            sim(root, &Sim { cycles: 10_000, seed: 1 })?;
            xen(&Guests { xen: None, cycles: 200 })?;
            fuzz(Fuzz { target: None, minutes: 10 })
        }
    }
}

fn sim(root: &Path, options: &Sim) -> Result<()> {
    const TEST: &str = "soak::guests_come_and_go_by_thousands_without_a_trace";
    let output = Process::new(env!("CARGO"))
        .args(["test", "--locked", "--quiet", "-p", "xenops", "--test", "simulated", "--"])
        .args(["--ignored", "--exact", "--nocapture", TEST])
        .env("SOAK_CYCLES", options.cycles.to_string())
        .env("SOAK_SEED", options.seed.to_string())
        .current_dir(root)
        .status()
        .context("start cargo test")?;
    ensure!(output.success(), "soak on the simulated machine: {output}");
    Ok(())
}

fn xen(options: &Guests) -> Result<()> {
    let releases = options.xen.map_or(XenRelease::ALL.to_vec(), |xen| vec![xen]);
    releases.into_iter().try_for_each(|xen| {
        guests::run(xen, options.cycles).with_context(|| format!("soak on Xen {xen}"))
    })
}

fn fuzz(options: Fuzz) -> Result<()> {
    fuzz::run(&fuzz::Options::new(options.target, 60 * options.minutes))
}
