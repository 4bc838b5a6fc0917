//! Programs that the control domain can run: hotplug scripts, told what they do.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path as FilePath;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{major, minor};
use xen_types::{Clock, Deadline, DomId};
use xenops::system::{Node, Program, Running};
use xs::{Client, Path, Store as _, View as _};

use crate::process::Process;
use crate::store::below;

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Script {
    /// What the scripts of Xen do for a block device and for an interface: `physical-device`, and
    /// `hotplug-status` says `connected`.
    Connects,
    /// It says in `hotplug-error` what is wrong, and fails.
    Fails,
    /// As those of Xen, and when a device goes, it takes this long.
    GoesAfter(Duration),
    /// It never ends when a device comes.
    Hangs,
    /// It does nothing, and ends.
    Nothing,
}

/// A program that was started.
#[derive(Debug)]
pub(super) struct Started {
    clock: Clock,
    ended: Option<i32>,
    printed: &'static str,
    /// When it ends by itself, if it has not and ever does.
    end: Option<Deadline>,
}

impl Started {
    /// Runs it as far as it goes. It is no part of the process that starts it.
    pub(super) fn new(
        process: &Arc<Process>,
        script: Script,
        program: &Program,
    ) -> io::Result<Self> {
        let at = program.environment.iter().find(|(key, _)| *key == "XENBUS_PATH");
        let adds = matches!(program.arguments.first(), Some(&("add" | "online")));
        let (clock, mut end) = (process.machine().clock(), None);
        let (ended, printed) = match (script, at) {
            (Script::Hangs, _) if adds => (None, "begun"),
            (Script::GoesAfter(time), _) if !adds => {
                end = Some(clock.after(time));
                (None, "slowly")
            }
            (Script::Connects | Script::GoesAfter(_), Some((_, at))) if adds => {
                connect(process, at)?;
                (Some(0), "")
            }
            (Script::Fails, Some((_, at))) if adds => {
                let store = store(process)?;
                let back = backend(at);
                let told = store.write(&back.join("hotplug-error"), "no such thing");
                let failed = told.and_then(|()| store.write(&back.join("hotplug-status"), "error"));
                failed.map_err(io::Error::other)?;
                (Some(1), "no such thing")
            }
            (Script::Fails, _) => (Some(1), "no such thing"),
            (Script::Connects | Script::GoesAfter(_) | Script::Hangs | Script::Nothing, _) => {
                (Some(0), "")
            }
        };
        Ok(Self { clock, ended, printed, end })
    }
}

fn store(process: &Arc<Process>) -> io::Result<Client> {
    Client::from_stream(process.machine().connect()?).map_err(io::Error::other)
}

fn backend(at: &str) -> Path {
    at.split('/').fold(Path::domain(DomId::DOM0), |path, word| below(&path, word))
}

fn connect(process: &Arc<Process>, at: &str) -> io::Result<()> {
    let (store, back) = (store(process)?, backend(at));
    let connect = || {
        if let Some(params) = store.read_str_opt(&back.join("params"))? {
            let node = process.machine().linux().lock().blocks.at(FilePath::new(&params));
            if let Some(Node::BlockDevice(number)) = node {
                let number = format!("{:x}:{:x}", major(number), minor(number));
                store.write(&back.join("physical-device"), number)?;
            }
        }
        store.write(&back.join("hotplug-status"), "connected")
    };
    connect().map_err(io::Error::other)
}

impl Running for Started {
    fn wait(&mut self, until: Deadline) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let look = self.end.map_or(until, |end| end.min(until));
            self.clock.sleep(self.clock.remaining(look));
            if self.end.is_some_and(|end| self.clock.passed(end)) {
                self.ended = Some(0);
            }
        }
        Ok(self.ended.map(|code| ExitStatus::from_raw(code << 8)))
    }

    fn kill(&mut self) -> io::Result<()> {
        self.ended = Some(1);
        Ok(())
    }

    fn printed(&mut self, _: u64) -> io::Result<Vec<u8>> {
        Ok(self.printed.into())
    }
}
