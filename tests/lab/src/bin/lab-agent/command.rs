//! One command of a session, from its start to its last byte of output.
//!
//! A thread per command waits for output, for the end of the process, for its deadline and for the
//! end of the session; a second one feeds its input. The command leads a process group of its own,
//! which is what gets signalled. What a daemon started by the command prints after the command's
//! end is not waited for.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lab_tests::protocol::{CHUNK, Exec, Outcome, Reply, Stream, TerminalSize};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitStatus};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::reaper::Reaper;
use crate::session::Session;

/// The folder for programs from the host, first in every command's `PATH`.
const PROGRAMS: &str = "/opt/lab/bin";

/// What a command that was told to end may take for it.
const GRACE: Duration = Duration::from_secs(5);

/// A command that has been started.
#[derive(Debug)]
pub(crate) struct Running {
    pid: Pid,
    reaper: Arc<Reaper>,
    progress: Arc<Progress>,
    stdin: Sender<Vec<u8>>,
    terminal: Option<File>,
}

/// What others tell the thread that watches a command.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<State>,
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct State {
    status: Option<WaitStatus>,
    stop: bool,
}

/// Starts `exec`; its output and its end go to `session`.
pub(crate) fn start(
    id: u32,
    exec: &Exec,
    session: &Arc<Session>,
    reaper: &Arc<Reaper>,
) -> io::Result<()> {
    let progress = Arc::new(Progress::new()?);
    let ends = spawn(exec, reaper, &progress)?;
    let (stdin, input) = mpsc::channel();
    let running = Running {
        pid: ends.pid,
        reaper: Arc::clone(reaper),
        progress: Arc::clone(&progress),
        stdin,
        terminal: ends.terminal,
    };
    session.running().insert(id, running);
    let feeder = Arc::clone(session);
    thread::spawn(move || feed(id, ends.input, &input, &feeder));
    let watch = Watch {
        id,
        pid: ends.pid,
        outputs: ends.outputs,
        progress,
        session: Arc::clone(session),
        reaper: Arc::clone(reaper),
        // One beyond the end of time is none.
        deadline: exec.timeout.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
    };
    thread::spawn(move || watch.until_the_end());
    Ok(())
}

impl Running {
    /// Queues input; false if the command takes none any more.
    pub(crate) fn input(&self, bytes: Vec<u8>) -> bool {
        self.stdin.send(bytes).is_ok()
    }

    pub(crate) fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            self.reaper.signal(self.pid, signal);
        }
    }

    pub(crate) fn resize(&self, size: TerminalSize) {
        if let Some(terminal) = &self.terminal {
            // Cosmetic: a command whose terminal has gone does not care about its size.
            let _ = tcsetwinsize(terminal, winsize(size));
        }
    }

    /// Ends the command: politely now, by force after [`GRACE`].
    pub(crate) fn stop(&self) {
        self.progress.lock().stop = true;
        self.progress.wake();
    }
}

impl Progress {
    fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { state: Mutex::default(), wake })
    }

    /// The process is no more.
    pub(crate) fn ended(&self, status: WaitStatus) {
        self.lock().status = Some(status);
        self.wake();
    }

    fn wake(&self) {
        // Fails only if the counter is at its end, and then the reader is awake anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our ends of a command's pipes or terminal.
struct Ends {
    pid: Pid,
    input: File,
    outputs: Vec<(Stream, File)>,
    terminal: Option<File>,
}

fn spawn(exec: &Exec, reaper: &Reaper, progress: &Arc<Progress>) -> io::Result<Ends> {
    let mut argv = exec.argv.iter().map(|arg| OsString::from_vec(arg.clone()));
    let program = argv.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = if exec.terminal.is_some() {
        // Becomes session leader with the terminal as the controlling one, then executes.
        let mut command = Command::new("setsid");
        command.arg("-c").arg(program);
        command
    } else {
        let mut command = Command::new(program);
        command.process_group(0);
        command
    };
    command.args(argv).env("PATH", path());
    for (name, value) in &exec.env {
        command.env(OsString::from_vec(name.clone()), OsString::from_vec(value.clone()));
    }
    if let Some(cwd) = &exec.cwd {
        command.current_dir(OsString::from_vec(cwd.clone()));
    }
    match exec.terminal {
        Some(size) => spawn_on_terminal(&mut command, size, reaper, progress),
        None => spawn_on_pipes(&mut command, reaper, progress),
    }
}

fn spawn_on_pipes(
    command: &mut Command,
    reaper: &Reaper,
    progress: &Arc<Progress>,
) -> io::Result<Ends> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, pid) = reaper.spawn(command, progress)?;
    let missing = || io::Error::other("a pipe of the command is missing");
    let input = OwnedFd::from(child.stdin.ok_or_else(missing)?).into();
    let stdout = OwnedFd::from(child.stdout.ok_or_else(missing)?).into();
    let stderr = OwnedFd::from(child.stderr.ok_or_else(missing)?).into();
    let outputs = vec![(Stream::Stdout, stdout), (Stream::Stderr, stderr)];
    Ok(Ends { pid, input, outputs, terminal: None })
}

fn spawn_on_terminal(
    command: &mut Command,
    size: TerminalSize,
    reaper: &Reaper,
    progress: &Arc<Progress>,
) -> io::Result<Ends> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    tcsetwinsize(&ours, winsize(size))?;
    let name = OsString::from_vec(ptsname(&ours, Vec::new())?.into_bytes());
    let theirs = OpenOptions::new().read(true).write(true).open(name)?;
    let ours = File::from(ours);
    command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
    let (_child, pid) = reaper.spawn(command, progress)?;
    let (input, terminal) = (ours.try_clone()?, ours.try_clone()?);
    Ok(Ends { pid, input, outputs: vec![(Stream::Stdout, ours)], terminal: Some(terminal) })
}

fn path() -> OsString {
    let mut path = OsString::from(PROGRAMS);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or("/usr/sbin:/usr/bin:/sbin:/bin".into()));
    path
}

fn winsize(size: TerminalSize) -> Winsize {
    Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Passes input on, chunk by chunk, until the command is removed from its session.
fn feed(id: u32, input: File, chunks: &Receiver<Vec<u8>>, session: &Session) {
    let mut input = Some(input);
    for chunk in chunks {
        // A command that does not want its input is not an error; the host is told to go on.
        if chunk.is_empty() || input.as_mut().is_some_and(|pipe| pipe.write_all(&chunk).is_err()) {
            input = None;
        }
        if session.send(&Reply::StdinTaken { id }).is_err() {
            return;
        }
    }
}

struct Watch {
    id: u32,
    pid: Pid,
    outputs: Vec<(Stream, File)>,
    progress: Arc<Progress>,
    session: Arc<Session>,
    reaper: Arc<Reaper>,
    deadline: Option<Instant>,
}

impl Watch {
    fn until_the_end(mut self) {
        let mut buffer = vec![0; CHUNK];
        let mut ending: Option<Instant> = None;
        let mut timed_out = false;
        let status = loop {
            let (status, stop) = {
                let state = self.progress.lock();
                (state.status, state.stop)
            };
            if let Some(status) = status {
                break status;
            }
            let now = Instant::now();
            match ending {
                None if stop || self.deadline.is_some_and(|deadline| deadline <= now) => {
                    timed_out = !stop;
                    ending = Some(now + GRACE);
                    self.reaper.signal(self.pid, Signal::TERM);
                }
                Some(forced) if forced <= now => {
                    ending = Some(now + GRACE);
                    self.reaper.signal(self.pid, Signal::KILL);
                }
                _ => (),
            }
            self.pass_output(&mut buffer, ending.or(self.deadline));
        };
        self.pass_rest(&mut buffer);
        self.session.running().remove(&self.id);
        let outcome = if timed_out { Outcome::TimedOut } else { outcome(status) };
        // Without a host nobody is left to tell.
        let _ = self.session.send(&Reply::Exited { id: self.id, outcome });
    }

    /// Waits for output, for news or for `until`, and passes on what there is.
    fn pass_output(&mut self, buffer: &mut [u8], until: Option<Instant>) {
        let ready: Vec<bool> = {
            let mut fds: Vec<_> =
                self.outputs.iter().map(|(_, file)| PollFd::new(file, PollFlags::IN)).collect();
            fds.push(PollFd::new(&self.progress.wake, PollFlags::IN));
            let timeout = until.map(|until| timespec(until - Instant::now()));
            if poll(&mut fds, timeout.as_ref()).is_err() {
                return;
            }
            fds.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        if ready.last() == Some(&true) {
            // Only resets the counter; what happened is in the state.
            let _ = rustix::io::read(&self.progress.wake, &mut [0; 8]);
        }
        let (id, session) = (self.id, &self.session);
        let mut ready = ready.into_iter();
        self.outputs.retain_mut(|(stream, file)| {
            ready.next() == Some(false) || pass(id, *stream, file, buffer, session)
        });
    }

    /// Passes on what the command left in its pipes, and no more than fits into them: a daemon
    /// that the command started may write for ever.
    fn pass_rest(&mut self, buffer: &mut [u8]) {
        for (stream, file) in &mut self.outputs {
            let mut left = 2 * CHUNK;
            while left > 0 && readable(file) {
                let len = left.min(buffer.len()).min(4096);
                if !pass(self.id, *stream, file, &mut buffer[..len], &self.session) {
                    break;
                }
                left = left.saturating_sub(len);
            }
        }
    }
}

fn readable(file: &File) -> bool {
    let mut fds = [PollFd::new(file, PollFlags::IN)];
    poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok_and(|ready| ready > 0)
}

/// Passes on one read; false at the end of the stream.
fn pass(id: u32, stream: Stream, file: &mut File, buffer: &mut [u8], session: &Session) -> bool {
    match file.read(buffer) {
        Ok(0) => false,
        Ok(n) => {
            // With the host gone the command is being stopped; until then its output is dropped,
            // so that it does not block.
            let _ = session.send(&Reply::Output { id, stream, bytes: buffer[..n].to_vec() });
            true
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
        // A terminal whose last user has gone reads as EIO.
        Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => false,
        Err(error) => {
            println!("LAB: output of command {id} is lost: {error}");
            false
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    // Durations here are minutes; the default is as good as any for one beyond 2^63 s.
    Timespec::try_from(time).unwrap_or_default()
}

fn outcome(status: WaitStatus) -> Outcome {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => Outcome::Exited(status),
        (None, Some(signal)) => Outcome::Signaled(signal),
        (None, None) => Outcome::NotStarted(format!("unknown wait status {status:?}")),
    }
}
