//! Prints what building a guest takes; `cargo xtask bench build` runs it in dom0 of a lab.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use xc::GuestKind;

use benches::building::{self, Builder, GUEST, RAMDISK};
use benches::measure::{Contender, measure};
use benches::table::{Aim, Row, Table};

#[derive(Debug, Parser)]
#[command(name = "build-table", about = "What building a guest takes, in one table")]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Measures everything.
    Table(Options),
    /// What this program runs to build one guest.
    #[command(hide = true)]
    Build { arguments: Vec<String> },
}

#[derive(Debug, Args)]
struct Options {
    /// The builder in C.
    #[arg(long)]
    with_c: PathBuf,
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
    let outcome = match Cli::parse().part {
        Part::Table(options) => table(&options),
        Part::Build { arguments } => building::build(&arguments).map(|took| {
            println!("{}", took.as_nanos());
            ExitCode::SUCCESS
        }),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn table(options: &Options) -> Result<ExitCode> {
    let rounds = if options.quick { 3 } else { ROUNDS };
    let mut table = Table::default();
    let c = options.with_c.as_path();
    for (what, kind, kernel) in BUILDS {
        if !what.contains(&options.only) {
            continue;
        }
        let ours = building::builder("xg", Builder::Ours, c, kind, kernel);
        let its = building::builder("C", Builder::C, c, kind, kernel);
        compare(what, [ours, its], rounds, Aim::AtMost(1.15), &mut table)?;
    }
    if CREATE.contains(&options.only) {
        commands(rounds, &mut table)?;
    }
    let (aims, met) = table.aims();
    println!("{table}\n{met} of {aims} aims met; medians and quartiles of {rounds} paired rounds");
    Ok(if options.strict && met < aims { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `xenops create` against `xl create`, of the same guest.
fn commands(rounds: usize, table: &mut Table) -> Result<()> {
    let toml = format!(
        "name = \"{GUEST}\"\ntype = \"pv\"\nkernel = \"{VMLINUZ}\"\nramdisk = \"{RAMDISK}\"\nmemory = 128\n"
    );
    let cfg = format!(
        "name=\"{GUEST}\"\ntype=\"pv\"\nkernel=\"{VMLINUZ}\"\nramdisk=\"{RAMDISK}\"\nmemory=128\n"
    );
    for (path, text) in [(TOML, toml), (CFG, cfg)] {
        fs::write(Path::new(path), text).with_context(|| format!("write {path}"))?;
    }
    // The round before the first, which warms up, is the one that unpacks.
    let ours = building::command("xenops", &["xenops", "create", TOML, "--paused"]);
    let its = building::command("xl", &["xl", "create", "-p", CFG]);
    compare(CREATE, [ours, its], rounds, Aim::AtMost(0.25), table)?;
    let ours =
        building::command("xenops", &["xenops", "create", TOML, "--paused", "--no-kernel-cache"]);
    let its = building::command("xl", &["xl", "create", "-p", CFG]);
    compare("create, nothing kept", [ours, its], rounds, Aim::None, table)
}

fn compare(
    what: &'static str,
    contenders: [Contender<'_>; 2],
    rounds: usize,
    aim: Aim,
    table: &mut Table,
) -> Result<()> {
    eprintln!("{what} …");
    let samples = measure(&contenders, rounds, 1).with_context(|| what)?;
    let [ours, its] = &samples[..] else { anyhow::bail!("two contenders have two samples") };
    let seconds = |nanoseconds: f64| format!("{:.3} s", nanoseconds / 1e9);
    let ratio = ours.over(its);
    eprintln!("  {:.2} ({:.2}-{:.2})", ratio.median, ratio.lower, ratio.upper);
    table.push(Row {
        what,
        own: (contenders[0].name, seconds(ours.spread().median)),
        peer: (contenders[1].name, seconds(its.spread().median)),
        outcome: Some(ratio.median),
        quartiles: Some((ratio.lower, ratio.upper)),
        aim,
    });
    Ok(())
}

const BUILDS: [(&str, GuestKind, &str); 4] = [
    ("build PV, ELF kernel", GuestKind::Pv, "/guests/vmlinux"),
    ("build PVH, ELF kernel", GuestKind::Pvh, "/guests/vmlinux"),
    ("build PV, xz kernel", GuestKind::Pv, VMLINUZ),
    ("build PVH, xz kernel", GuestKind::Pvh, VMLINUZ),
];
const CREATE: &str = "create, xz kernel unpacked before";
const VMLINUZ: &str = "/guests/vmlinuz";
const TOML: &str = "/tmp/measured.toml";
const CFG: &str = "/tmp/measured.cfg";
const ROUNDS: usize = 15;
