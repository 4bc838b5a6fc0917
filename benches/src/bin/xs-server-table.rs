//! Prints the table of the three stores; `cargo xtask bench xs-server` runs it.

#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use rustix::thread::{CpuSet, sched_setaffinity};

use benches::libxenstore::LibXenstore;
use benches::measure::measure;
use benches::server::load::Load;
use benches::server::plot::Plot;
use benches::server::races::{self, Race};
use benches::server::results::{Line, Results};
use benches::server::stores::{Stock, Stores, become_ours};

#[derive(Debug, Parser)]
#[command(name = "xs-server-table", about = "The three stores, in one table")]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Args)]
struct Options {
    /// Fewer rounds: for a look, not for a verdict.
    #[arg(long)]
    quick: bool,
    /// Stores and clients share one processor.
    #[arg(long)]
    pin: bool,
    /// Fail if an aim is missed.
    #[arg(long)]
    strict: bool,
    /// Only the lines that contain this; of those with a load, the load has to contain it.
    #[arg(long, value_name = "WORDS", default_value = "")]
    only: String,
    /// Write the plot to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    plot: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// What this program starts our daemon by.
    #[command(hide = true)]
    Become {
        program: PathBuf,
        #[arg(long)]
        socket: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.part {
        Some(Part::Become { program, socket }) => Err(become_ours(&program, &socket)),
        None => table(&cli.options),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn table(options: &Options) -> Result<ExitCode> {
    let stock = Stock::prepare()?;
    if options.pin {
        // The stores and all threads come later, and inherit it.
        let mut first = CpuSet::new();
        first.set(0);
        sched_setaffinity(None, &first).context("stay on one processor")?;
    }
    let before = load_average()?;
    let lib = LibXenstore::load(&stock.libraries())?;
    let empty = Stores::start(&stock, None)?;
    let (mut results, mut plot) = (Results::default(), Plot::default());
    let mut run = |race: Race<'_>, results: &mut Results| -> Result<()> {
        if !race.what.contains(&options.only) {
            return Ok(());
        }
        eprintln!("{} …", race.what);
        let rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
        let samples = measure(&race.contenders, rounds, race.operations)
            .with_context(|| race.what.clone())?;
        results.push(Line::of_race(&race, &samples));
        plot.add(&race, &samples);
        Ok(())
    };
    for race in races::of_speed(&empty, &lib) {
        run(race, &mut results)?;
    }
    for load in Load::ALL {
        if !load.words().contains(&options.only) {
            continue; // it would take long for nothing
        }
        eprintln!("fill with {} …", load.words());
        let loaded = Stores::start(&stock, Some(load))?;
        if load == Load::Nodes {
            results.push(Line::of_memory(load.words(), &loaded)?);
        }
        for race in races::of_load(load, &loaded, &empty) {
            run(race, &mut results)?;
        }
    }
    if let Some(file) = &options.plot {
        fs::write(file, plot.to_svg()).with_context(|| format!("write {}", file.display()))?;
    }
    let (aims, met) = results.aims();
    println!("{results}\n{met} of {aims} aims met; {LEGEND}");
    let processors = thread::available_parallelism().context("count processors")?;
    println!(
        "Load average {before} before and {} after, {processors} processors.",
        load_average()?
    );
    Ok(if options.strict && met < aims { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// That of the last minute, as the kernel says it.
fn load_average() -> Result<String> {
    let averages = fs::read_to_string("/proc/loadavg").context("read the load average")?;
    Ok(averages.split(' ').next().unwrap_or_default().to_owned())
}

const LEGEND: &str = "medians and quartiles of paired rounds, with 100 watches registered and four \
                      permission entries on each node; × is to the same store without the load. \
                      All connections are sockets, which are privileged: all three stores let \
                      them pass whatever the entries say.";
const ROUNDS: usize = 101;
const QUICK_ROUNDS: usize = 15;
