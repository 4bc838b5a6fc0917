//! The three stores, each as a process of its own with the same content.

use std::env;
use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail, ensure};
use rustix::process::{Signal, set_parent_process_death_signal};
use store_daemons::{Daemon, Kind, Setup};

use super::load::{self, Held, Load};
use crate::hand::HandLoop;
use crate::host;

/// Everything that is needed to start stores.
#[derive(Debug)]
pub struct Stock {
    ours: PathBuf,
    installation: PathBuf,
}

/// The three of them, in the order of the table's columns.
#[derive(Debug)]
pub struct Stores([Store; 3]);

/// A running store.
#[derive(Debug)]
pub struct Store {
    /// What belongs to the load: connections that stay, for one thing. Dropped before the process.
    _held: Vec<Held>,
    process: Process,
    socket: PathBuf,
}

#[derive(Debug)]
enum Process {
    Ours(Ours),
    Real(Daemon),
}

/// Our own daemon. Dropping it ends it.
#[derive(Debug)]
struct Ours {
    child: Child,
    folder: PathBuf,
}

impl Stock {
    /// Builds our daemon, and fetches the others unless they are there.
    ///
    /// # Errors
    /// If one of them cannot be had.
    pub fn prepare() -> Result<Self> {
        ensure!(!cfg!(debug_assertions), "nothing is measured without optimization: use --release");
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--locked", "--quiet", "-p", "xs-server"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // Else it would not come to lie beside this program.
            .env_remove("CARGO_BUILD_TARGET")
            .stdin(Stdio::null())
            .status()
            .context("start cargo build")?;
        ensure!(status.success(), "cargo cannot build xs-server");
        let ours = env::current_exe().context("find this program")?.with_file_name("xs-server");
        Ok(Self { ours, installation: host::installation()? })
    }

    /// The folder with Xen's libraries.
    pub fn libraries(&self) -> PathBuf {
        host::libraries(&self.installation)
    }
}

/// Becomes our daemon, which ends with the process that started it, however that comes to its end.
/// Returns only why not. What the child process does.
pub fn become_ours(program: &Path, socket: &Path) -> Error {
    match set_parent_process_death_signal(Some(Signal::KILL)) {
        Ok(()) => Command::new(program).arg("--socket").arg(socket).exec().into(),
        Err(error) => error.into(),
    }
}

impl Stores {
    /// The names of the three, in this order.
    pub const NAMES: [&'static str; 3] = ["xs-server", "xenstored", "oxenstored"];

    /// Starts all three with what every measurement needs, and with this load.
    ///
    /// # Errors
    /// If one does not start, or refuses what is to be in it.
    pub fn start(stock: &Stock, load: Option<Load>) -> Result<Self> {
        let processes = [
            Process::Ours(Ours::start(&stock.ours)?),
            Process::Real(Setup::new(Kind::C).installed_in(&stock.installation).start()?),
            Process::Real(Setup::new(Kind::OCaml).installed_in(&stock.installation).start()?),
        ];
        // At the same time: a store with many nodes fills slowly.
        let filled: [Result<Store>; 3] = thread::scope(|scope| {
            processes
                .map(|process| scope.spawn(move || Store::fill(process, load)))
                .map(|filling| filling.join().expect("filling a store does not panic"))
        });
        let [ours, c, ocaml] = filled;
        Ok(Self([ours.context("fill xs-server")?, c.context("fill xenstored")?, {
            ocaml.context("fill oxenstored")?
        }]))
    }

    /// Each of them, ours first.
    pub fn each(&self) -> &[Store; 3] {
        &self.0
    }
}

impl Store {
    fn fill(process: Process, load: Option<Load>) -> Result<Self> {
        let socket = match &process {
            Process::Ours(ours) => ours.socket(),
            Process::Real(daemon) => daemon.socket().to_owned(),
        };
        let mut held = vec![load::always(&socket)?];
        if let Some(load) = load {
            held.push(load.put(&socket)?);
        }
        Ok(Self { _held: held, process, socket })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How much memory it has, in KiB.
    ///
    /// # Errors
    /// If the kernel does not say so, as when it has ended.
    pub fn memory(&self) -> Result<f64> {
        let pid = match &self.process {
            Process::Ours(ours) => ours.child.id(),
            Process::Real(daemon) => daemon.pid(),
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("its status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number.context("no VmRSS in its status")?.parse().context("its VmRSS")
    }
}

impl Ours {
    fn start(program: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xs-server-table-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        let child = Command::new(env::current_exe().context("find this program")?)
            .args(["become".as_ref(), program.as_os_str()])
            .args(["--socket".as_ref(), folder.join("socket").as_os_str()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut ours = Self { child, folder };
        let deadline = Instant::now() + Duration::from_secs(10);
        while HandLoop::connect(&ours.socket()).is_err() {
            if let Some(status) = ours.child.try_wait()? {
                let mut said = String::new();
                ours.child.stderr.take().context("its words")?.read_to_string(&mut said)?;
                bail!("xs-server: {status}: {said}");
            }
            ensure!(Instant::now() < deadline, "xs-server does not listen");
            thread::sleep(Duration::from_millis(2));
        }
        Ok(ours)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // It may have ended already; its folder lies where it disturbs nobody.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}
