//! The `xenops` command as a function, so that the same command runs on any host that a program
//! hands to it.
//!
//! ```no_run
//! let status = xenops_cli::run(["xenops", "list"], xenops::Host::open);
//! ```

#![forbid(unsafe_code)]

mod args;
mod change;
mod commands;
mod devices;
mod failure;
mod print;
mod saved;
mod signals;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use xenops::Host;

use crate::failure::Failure;

/// Runs one command line, whose first word is the program's name, on the host that `open` gives.
///
/// `open` is called only once the command line, for `create` the configuration file and for `restore`
/// the saved domain are known to be good.
pub fn run<I, T>(arguments: I, open: impl FnOnce() -> xenops::Result<Host>) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let args = match args::Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // Help and version come as errors too; clap knows where to print and what to return.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::USAGE));
        }
    };
    match commands::run(args.command, open) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Quiet(status)) => ExitCode::from(status),
        Err(failure) => {
            eprint!("{failure}");
            ExitCode::from(failure.status())
        }
    }
}
