//! A running daemon: its process, its log, and the domains around it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use xen_types::{DomId, ShutdownReason};

use crate::machine::{End, Machine};
use crate::{Domain, Kind, Setup, probe};

/// A store daemon with a machine of its own. Dropping it ends the daemon and removes both.
///
/// The daemon ends with this process as well, however that comes to its end.
#[derive(Debug)]
pub struct Daemon {
    setup: Setup,
    process: Process,
    socket: PathBuf,
    /// Behind the process, so that it is dropped behind it.
    machine: Machine,
}

impl Daemon {
    /// Starts a daemon of this kind and waits until it answers.
    ///
    /// # Errors
    /// As [`Setup::start`], which can also change the daemon's settings.
    pub fn start(kind: Kind) -> io::Result<Self> {
        Setup::new(kind).start()
    }

    pub(crate) fn set_up(setup: Setup) -> io::Result<Self> {
        let machine = Machine::new(setup.folder())?;
        let process = Process::launch(&setup, &machine)?;
        let socket = machine.folder().join("socket");
        Ok(Self { setup, process, socket, machine })
    }

    /// Which daemon it is.
    pub fn kind(&self) -> Kind {
        self.setup.kind()
    }

    /// The path of its socket: clients take it as `XENSTORED_PATH`.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What it printed so far, over all restarts.
    pub fn log(&self) -> String {
        log(self.machine.folder())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] after [`kill`](Self::kill) or [`wait`](Self::wait).
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.process.signal(signal)
    }

    /// Stops it: once this returns it does nothing until [`cont`](Self::cont).
    ///
    /// # Errors
    /// As [`signal`](Self::signal).
    pub fn stop(&self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        let pid = Pid::from_child(&self.process.child);
        // Nor wait for ever, or take the end of one that is killed meanwhile.
        let changes = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(pid), changes)?;
        Ok(())
    }

    /// Lets it go on after [`stop`](Self::stop).
    ///
    /// # Errors
    /// As [`signal`](Self::signal).
    pub fn cont(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills it; returns when it is gone and every connection to it is closed.
    ///
    /// # Errors
    /// If the kernel refuses, which it has no reason for.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// If the kernel refuses, which it has no reason for.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait()
    }

    /// Kills it if it runs, and starts it anew on the same socket.
    ///
    /// The store is empty again and knows no domain; those that exist still do, their rings as the
    /// old daemon left them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.machine.daemon_is_gone()?;
        self.process = Process::launch(&self.setup, &self.machine)?;
        Ok(())
    }

    /// Makes a domain, as the hypervisor does: the store learns of it by INTRODUCE.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if there is one of this id, as there is of id 0.
    pub fn add_domain(&self, id: DomId) -> io::Result<Domain> {
        self.machine.add(id)?;
        Ok(Domain::new(id, self.machine.folder()))
    }

    /// Has a domain shut down: it exists, but runs no more. The daemon is told that something
    /// happened.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such domain.
    pub fn shut_down(&self, id: DomId, reason: ShutdownReason) -> io::Result<()> {
        self.machine.end(id, End::ShutDown(reason))
    }

    /// Has a domain die: it exists until the last page of it is given up. The daemon is told that
    /// something happened.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such domain.
    pub fn kill_domain(&self, id: DomId) -> io::Result<()> {
        self.machine.end(id, End::Dying)
    }

    /// Removes a domain, alive or not; its id can be used anew. The daemon is told that something
    /// happened.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such domain.
    pub fn remove_domain(&self, id: DomId) -> io::Result<()> {
        self.machine.end(id, End::Gone)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{} logged:\n{}", self.kind(), self.log());
        }
    }
}

/// The process alone. Dropping it kills it.
#[derive(Debug)]
struct Process {
    child: Child,
    /// Its id may be another's by now.
    reaped: bool,
    /// The daemon ends when this closes: see `lifeline` in `fakexen`.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    fn launch(setup: &Setup, machine: &Machine) -> io::Result<Self> {
        let folder = machine.folder();
        let log_file = File::options().create(true).append(true).open(folder.join("log"))?;
        let mut command = setup.command(folder)?;
        let mut child = command
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            .spawn()
            .map_err(|error| in_context(error, format!("start {}", setup.kind())))?;
        let lifeline = child.stdin.take();
        let mut process = Self { child, reaped: false, _lifeline: lifeline };
        process.wait_until_ready(folder).map_err(|error| {
            in_context(error, format!("{} is not up; it logged:\n{}", setup.kind(), log(folder)))
        })?;
        Ok(process)
    }

    fn wait_until_ready(&mut self, folder: &Path) -> io::Result<()> {
        let deadline = Instant::now() + READY;
        let socket = folder.join("socket");
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended: {status}")));
            }
            match probe::answers(&socket, deadline) {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(error),
                // Between its bind and its listen it refuses, before both there is no socket.
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.reaped {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the daemon has ended"));
        }
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).map_err(io::Error::from)
    }

    fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.wait()?;
        Ok(())
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about an error here, and the lifeline closes in any case.
        let _ = self.kill();
    }
}

/// Puts what was being done before an error's own words.
pub(crate) fn in_context(error: io::Error, context: String) -> io::Error {
    io::Error::new(error.kind(), format!("{context}: {error}"))
}

fn log(folder: &Path) -> String {
    let read = |name| fs::read(folder.join(name)).unwrap_or_default();
    let text = [read("log"), read("oxenstored.log")].concat();
    String::from_utf8_lossy(&text).into_owned()
}

const READY: Duration = Duration::from_secs(10);
