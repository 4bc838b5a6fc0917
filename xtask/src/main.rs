//! The project's own commands, run as `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

mod check;
mod demo;
mod deny;
mod deps;
mod lab;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use lab::images::XenRelease;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The main job on a real Xen: two guests come and go, command by command.
    Demo {
        /// The release of Xen.
        #[arg(long, value_name = "VERSION", default_value = "4.17")]
        xen: XenRelease,
    },
    /// Everything that must pass: `check`, then all tests on every real Xen. What CI runs.
    Test,
    /// What needs no Xen: formatting, lints, unit and doc tests, documentation, deps, deny.
    Check,
    /// The arrows between the packages.
    Deps,
    /// Licences, bans and sources of all dependencies.
    Deny,
    /// A real Xen in QEMU: images, machines, and tests inside them.
    #[command(subcommand)]
    Lab(lab::Command),
}

fn main() -> ExitCode {
    let root = workspace::root();
    let done = |()| ExitCode::SUCCESS;
    let outcome = match Cli::parse().command {
        Command::Demo { xen } => demo::run(&root, xen).map(done),
        Command::Test => check::check(&root).and_then(|()| lab::test_everything()),
        Command::Check => check::check(&root).map(done),
        Command::Deps => deps::run().map(done),
        Command::Deny => deny::run(&root).map(done),
        Command::Lab(command) => lab::run(command),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
