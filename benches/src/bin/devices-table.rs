//! Prints what attaching and detaching takes; `cargo xtask bench devices` runs it in dom0 of a lab.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use benches::measure::{Samples, in_turn, spread};
use benches::plugging::{self, Device, Guest, Plugger};
use benches::table::{Aim, Row, Table};

#[derive(Debug, Parser)]
#[command(name = "devices-table", about = "What attaching and detaching takes, in one table")]
struct Options {
    /// Fewer rounds: for a look, not for a verdict.
    #[arg(long)]
    quick: bool,
    /// Fail if an aim is missed.
    #[arg(long)]
    strict: bool,
    /// Only the cases whose name contains this.
    #[arg(long, value_name = "WORDS", default_value = "")]
    only: String,
}

fn main() -> ExitCode {
    table(&Options::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn table(options: &Options) -> Result<ExitCode> {
    let rounds = if options.quick { 3 } else { ROUNDS };
    let mut table = Table::default();
    plugging::make_image(plugging::IMAGE)?;
    for (device, [attach, detach]) in DEVICES {
        if attach.contains(&options.only) || detach.contains(&options.only) {
            let guest = Guest::boot()?;
            in_pairs(&guest, device, [attach, detach], rounds, &mut table)
                .with_context(|| attach)?;
        }
    }
    if MANY.contains(&options.only) {
        many(&mut table)?;
    }
    let (aims, met) = table.aims();
    println!(
        "{table}\n{met} of {aims} aims met; medians and quartiles of {rounds} paired rounds, shortest \
         and longest in brackets"
    );
    Ok(if options.strict && met < aims { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn in_pairs(
    guest: &Guest,
    device: Device,
    what: [&'static str; 2],
    rounds: usize,
    table: &mut Table,
) -> Result<()> {
    // The guest's driver for a disk that went may be about to look at the next of its number.
    let next = std::cell::Cell::new(0);
    let jobs = [Plugger::Xl, Plugger::Native, Plugger::Scripts].map(|by| {
        let next = &next;
        move || guest.plug(device, by, next.replace((next.get() + 1) % 12))
    });
    let jobs: Vec<&dyn Fn() -> Result<[Duration; 2]>> = jobs.iter().map(|job| job as _).collect();
    let samples = in_turn(&jobs, rounds)?;
    let [xl, native, scripts] = &samples[..] else { anyhow::bail!("three have three samples") };
    for (step, what) in what.into_iter().enumerate() {
        for (own, by, aim) in [(native, Plugger::Native, 0.2), (scripts, Plugger::Scripts, 1.0)] {
            let ratio = own[step].over(&xl[step]);
            eprintln!("{what}, {}: {:.2}", by.name(), ratio.median);
            table.push(Row {
                what,
                own: (by.name(), seconds(&own[step])),
                peer: ("xl", seconds(&xl[step])),
                outcome: Some(ratio.median),
                quartiles: Some((ratio.lower, ratio.upper)),
                aim: Aim::AtMost(aim),
            });
        }
    }
    Ok(())
}

/// Whether each disk of a guest takes as long as the first ones.
fn many(table: &mut Table) -> Result<()> {
    for (by, guests, aim) in [(Plugger::Native, 5, Aim::AtMost(1.3)), (Plugger::Xl, 1, Aim::None)] {
        let mut filled = Vec::new();
        for _ in 0..guests {
            filled.push(Guest::boot()?.fill(DISKS, by)?);
        }
        // Of each disk the median over the guests: the first are few, and this machine is noisy.
        let of = |disk: usize| filled.iter().map(|took| took[disk].as_secs_f64()).collect();
        let took: Vec<_> = (0..filled[0].len()).map(|disk| spread(of(disk)).median).collect();
        let mean = |took: &[f64]| took.iter().sum::<f64>() / took.len() as f64;
        let (first, all) = (mean(&took[..FIRST]), mean(&took));
        table.push(Row {
            what: MANY,
            own: (by.name(), format!("{all:.3} s")),
            peer: ("the first 8", format!("{first:.3} s")),
            outcome: Some(all / first),
            quartiles: None,
            aim,
        });
    }
    Ok(())
}

fn seconds(samples: &Samples) -> String {
    let (least, most) = samples.range();
    let [median, least, most] = [samples.spread().median, least, most].map(|took| took / 1e9);
    format!("{median:.3} s ({least:.3}-{most:.3})")
}

const DEVICES: [(Device, [&str; 2]); 2] = [
    (Device::Vbd, ["attach a disk in a file", "detach a disk in a file"]),
    (Device::Vif, ["attach an interface", "detach an interface"]),
];
const MANY: &str = "each of 64 disks of a guest";
const DISKS: u32 = 64;
const FIRST: usize = 8;
const ROUNDS: usize = 15;
