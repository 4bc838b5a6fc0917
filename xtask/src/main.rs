//! The project's own commands, run as `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

mod bench;
mod check;
mod daemons;
mod demo;
mod deny;
mod deps;
mod fuzz;
mod headers;
mod lab;
mod mutants;
mod purity;
mod soak;
mod threats;
mod valgrind;
mod versions;
mod workspace;

use std::io;
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
        /// On a simulated machine, where there is no QEMU.
        #[arg(long, conflicts_with = "xen")]
        sim: bool,
    },
    /// Everything that must pass: `check`, `headers`, `valgrind`, `fuzz`, the tests on the store
    /// daemons, then all tests on every real Xen. What CI runs.
    Test,
    /// What needs no Xen: formatting, lints, unit and doc tests, documentation, deps, deny.
    Check,
    /// The measured C interface of Xen (`tests/abi`) against the headers that Debian packages.
    Headers,
    /// The arrows between the packages.
    Deps,
    /// Licences, bans and sources of all dependencies.
    Deny,
    /// Inputs that break the parsers of what others send.
    Fuzz(fuzz::Options),
    /// Small changes to the rules, to see whether the tests notice: not in CI.
    Mutants(mutants::Options),
    /// The real store daemons on plain Linux: fetch them, test on them, run one.
    Daemons {
        #[command(subcommand)]
        command: Option<daemons::Command>,
    },
    /// Write docs/xen-versions.md: what each Xen release has.
    Versions,
    /// The tests through the C boundary under valgrind, and what a call costs in instructions.
    Valgrind,
    /// What the libraries cost, against their peers.
    #[command(subcommand)]
    Bench(bench::Command),
    /// The same thousands of times, to see what is left: not in CI.
    Soak {
        #[command(subcommand)]
        command: Option<soak::Command>,
    },
    /// A real Xen in QEMU: images, machines, and tests inside them.
    #[command(subcommand)]
    Lab(lab::Command),
}

fn main() -> ExitCode {
    let root = workspace::root();
    let done = |()| ExitCode::SUCCESS;
    let outcome = match Cli::parse().command {
        Command::Demo { sim: true, .. } => demo::simulate(&root).map(done),
        Command::Demo { xen, .. } => demo::run(&root, xen).map(done),
        Command::Test => check::check(&root)
            .and_then(|()| valgrind::run())
            .and_then(|()| headers::run())
            .and_then(|()| fuzz::run(&fuzz::Options::default()))
            .and_then(|()| daemons::test(None))
            .and_then(|()| lab::test_everything()),
        Command::Check => check::check(&root).map(done),
        Command::Headers => headers::run().map(done),
        Command::Deps => deps::run().map(done),
        Command::Deny => deny::run(&root).map(done),
        Command::Fuzz(options) => fuzz::run(&options).map(done),
        Command::Mutants(options) => mutants::run(&root, &options).map(done),
        Command::Daemons { command } => daemons::run(command).map(done),
        Command::Versions => versions::write(&root).map(done),
        Command::Valgrind => valgrind::run().map(done),
        Command::Bench(command) => bench::run(&root, &command),
        Command::Soak { command } => soak::run(&root, command).map(done),
        Command::Lab(command) => lab::run(command),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if reader_is_gone(&error) => READER_GONE.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the cause is that nobody reads our output any more (`| head`), which needs no words.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(closed))
}

/// What a shell reports for a program that SIGPIPE ended.
const READER_GONE: u8 = 128 + 13;

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_closed_output_is_known_below_its_context() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(reader_is_gone(&error.context("pass the output on").unwrap_err()));
    }

    #[test]
    fn another_error_is_no_closed_output() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::NotFound));
        assert!(!reader_is_gone(&error.context("pass the output on").unwrap_err()));
    }
}
