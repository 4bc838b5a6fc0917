//! QEMU's process, and the promise that it does not outlive its user.
//!
//! ```text
//! tethered   setpriv --pdeathsig KILL  timeout LIFETIME  setpriv --pdeathsig KILL  qemu
//! kept                         setsid  timeout LIFETIME  setpriv --pdeathsig KILL  qemu
//! ```
//! The kernel kills a tethered `timeout` when we die, however that happens, and QEMU when
//! `timeout` dies; setting a death signal ourselves between fork and exec would need `unsafe`. All
//! four tools are of Debian's essential packages.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::TICK;
use super::folder::Folder;

/// When QEMU is to end on its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lifetime {
    /// With this process, or after this time.
    Tethered(Duration),
    /// After this time.
    Kept(Duration),
}

/// The `timeout` that watches over QEMU.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    /// In clock ticks since the host booted: tells this process from a later one of the same pid.
    started: u64,
    /// `None` if another process started it.
    child: Option<Child>,
    ended: Option<Option<i32>>,
    kept: bool,
}

impl Process {
    /// Starts `qemu` in the folder, with its own messages in a log there.
    pub(super) fn start(
        qemu: Vec<std::ffi::OsString>,
        at: &Folder,
        life: Lifetime,
    ) -> Result<Self> {
        let (mut command, time) = match life {
            Lifetime::Kept(time) => (Command::new("setsid"), time),
            Lifetime::Tethered(time) => {
                let mut command = Command::new("setpriv");
                // A group of its own: Ctrl-C is for us, and we end it by this group.
                command.args(["--pdeathsig", "KILL"]).process_group(0);
                (command, time)
            }
        };
        command
            .args(["timeout", "--kill-after=5"])
            .arg(time.as_secs().to_string())
            .args(["setpriv", "--pdeathsig", "KILL"])
            .args(qemu)
            .current_dir(at.path())
            .stdin(Stdio::null())
            .stdout(at.qemu_log()?)
            .stderr(at.qemu_log()?);
        let child = command.spawn().context("start QEMU by setpriv, setsid and timeout")?;
        let pid = Pid::from_child(&child);
        let started = start_time(pid).context("read QEMU's start time")?;
        Ok(Self { pid, started, child: Some(child), ended: None, kept: false })
    }

    /// Leaves QEMU running when this value is dropped.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// The process that another one of us started and kept, if it is alive.
    pub(super) fn of_another(pid: Pid, started: u64) -> Option<Self> {
        let alive = start_time(pid).is_ok_and(|now| now == started);
        alive.then_some(Self { pid, started, child: None, ended: None, kept: true })
    }

    pub(super) fn identity(&self) -> (Pid, u64) {
        (self.pid, self.started)
    }

    /// Whether QEMU is gone, and with which status as far as that can be known.
    pub(super) fn exited(&mut self) -> Option<Option<i32>> {
        if self.ended.is_none() {
            self.ended = match &mut self.child {
                Some(child) => child.try_wait().ok().flatten().map(status),
                None => (start_time(self.pid).ok() != Some(self.started)).then_some(None),
            };
        }
        self.ended
    }

    pub(super) fn wait_until(&mut self, deadline: Instant) -> Option<Option<i32>> {
        loop {
            let exited = self.exited();
            if exited.is_some() || Instant::now() >= deadline {
                return exited;
            }
            thread::sleep(TICK / 4);
        }
    }

    /// Ends QEMU and waits until it is gone; false if it does not go.
    pub(super) fn kill(&mut self) -> bool {
        // `timeout` passes SIGTERM on, and QEMU honours it unless it hangs. Each signal fails only
        // if the process is gone, which the wait sees.
        if self.exited().is_none() {
            let _ = kill_process(self.pid, Signal::TERM);
        }
        if self.wait_until(Instant::now() + Duration::from_secs(3)).is_none() {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        self.wait_until(Instant::now() + Duration::from_secs(3)).is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.kept {
            self.kill();
        }
    }
}

/// QEMU's status; none if a signal ended it.
fn status(status: ExitStatus) -> Option<i32> {
    status.code()
}

/// Field 22 of /proc/PID/stat (`proc_pid_stat(5)`), counted behind the command's closing bracket; a
/// zombie counts as gone.
fn start_time(pid: Pid) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let (_, fields) = stat.rsplit_once(") ").ok_or_else(malformed)?;
    if fields.starts_with('Z') {
        return Err(io::ErrorKind::NotFound.into());
    }
    fields.split(' ').nth(19).and_then(|field| field.parse().ok()).ok_or_else(malformed)
}
