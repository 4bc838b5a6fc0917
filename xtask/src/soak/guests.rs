//! The tiny guest comes and goes on a real Xen, made and ended by the command.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::state::State;
use crate::lab::images::XenRelease;
use crate::lab::machine::{Captured, Command, Machine, Options, Outcome};

/// Boots a machine and has so many guests live on it, one after the other.
pub(super) fn run(xen: XenRelease, cycles: u32) -> Result<()> {
    let mut machine = Machine::boot(&Options::new(xen), &|line| eprintln!("soak {xen}: {line}"))?;
    // What the first of each kind makes stays: folders for locks, modules, the daemons' buffers.
    for number in 0..LIVES {
        live(&mut machine, number)?;
    }
    let before = State::of(&mut machine)?;
    println!("soak {xen}: {cycles} cycles, before them: {before}");
    // What the first tenth has warmed up.
    let warm = cycles / 10;
    let (start, mut warmed) = (Instant::now(), before.clone());
    for done in 1..=cycles {
        live(&mut machine, done)?;
        if done % warm == 0 || done == cycles {
            let now = settled(&mut machine, &before)?;
            println!("soak {xen}: after {done:3}, {} s: {now}", start.elapsed().as_secs());
            if done == warm {
                warmed = now;
            } else if done == cycles {
                now.has_not_grown(&warmed)?;
            }
        }
    }
    machine.power_off()
}

/// One life: PV and PVH in turn, and of each one that is destroyed, then one that is shut down.
fn live(machine: &mut Machine, number: u32) -> Result<()> {
    let kind = if number.is_multiple_of(2) { "pv" } else { "pvh" };
    let end = if (number / 2).is_multiple_of(2) { "destroy" } else { "shutdown" };
    let script = format!(
        "xenops create /guests/tiny-{kind}.toml && \
         xenops console tiny-{kind} --until TINY-READY --timeout 60 && xenops {end} tiny-{kind}"
    );
    let mut captured = Captured::default();
    let command = Command::shell(&script).timeout(Duration::from_secs(120));
    match machine.exec(&command, &mut captured)? {
        Outcome::Exited(0) => Ok(()),
        outcome => {
            let said = String::from_utf8_lossy(&captured.stderr);
            bail!("cycle {number}, {kind}, {end}: {outcome:?}: {}", said.trim_end())
        }
    }
}

/// The state once it is as before. The hypervisor gives pages back, and the daemons close what they had of
/// a domain, after the command has ended.
fn settled(machine: &mut Machine, before: &State) -> Result<State> {
    let start = Instant::now();
    loop {
        let now = State::of(machine)?;
        let differences = now.differences(before);
        if differences.is_empty() {
            return Ok(now);
        }
        let late = start.elapsed() > Duration::from_secs(10);
        ensure!(!late, "not as before: {}", differences.join("; "));
    }
}

/// So many lives have each kind with each end.
const LIVES: u32 = 4;
