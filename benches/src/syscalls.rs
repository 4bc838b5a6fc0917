//! System calls per read, counted from outside by strace.
//!
//! The program starts itself anew under `strace -f`, reads with one contender, and marks begin and
//! end by asking for files that cannot be there. Every call of every thread between the two marks
//! counts, whatever it is: futex, poll, what the allocator does.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;

use crate::hand::HandLoop;
use crate::libxenstore::LibXenstore;
use crate::ours::Ours;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names of the contenders")]
pub enum Reader {
    Ours,
    OursWatching,
    Hand,
    Libxenstore,
    LibxenstoreWatching,
}

/// Reads some times on this daemon, between the two marks. What the child process does.
///
/// # Errors
/// If a read fails.
pub fn read_between_marks(
    reader: Reader,
    socket: &Path,
    libraries: &Path,
    reads: usize,
) -> Result<()> {
    match reader {
        Reader::Ours => {
            let ours = Ours::connect(socket)?;
            marked(reads, || ours.read_node())
        }
        Reader::OursWatching => {
            let ours = Ours::connect(socket)?;
            let _watch = ours.watch()?;
            marked(reads, || ours.read_node())
        }
        Reader::Hand => {
            let mut hand = HandLoop::connect(socket)?;
            marked(reads, || hand.read_node())
        }
        Reader::Libxenstore => {
            let lib = LibXenstore::load(libraries)?;
            let connection = lib.connect(socket)?;
            marked(reads, || connection.read_node())
        }
        Reader::LibxenstoreWatching => {
            let lib = LibXenstore::load(libraries)?;
            let connection = lib.connect(socket)?;
            connection.watch()?;
            marked(reads, || connection.read_node())
        }
    }
}

fn marked(reads: usize, mut read: impl FnMut() -> Result<()>) -> Result<()> {
    // What a connection sets up once is no part of a read.
    (0..20).try_for_each(|_| read())?;
    mark(BEGIN);
    (0..reads).try_for_each(|_| read())?;
    mark(END);
    Ok(())
}

/// Leaves a line in the trace.
fn mark(name: &str) {
    // Nothing can be there: only that it was asked for is of interest. Not `fs::metadata`, which
    // asks twice when it fails the first time.
    drop(fs::File::open(name));
}

/// System calls per read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calls {
    /// All that the program made of its own accord.
    pub own: f64,
    /// Receives that got the header of a reply and nothing else. The C xenstored writes header and
    /// value one after the other (`write_messages` of 4.17): whoever is woken in
    /// between has to receive twice, and can do nothing about it.
    pub torn: f64,
}

/// Counts the system calls of one read.
///
/// # Errors
/// If there is no strace, or it may not trace here, or the reads fail.
pub fn count(reader: Reader, socket: &Path, libraries: &Path) -> Result<Calls> {
    let trace = Trace::new()?;
    let name = reader.to_possible_value().context("a reader without a name")?;
    let output = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&trace.0)
        .arg(env::current_exe().context("find this program")?)
        .args(["read", name.get_name(), "--reads", &READS.to_string()])
        .args(["--socket".as_ref(), socket.as_os_str()])
        .args(["--libraries".as_ref(), libraries.as_os_str()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!("no strace"),
            _ => anyhow!(error).context("start strace"),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("strace: {}: {}", output.status, said.lines().last().unwrap_or("nothing said"));
    }
    let lines = fs::read_to_string(&trace.0).context("read the trace")?;
    let (calls, torn) = calls_between_marks(&lines)?;
    let per_read = |count: usize| count as f64 / READS as f64;
    Ok(Calls { own: per_read(calls - torn), torn: per_read(torn) })
}

/// How many system calls begin between the two marks, and how many of them got a header alone.
fn calls_between_marks(trace: &str) -> Result<(usize, usize)> {
    let mut lines = trace.lines();
    ensure!(lines.any(|line| line.contains(BEGIN)), "no begin in the trace");
    let (mut calls, mut torn) = (0, 0);
    for line in lines {
        if line.contains(END) {
            return Ok((calls, torn));
        }
        // `PID call(…`; signals and exits are no calls, and a call that another thread interrupted
        // has a second line, `PID <... call resumed>`.
        let event = line.split_once(' ').map_or(line, |(_pid, event)| event.trim_start());
        if event.starts_with(|first: char| first.is_ascii_lowercase()) {
            calls += 1;
        }
        // A peer that asks for the header alone, `…, 16) = 16`, has torn it itself.
        let receives = event.trim_start_matches("<... ").starts_with("re");
        let asked_for_it = [", 16)", ", 16,"].iter().any(|asked| event.contains(asked));
        if receives && event.ends_with(" = 16") && !asked_for_it {
            torn += 1;
        }
    }
    bail!("no end in the trace");
}

/// A file for strace, removed in the end.
struct Trace(PathBuf);

impl Trace {
    fn new() -> Result<Self> {
        let name = format!("xs-table-{}.strace", std::process::id());
        Ok(Self(env::temp_dir().join(name)))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // It is missing if strace never started.
        drop(fs::remove_file(&self.0));
    }
}

const BEGIN: &str = "/xs-table/begin";
const END: &str = "/xs-table/end";
const READS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between the two marks, with something before and behind.
    fn counted(between: &str) -> (usize, usize) {
        let mark = |name| format!("10 openat(AT_FDCWD, \"{name}\", O_RDONLY) = -1 ENOENT (No …)\n");
        let (begin, end) = (mark(BEGIN), mark(END));
        let trace = format!("10 brk(NULL) = 0x5\n{begin}{between}{end}10 munmap(0x7, 4096) = 0\n");
        calls_between_marks(&trace).unwrap()
    }

    #[test]
    fn calls_of_all_threads_between_the_marks_count_once() {
        let calls = "\
10    write(3, \"\", 27 <unfinished ...>
11    futex(0x7, FUTEX_WAIT, 1, NULL <unfinished ...>
10    <... write resumed>)              = 27
10    --- SIGCHLD {si_signo=SIGCHLD} ---
11    <... futex resumed>)              = 0
10    read(3, \"\", 4112)                 = 39
";
        assert_eq!(counted(calls), (3, 0));
    }

    #[test]
    fn a_header_that_came_alone_is_told_from_one_that_was_asked_for() {
        assert_eq!(counted("10 recvfrom(3, \"\", 12288, 0, NULL, NULL) = 16\n"), (1, 1));
        assert_eq!(counted("10 read(3, \"\", 16) = 16\n"), (1, 0));
        assert_eq!(
            counted("10 read(3,  <unfinished ...>\n10 <... read resumed>\"\", 4112) = 16\n"),
            (1, 1)
        );
    }

    #[test]
    fn a_trace_that_broke_off_is_not_counted() {
        assert!(calls_between_marks("10 brk(NULL) = 0x5\n").is_err());
        assert!(calls_between_marks("10 openat(\"/xs-table/begin\")\n10 read(3)\n").is_err());
    }
}
