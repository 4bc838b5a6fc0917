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
//! END
//! ```
//!
//! The status is that of the last command that failed, 0 if none did.
//!
//! What it does not do: quote words, which are separated by spaces.

#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "it is a program")]

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs, iter, process};

use xen_sim::{Hardware, Machine, Process};
use xenops::Host;

/// Runs all command lines of a script on a new machine.
pub fn run(script: impl BufRead) -> ExitCode {
    match Site::new().and_then(|site| site.run(script)) {
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
    locks: PathBuf,
}

impl Site {
    fn new() -> io::Result<Self> {
        let machine = Machine::start(&Hardware::default())?;
        let locks = env::temp_dir().join(format!("xenops-sim-{}", process::id()));
        Ok(Self { toolstack: machine.process(), locks })
    }

    fn run(&self, script: impl BufRead) -> io::Result<ExitCode> {
        let mut last = ExitCode::SUCCESS;
        for line in script.lines() {
            let line = line?;
            let words: Vec<_> =
                line.split_whitespace().take_while(|w| !w.starts_with('#')).collect();
            let status = match words[..] {
                [] => continue,
                ["kernel", file] => {
                    fs::write(file, xen_sim::kernel())?;
                    continue;
                }
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

    fn host(&self) -> io::Result<Host> {
        let toolstack = &self.toolstack;
        let host = Host::from_parts(toolstack.store()?, toolstack.xc(), toolstack.xg());
        Ok(host.of_another_machine(&self.locks))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // There is none if nothing was created.
        fs::remove_dir_all(&self.locks).unwrap_or_default();
    }
}
