//! A booted lab: the QEMU process, its serial console and its command channel.
//!
//! ```text
//! Machine ── Process   QEMU, which never outlives us unless it is to be kept
//!         ├─ Console   the serial log, read for the words of a dying hypervisor or dom0
//!         ├─ Channel   requests to the agent in dom0, events from it
//!         └─ Folder    where all of it lies: target/lab/vms/NAME
//! ```
//! Every wait goes through [`Machine::wait`], which looks at all four, so a machine that dies or
//! hangs ends whatever waits for it, with the reason and the end of the serial log.

mod channel;
mod console;
mod exec;
mod failure;
mod folder;
mod monitor;
mod process;
mod push;
mod qemu;
mod terminal;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use lab_tests::protocol::{POWERED_OFF_STATUS, Reply, Request};

pub(crate) use exec::{Captured, Command, Inherited, Input, Lines};
pub(crate) use failure::{Cause, Failure};
pub(crate) use folder::{Folder, folders};
pub(crate) use lab_tests::protocol::Outcome;
pub(crate) use terminal::Raw;

use super::build;
use super::images::{self, XenRelease};
use channel::{Channel, Event};
use console::Console;
use process::{Lifetime, Process};
use qemu::Shape;

/// Which xenstore daemon dom0 runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// The C xenstored.
    C,
    /// oxenstored.
    Ocaml,
}

/// What to boot, and how long to bear with it.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) xen: XenRelease,
    pub(crate) store: Store,
    /// NUMA nodes; 0 for a machine without any.
    pub(crate) numa: u32,
    /// Memory of the whole machine, in MiB.
    pub(crate) memory: u32,
    /// The host folder that is `/host` in dom0; an empty one of the machine's own if `None`.
    pub(crate) share: Option<PathBuf>,
    /// Where to write the serial log; into the machine's folder if `None`.
    pub(crate) log: Option<PathBuf>,
    /// More options for Xen's and for dom0's command line.
    pub(crate) extra_xen: String,
    pub(crate) extra_dom0: String,
    /// Whether dom0 gets a device model for HVM guests.
    pub(crate) device_model: bool,
    /// Keep the machine when this process ends, under this name.
    pub(crate) keep: Option<String>,
    /// From the start of QEMU to the first word of the agent.
    pub(crate) boot_deadline: Duration,
    /// How long the agent may leave a ping unanswered.
    pub(crate) hang_deadline: Duration,
    /// When QEMU is ended, whatever happens.
    pub(crate) lifetime: Duration,
}

impl Options {
    pub(crate) fn new(xen: XenRelease) -> Self {
        Self {
            xen,
            store: Store::C,
            numa: 0,
            memory: 3072,
            share: None,
            log: None,
            extra_xen: String::new(),
            extra_dom0: String::new(),
            device_model: false,
            keep: None,
            boot_deadline: Duration::from_secs(180),
            hang_deadline: Duration::from_secs(60),
            lifetime: Duration::from_secs(2 * 60 * 60),
        }
    }
}

/// A lab that takes commands.
#[derive(Debug)]
pub(crate) struct Machine {
    folder: Folder,
    process: Process,
    console: Console,
    channel: Channel,
    facts: Vec<(String, String)>,
    hang_deadline: Duration,
    unanswered: Option<Instant>,
    heard: Instant,
    last_id: u32,
}

impl Machine {
    /// Builds the workspace's programs, boots a machine and puts the programs on its `PATH`.
    ///
    /// The thread that calls this must outlive the machine: Linux ends a tethered QEMU with the
    /// thread that started it (`PR_SET_PDEATHSIG`, prctl(2)).
    pub(crate) fn boot(options: &Options, report: &dyn Fn(&str)) -> Result<Self> {
        images::host::can_run()?;
        report("building the programs for dom0");
        let programs = build::programs()?;
        let images = images::prepare(options.xen, &programs.agent, report)?;
        let device_model = options.device_model.then(|| images::device_model(options.xen, report));
        let device_model = device_model.transpose()?;
        let folder = Folder::create(options, &images)?;
        report(&format!("booting Xen {} (serial log: {})", options.xen, folder.log().display()));
        let begin = Instant::now();
        let shape = Shape::new(options);
        let command = qemu::command(&images.qemu, &shape);
        let lifetime = match options.keep {
            Some(_) => Lifetime::Kept(options.lifetime),
            None => Lifetime::Tethered(options.lifetime),
        };
        let process = Process::start(command, &folder, lifetime)?;
        let mut machine = Self::over(folder, process, options.hang_deadline)?;
        machine.folder.describe(&machine.process, options)?;
        machine.greet(begin + options.boot_deadline, options.boot_deadline)?;
        report(&format!("dom0 is ready after {:.1} s", begin.elapsed().as_secs_f32()));
        machine.push_programs(&programs)?;
        if let Some(archive) = device_model {
            machine.unpack(&archive)?;
        }
        if options.keep.is_some() {
            // Not before: one that does not come up whole is of no use to anybody.
            machine.process.keep();
        }
        Ok(machine)
    }

    /// Connects to the kept machine of this name.
    pub(crate) fn attach(name: &str, hang_deadline: Duration) -> Result<Self> {
        let folder = Folder::open(name)?;
        let Some(process) = folder.process()? else {
            bail!("no lab named {name} is up: start it with cargo xtask lab up");
        };
        ensure!(!folder.is_being_made()?, "lab {name} is still being started elsewhere");
        let mut machine = Self::over(folder, process, hang_deadline)?;
        machine.console.skip_to_the_end()?;
        machine.greet(Instant::now() + hang_deadline, hang_deadline)?;
        Ok(machine)
    }

    /// What dom0 said of itself.
    pub(crate) fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    /// The folder that is `/host` in dom0.
    pub(crate) fn share(&self) -> PathBuf {
        self.folder.share()
    }

    /// A look at its serial log of the caller's own.
    pub(crate) fn console(&self) -> Console {
        Console::new(self.folder.log())
    }

    /// Ends the machine and waits until it is gone.
    pub(crate) fn power_off(mut self) -> Result<()> {
        self.channel.send(&Request::PowerOff).context("ask dom0 to power off")?;
        let deadline = Instant::now() + Duration::from_secs(10);
        match self.process.wait_until(deadline) {
            Some(Some(POWERED_OFF_STATUS) | None) => {
                self.folder.forget();
                Ok(())
            }
            Some(status) => Err(self.failure(Cause::Exited(status)).into()),
            None => Err(self.failure(Cause::NoPowerOff).into()),
        }
    }

    /// Ends the kept machine of this name, whatever state it is in.
    pub(crate) fn end(name: &str) -> Result<()> {
        let folder = Folder::open(name)?;
        if let Some(mut process) = folder.process()? {
            ensure!(process.kill(), "lab {name} does not end, not even by SIGKILL");
        }
        folder.forget();
        Ok(())
    }

    fn over(folder: Folder, process: Process, hang_deadline: Duration) -> Result<Self> {
        let console = Console::new(folder.log());
        Ok(Self {
            folder,
            process,
            console,
            channel: Channel::closed(),
            facts: Vec::new(),
            hang_deadline,
            unanswered: None,
            heard: Instant::now(),
            last_id: 0,
        })
    }

    /// Opens a session with the agent, as often as it takes.
    ///
    /// A session that is not answered is given up and opened anew: the agent may have been handed
    /// it behind half a frame of a host that died.
    fn greet(&mut self, deadline: Instant, allowed: Duration) -> Result<()> {
        while self.facts.is_empty() {
            let mut busy = false;
            if !self.channel.is_open() {
                match self.channel.open(&self.folder) {
                    Err(error) if error.kind() == ErrorKind::ResourceBusy => busy = true,
                    opened => opened.context("connect to the agent in dom0")?,
                }
            }
            let attempt = deadline.min(Instant::now() + SESSION_ATTEMPT);
            match self.look(attempt)? {
                Some(Event::Reply(Reply::Ready { facts })) => self.facts = facts,
                Some(Event::Closed) => {
                    self.channel = Channel::closed();
                    std::thread::sleep(TICK);
                }
                Some(_) => (),
                // Others use it, so it lives.
                None if busy && Instant::now() >= deadline => {
                    bail!("all {} command ports of the lab are in use", qemu::PORTS)
                }
                None if Instant::now() >= deadline => {
                    return Err(self.failure(Cause::NoAgent(allowed)).into());
                }
                None if Instant::now() >= attempt => self.channel = Channel::closed(),
                None => std::thread::sleep(TICK),
            }
        }
        self.heard = Instant::now();
        Ok(())
    }

    /// Waits for the next event until `deadline`, watching over the machine meanwhile.
    fn wait(&mut self, deadline: Instant) -> Result<Option<Event>> {
        loop {
            let event = self.look(deadline.min(Instant::now() + TICK))?;
            match event {
                Some(Event::Closed) => return Err(self.lost().into()),
                Some(Event::Reply(Reply::Pong { .. })) => self.hear(),
                Some(event) => {
                    self.hear();
                    return Ok(Some(event));
                }
                None => self.check_pulse()?,
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// One look at everything: the console, the process, then events until `until`.
    fn look(&mut self, until: Instant) -> Result<Option<Event>> {
        let deadline = until.min(Instant::now() + TICK);
        if let Some(event) = self.channel.next(deadline) {
            return Ok(Some(event));
        }
        if let Some(cause) = self.console.look()? {
            return Err(self.failure(cause).into());
        }
        if let Some(status) = self.process.exited() {
            return Err(self.exited(status).into());
        }
        Ok(None)
    }

    fn hear(&mut self) {
        self.unanswered = None;
        self.heard = Instant::now();
    }

    fn check_pulse(&mut self) -> Result<()> {
        match self.unanswered {
            Some(since) if since.elapsed() >= self.hang_deadline => {
                return Err(self.failure(Cause::Hang(self.hang_deadline)).into());
            }
            None if self.heard.elapsed() >= PING_EVERY => {
                self.unanswered = Some(Instant::now());
                self.send(&Request::Ping { serial: 0 })?;
            }
            _ => (),
        }
        Ok(())
    }

    fn send(&mut self, request: &Request) -> Result<()> {
        match self.channel.send(request) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(self.failure(Cause::Hang(self.hang_deadline)).into())
            }
            Err(error) if error.kind() == ErrorKind::ArgumentListTooLong => {
                Err(error).context("send the command to dom0")
            }
            Err(_) => Err(self.lost().into()),
        }
    }

    fn fresh_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// The channel closed: QEMU is ending, or has closed it for a reason of its own.
    fn lost(&mut self) -> Failure {
        match self.process.wait_until(Instant::now() + LAST_WORDS) {
            Some(status) => self.exited(status),
            None => self.failure(Cause::ChannelLost),
        }
    }

    /// QEMU ended: the log says why, if anything does.
    fn exited(&mut self, status: Option<i32>) -> Failure {
        let cause = self.console.look().ok().flatten();
        self.failure(cause.unwrap_or(Cause::Exited(status)))
    }

    /// Ends QEMU, and says what happened.
    fn failure(&mut self, cause: Cause) -> Failure {
        if matches!(cause, Cause::Hang(_)) {
            // It may be past answering that, too.
            let _ = self.inject_nmi();
        }
        // A dying hypervisor or dom0 is still writing.
        self.process.wait_until(Instant::now() + LAST_WORDS);
        self.process.kill();
        let cause = self.console.whole_story(cause);
        self.folder.forget();
        Failure::new(cause, self.folder.log(), &self.folder.qemu_log_path())
    }
}

/// Where dom0 finds the workspace's programs; the agent puts it first in `PATH`.
pub(crate) fn program_path(program: &Path) -> PathBuf {
    Path::new("/opt/lab/bin").join(program.file_name().unwrap_or_default())
}

/// How often the host looks at a machine that is silent.
const TICK: Duration = Duration::from_millis(100);

const PING_EVERY: Duration = Duration::from_secs(2);

const SESSION_ATTEMPT: Duration = Duration::from_secs(4);

const LAST_WORDS: Duration = Duration::from_millis(1500);
