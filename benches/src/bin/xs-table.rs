//! Prints the table of the xenstore client and its peers; `cargo xtask bench xs` runs it.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use rustix::thread::{CpuSet, sched_setaffinity};

use benches::cases;
use benches::host::Host;
use benches::libxenstore::LibXenstore;
use benches::measure::measure;
use benches::ours::Ours;
use benches::syscalls::{self, Calls, Reader};
use benches::table::{Aim, Row, Table};

#[derive(Debug, Parser)]
#[command(name = "xs-table", about = "The xenstore client and its peers, in one table")]
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
    /// Daemon and clients share one processor.
    #[arg(long)]
    pin: bool,
    /// Fail if an aim is missed.
    #[arg(long)]
    strict: bool,
    /// Only the cases whose name contains this.
    #[arg(long, value_name = "WORDS", default_value = "")]
    only: String,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// What this program runs under strace.
    #[command(hide = true)]
    Read {
        reader: Reader,
        #[arg(long)]
        socket: PathBuf,
        #[arg(long)]
        libraries: PathBuf,
        #[arg(long)]
        reads: usize,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.part {
        Some(Part::Read { reader, socket, libraries, reads }) => {
            syscalls::read_between_marks(reader, &socket, &libraries, reads)
                .map(|()| ExitCode::SUCCESS)
        }
        None => table(&cli.options),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn table(options: &Options) -> Result<ExitCode> {
    if options.pin {
        // The daemon and all threads come later, and inherit it.
        let mut first = CpuSet::new();
        first.set(0);
        sched_setaffinity(None, &first).context("stay on one processor")?;
    }
    let host = Host::start()?;
    let lib = LibXenstore::load(host.libraries())?;
    let mut table = Table::default();
    for case in cases::all(host.socket(), &lib) {
        if !case.what.contains(&options.only) {
            continue;
        }
        eprintln!("{} …", case.what);
        let rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
        let samples =
            measure(&case.contenders, rounds, case.operations).with_context(|| case.what)?;
        table.extend(&case, &samples);
    }
    if options.only.is_empty() {
        helper_threads(&host, &lib, &mut table)?;
        system_calls(&host, &mut table);
    }
    let (aims, met) = table.aims();
    println!("{table}\n{met} of {aims} aims met; {LEGEND}");
    Ok(if options.strict && met < aims { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// How many threads a watched connection adds to the process.
fn helper_threads(host: &Host, lib: &LibXenstore, table: &mut Table) -> Result<()> {
    let before = threads()?;
    let ours = Ours::connect(host.socket())?;
    let watch = ours.watch()?;
    ours.read_node()?;
    let own = threads()? - before;
    drop((watch, ours));
    let connection = lib.connect(host.socket())?;
    connection.watch()?;
    connection.read_node()?;
    let its = threads()? - before;
    table.push(Row {
        what: "helper threads, with a watch in use",
        own: ("xs", own.to_string()),
        peer: ("libxenstore", its.to_string()),
        outcome: Some(own as f64),
        quartiles: None,
        aim: Aim::Exactly(0.0),
    });
    Ok(())
}

fn threads() -> Result<usize> {
    Ok(fs::read_dir(Path::new("/proc/self/task")).context("count threads")?.count())
}

fn system_calls(host: &Host, table: &mut Table) {
    eprintln!("system calls …");
    let mut count = |reader| {
        let calls = syscalls::count(reader, host.socket(), host.libraries());
        calls.map_err(|error| table.note(format!("Not counted: {error:#}."))).ok()
    };
    let (own, watching) = (count(Reader::Ours), count(Reader::OursWatching));
    let (lib, lib_watching) = (count(Reader::Libxenstore), count(Reader::LibxenstoreWatching));
    let hand = count(Reader::Hand);
    for (what, calls, peer, its, aim) in [
        (CALLS, own, "libxenstore", lib, Aim::Exactly(2.0)),
        (CALLS_WATCHING, watching, "libxenstore", lib_watching, Aim::Exactly(2.0)),
        (CALLS, own, "hand loop", hand, Aim::None),
    ] {
        table.push(Row {
            what,
            own: ("xs", shown(calls)),
            peer: (peer, shown(its)),
            outcome: calls.map(|calls| calls.own),
            quartiles: None,
            aim,
        });
    }
}

fn shown(calls: Option<Calls>) -> String {
    match calls {
        Some(Calls { own, torn }) if torn > 0.0 => format!("{own:.3} + {torn:.3} torn"),
        Some(Calls { own, .. }) => format!("{own:.3}"),
        None => "not counted".to_owned(),
    }
}

const CALLS: &str = "system calls per read, with a deadline in force";
const CALLS_WATCHING: &str = "the same, with a watch in use";
const LEGEND: &str = "medians and quartiles of paired rounds; torn are the replies of which the \
                      daemon had written only the header when the reader received";
const ROUNDS: usize = 101;
const QUICK_ROUNDS: usize = 15;
