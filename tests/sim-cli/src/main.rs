//! `xenops-sim`: see the library of this package.

#![allow(clippy::print_stderr, reason = "it is a program")]

use std::env;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let show = arguments.first().is_some_and(|first| first == "--show");
    if arguments.len() > usize::from(show) {
        eprintln!("usage: xenops-sim [--show] < SCRIPT");
        return ExitCode::from(WRONG_USAGE);
    }
    xenops_sim::run(io::stdin().lock(), show)
}

/// As the `xenops` command has it.
const WRONG_USAGE: u8 = 2;
