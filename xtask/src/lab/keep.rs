//! `cargo xtask lab up`, `exec`, `shell`, `down`, `status`: a machine that stays.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use super::build;
use super::machine::{Command, Folder, Inherited, Input, Machine, Options, Raw, folders};
use super::once::{report, status as status_of};

/// A machine that is up answers at once; one that does not in this time hangs.
const HANG_DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn up(options: &Options) -> Result<ExitCode> {
    let machine = Machine::boot(options, &report)?;
    for (name, value) in machine.facts() {
        report(&format!("{name}: {value}"));
    }
    report(&format!("up; /host in dom0 is {}", machine.share().display()));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn exec(name: &str, command: &[OsString]) -> Result<u8> {
    let programs = build::programs()?;
    let mut machine = Machine::attach(name, HANG_DEADLINE)?;
    machine.push_programs(&programs)?;
    let command = Command::new(command).input(Input::Inherited);
    Ok(status_of(&machine.exec(&command, &mut Inherited)?))
}

pub(super) fn shell(name: &str) -> Result<u8> {
    let mut machine = Machine::attach(name, HANG_DEADLINE)?;
    let mut command = Command::new(["bash", "-i"]).input(Input::Inherited);
    let raw = Raw::enter()?;
    if let Some((_, size)) = &raw {
        let terminal = std::env::var("TERM").unwrap_or("linux".into());
        command = command.terminal(*size).env("TERM", &terminal).env("PS1", "dom0 \\w# ");
    } else {
        command = Command::new(["sh"]).input(Input::Inherited);
    }
    let outcome = machine.exec(&command, &mut Inherited);
    drop(raw);
    Ok(status_of(&outcome?))
}

pub(super) fn down(name: &str) -> Result<ExitCode> {
    if Folder::open(name)?.process()?.is_none() {
        report(&format!("{name} is not up"));
        return Ok(ExitCode::SUCCESS);
    }
    Machine::end(name)?;
    report(&format!("{name} is down"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn status() -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    for name in folders()? {
        // One that is not kept may be gone by now.
        let Ok(folder) = Folder::open(&name) else { continue };
        if folder.process()?.is_some() {
            let (shape, log) = (folder.description(), folder.log());
            writeln!(out, "{name}: {shape} (serial log: {})", log.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
