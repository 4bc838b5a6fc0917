//! `cargo xtask lab run`: a machine for one command.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Result;

use super::machine::{Command, Inherited, Input, Machine, Options, Outcome};

pub(super) fn run(options: &Options, command: &[OsString], timeout: Duration) -> Result<u8> {
    let mut machine = Machine::boot(options, &report)?;
    let command = Command::new(command).input(Input::Inherited).timeout(timeout);
    let outcome = machine.exec(&command, &mut Inherited)?;
    machine.power_off()?;
    Ok(status(&outcome))
}

/// Progress is for people, and beside the command's own output.
pub(super) fn report(line: &str) {
    eprintln!("lab: {line}");
}

/// A command's end as a shell would report it, with a word where the status alone says too little.
pub(super) fn status(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Exited(status) => u8::try_from(*status).unwrap_or(u8::MAX),
        Outcome::Signaled(signal) => {
            report(&format!("signal {signal} ended the command"));
            u8::try_from(128 + signal).unwrap_or(u8::MAX)
        }
        Outcome::TimedOut => {
            report("the command's time is over");
            124
        }
        Outcome::NotStarted(reason) => {
            report(&format!("the command does not start: {reason}"));
            127
        }
    }
}
