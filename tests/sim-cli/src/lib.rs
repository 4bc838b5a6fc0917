//! The `xenops` command on a simulated machine.
//!
//! `xenops-sim` reads command lines, each as it would stand behind `xenops`, and runs them one
//! after the other on a machine that is new when it starts and gone when it ends. It is the command
//! that ships, word for word: what is simulated is below the seams of `xc`, `xg` and `xs`.
//!
//! ```text
//! $ xenops-sim <<END
//! kernel /tmp/kernel          # of the simulation: makes a file that is a kernel
//! create /tmp/web.toml
//! list
//! shutdown web
//! unchanged                   # of the simulation: fails unless all is as it was at the start
//! END
//! ```
//!
//! With `--show` each line of the script is printed before it is run, comments too.
//!
//! The status is that of the last command that failed, 0 if none did.
//!
//! What it does not do: quote words, which are separated by spaces.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs, iter, process};

use xen_sim::{Hardware, Machine, Process, Snapshot};
use xenops::Host;

/// Runs all command lines of a script on a new machine, and prints them if `show`.
pub fn run(script: impl BufRead, show: bool) -> ExitCode {
    match Site::new().and_then(|site| site.run(script, show)) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("xenops-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A machine, and a folder for the locks of those who manage it.
#[derive(Debug)]
struct Site {
    toolstack: Arc<Process>,
    /// What the machine was like at the start.
    fresh: Snapshot,
    locks: PathBuf,
}

impl Site {
    fn new() -> io::Result<Self> {
        let machine = Machine::start(&Hardware::default())?;
        let locks = env::temp_dir().join(format!("xenops-sim-{}", process::id()));
        Ok(Self { toolstack: machine.process(), fresh: machine.snapshot()?, locks })
    }

    fn run(&self, script: impl BufRead, show: bool) -> io::Result<ExitCode> {
        let mut last = ExitCode::SUCCESS;
        for line in script.lines() {
            let line = line?;
            if show {
                print(&line);
            }
            let words: Vec<_> =
                line.split_whitespace().take_while(|w| !w.starts_with('#')).collect();
            let status = match words[..] {
                [] => continue,
                ["kernel", file] => {
                    fs::write(file, xen_sim::kernel())?;
                    continue;
                }
                ["unchanged"] => self.unchanged()?,
                _ => {
                    let host = self.host()?;
                    xenops_cli::run(iter::once("xenops").chain(words), || Ok(host))
                }
            };
            if status != ExitCode::SUCCESS {
                last = status;
            }
        }
        Ok(last)
    }

    fn unchanged(&self) -> io::Result<ExitCode> {
        let now = self.toolstack.machine().snapshot()?;
        if now == self.fresh {
            println!("the machine is as it was: domains, memory, event channels, store");
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("the machine is not as it was: {now:#?}");
        Ok(ExitCode::FAILURE)
    }

    fn host(&self) -> io::Result<Host> {
        let toolstack = &self.toolstack;
        let host = Host::from_parts(toolstack.store()?, toolstack.xc(), toolstack.xg());
        Ok(host.of_another_machine(&self.locks))
    }
}

/// Prints a line of a script as what it is.
fn print(line: &str) {
    match line.strip_prefix('#') {
        Some(comment) => println!("\n=={comment}"),
        None if OURS.iter().any(|word| line.starts_with(word)) => println!("simulation# {line}"),
        None => println!("simulation# xenops {line}"),
    }
}

/// What is for the simulation, and not for the command.
const OURS: [&str; 2] = ["kernel ", "unchanged"];

impl Drop for Site {
    fn drop(&mut self) {
        // There is none if nothing was created.
        fs::remove_dir_all(&self.locks).unwrap_or_default();
    }
}
