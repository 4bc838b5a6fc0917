//! The system calls of a program of domain 0.

use std::ffi::OsString;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use xen_types::Deadline;
use xenops::system::{Access, LoopStatus, Node, Opened, Program, Running, System};

use super::State;
use super::script::Started;
use crate::process::Process;

/// The system that a program runs on.
#[derive(Debug)]
pub(crate) struct Dom0(pub(crate) Arc<Process>);

/// What a program has open.
#[derive(Debug)]
struct Descriptor {
    process: Arc<Process>,
    number: RawFd,
    node: Node,
}

impl Dom0 {
    fn opened(
        &self,
        open: impl FnOnce(&mut State) -> io::Result<(RawFd, Node)>,
    ) -> io::Result<Box<dyn Opened>> {
        call(&self.0, "open", |state| Ok(Descriptor::boxed(&self.0, open(state)?)))
    }
}

impl System for Dom0 {
    fn find(&self, path: &Path) -> io::Result<Box<dyn Opened>> {
        self.opened(|state| state.blocks.find(path))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn Opened>> {
        self.opened(|state| state.blocks.open(path, access))
    }

    fn stat(&self, path: &Path) -> io::Result<Node> {
        call(&self.0, "stat", |state| state.stat(path))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        call(&self.0, "read", |state| state.read(path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        call(&self.0, "write", |state| state.write(path, bytes))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let names = call(&self.0, "readdir", |state| state.list(folder))?;
        Ok(names.into_iter().map(OsString::from).collect())
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        call(&self.0, "realpath", |state| state.stat(path).map(|_| path.into()))
    }

    fn netlink(&self, message: &[u8], _: Deadline) -> io::Result<Vec<u8>> {
        call(&self.0, "RTM_NEWLINK", |state| state.links.answer(message))
    }

    fn spawn(&self, program: &Program) -> io::Result<Box<dyn Running>> {
        let script = call(&self.0, "execve", |state| {
            state.programs.get(&program.path).copied().ok_or_else(|| Errno::NOENT.into())
        })?;
        Ok(Box::new(Started::new(&self.0, script, program)?))
    }
}

impl Descriptor {
    /// Gives a program what was opened for it.
    fn boxed(process: &Arc<Process>, (number, node): (RawFd, Node)) -> Box<dyn Opened> {
        process.gain_file(number);
        Box::new(Self { process: Arc::clone(process), number, node })
    }

    fn call<T>(
        &self,
        name: &'static str,
        call_: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        call(&self.process, name, call_)
    }
}

impl Opened for Descriptor {
    fn descriptor(&self) -> RawFd {
        self.number
    }

    fn stat(&self) -> io::Result<Node> {
        self.call("fstat", |_| Ok(self.node))
    }

    fn reopen(&self, access: Access) -> io::Result<Box<dyn Opened>> {
        self.call("open", |state| {
            Ok(Self::boxed(&self.process, state.blocks.reopen(self.number, access)?))
        })
    }

    fn free_loop(&self) -> io::Result<u32> {
        self.call("LOOP_CTL_GET_FREE", |state| Ok(state.blocks.free_loop()))
    }

    fn configure_loop(&self, of: &dyn Opened, name: &Path, read_only: bool) -> io::Result<()> {
        let of = of.descriptor();
        self.call("LOOP_CONFIGURE", |state| {
            state.blocks.configure_loop(self.number, of, name, read_only)
        })
    }

    fn loop_status(&self) -> io::Result<Option<LoopStatus>> {
        self.call("LOOP_GET_STATUS64", |state| state.blocks.loop_status(self.number))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if self.process.lose_file(self.number) {
            self.process.machine().linux().lock().blocks.close(self.number);
        }
    }
}

/// Makes a system call, unless it is one to go wrong.
fn call<T>(
    process: &Arc<Process>,
    name: &'static str,
    call: impl FnOnce(&mut State) -> io::Result<T>,
) -> io::Result<T> {
    // What a call that was not heard opened is closed again once the lock is free.
    process.pass(name, io::Error::from, || call(&mut process.machine().linux().lock()))
}
