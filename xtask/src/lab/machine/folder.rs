//! Where a machine lies: `target/lab/vms/NAME`.
//!
//! | file | what |
//! |---|---|
//! | `lock` | held while the machine is made; by a tethered one all its life |
//! | `machine` | pid and start time of the process, then a line for people |
//! | `serial.log`, `qemu.log` | what the machine and QEMU said |
//! | `agentN.sock`, `agentN.lock` | a command port, and who has it |
//! | `pushed` | which versions of which files are in dom0 |
//! | `share` | `/host` in dom0 |

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Pid;

use super::super::build;
use super::super::images::Images;
use super::process::Process;
use super::{Options, qemu};

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Taken by whoever made the machine.
    _lock: Option<File>,
}

/// The names of all machines that have a folder, kept or not.
pub(crate) fn folders() -> Result<Vec<String>> {
    let mut names = Vec::new();
    match fs::read_dir(all()?) {
        Ok(entries) => {
            for entry in entries {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (),
        Err(error) => return Err(error).context("list the labs"),
    }
    names.sort();
    Ok(names)
}

fn all() -> Result<PathBuf> {
    Ok(build::target()?.join("lab/vms"))
}

impl Folder {
    /// Makes the folder of a new machine.
    pub(super) fn create(options: &Options, images: &Images) -> Result<Self> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let name = match &options.keep {
            Some(name) => name.clone(),
            None => format!("{RUN}{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed)),
        };
        let path = place(&name)?;
        ensure!(
            options.keep.is_none() || !name.starts_with(RUN),
            "{name:?} cannot name a lab: names in {RUN} are for labs that are not kept"
        );
        let vms = all()?;
        fs::create_dir_all(&vms).with_context(|| format!("create {}", vms.display()))?;
        // No folder is looked at by `prune` of another process before its lock is taken here.
        let alone = File::create(vms.with_extension("lock")).context("create the labs' lock")?;
        alone.lock().context("lock the labs' folder")?;
        prune();
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                bail!("lab {name} is being started or ended elsewhere")
            }
            Err(TryLockError::Error(error)) => return Err(error).context("lock the lab's folder"),
        }
        drop(alone);
        let folder = Self { path, _lock: Some(lock) };
        if folder.process()?.is_some() {
            bail!("lab {name} is up already: cargo xtask lab down --name {name} ends it");
        }
        folder
            .fill(options, images)
            .with_context(|| format!("prepare {}", folder.path.display()))?;
        Ok(folder)
    }

    /// The folder of a machine that exists.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let path = place(name)?;
        ensure!(path.is_dir(), "there is no lab named {name}: start it with cargo xtask lab up");
        Ok(Self { path, _lock: None })
    }

    fn fill(&self, options: &Options, images: &Images) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let kept = entry.file_name() == "lock" || entry.file_name() == qemu::SHARE;
            if !kept || entry.file_type()?.is_symlink() {
                fs::remove_file(entry.path())?;
            }
        }
        let link = |to: &Path, name: &str| symlink(std::path::absolute(to)?, self.path.join(name));
        link(&images.xen, qemu::XEN)?;
        link(&images.kernel, qemu::KERNEL)?;
        link(&images.initrd, qemu::INITRD)?;
        match &options.share {
            None => fs::create_dir_all(self.share())?,
            Some(share) => {
                // An empty one of an earlier machine of this name; a full one is the user's.
                if let Err(error) = fs::remove_dir(self.share())
                    && error.kind() != ErrorKind::NotFound
                {
                    return Err(error).context("replace the share of an earlier lab of this name");
                }
                ensure!(share.is_dir(), "{} is no folder to share", share.display());
                link(share, qemu::SHARE)?;
            }
        }
        if let Some(log) = &options.log {
            // QEMU writes through the link, so that the log is where it was asked for whatever
            // happens to us.
            File::create(log).with_context(|| format!("create {}", log.display()))?;
            link(log, qemu::SERIAL)?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The serial log, under the name the user gave it.
    pub(crate) fn log(&self) -> PathBuf {
        let here = self.path.join(qemu::SERIAL);
        fs::read_link(&here).unwrap_or(here)
    }

    pub(crate) fn share(&self) -> PathBuf {
        self.path.join(qemu::SHARE)
    }

    /// The shared folder, if it is the machine's own and not the user's.
    pub(super) fn own_share(&self) -> Option<PathBuf> {
        Some(self.share()).filter(|share| !share.is_symlink())
    }

    pub(super) fn qemu_log(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).open(self.qemu_log_path())
    }

    pub(super) fn qemu_log_path(&self) -> PathBuf {
        self.path.join("qemu.log")
    }

    /// Notes which process the machine is.
    pub(super) fn describe(&self, process: &Process, options: &Options) -> Result<()> {
        let (pid, started) = process.identity();
        let text = format!(
            "{} {started}\nXen {}, {:?} store, {} MiB, {} NUMA nodes\n",
            pid.as_raw_nonzero(),
            options.xen,
            options.store,
            options.memory,
            options.numa
        );
        fs::write(self.path.join("machine"), text).context("note the machine's process")
    }

    /// The line for people in the machine's note.
    pub(crate) fn description(&self) -> String {
        let text = fs::read_to_string(self.path.join("machine")).unwrap_or_default();
        text.lines().nth(1).unwrap_or("unknown").to_owned()
    }

    /// The machine's process, if it is alive.
    pub(crate) fn process(&self) -> Result<Option<Process>> {
        let text = match fs::read_to_string(self.path.join("machine")) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("read the machine's process"),
        };
        let mut words = text.split_whitespace();
        let pid = words.next().and_then(|word| word.parse().ok()).and_then(Pid::from_raw);
        let started = words.next().and_then(|word| word.parse().ok());
        let (Some(pid), Some(started)) = (pid, started) else { return Ok(None) };
        Ok(Process::of_another(pid, started))
    }

    /// Connects to the first free command port: `None` while QEMU is not there yet,
    /// [`ErrorKind::ResourceBusy`] if others have them all.
    pub(super) fn connect(&self) -> io::Result<Option<(UnixStream, File)>> {
        // The path of a socket may have 107 bytes (unix(7)); this one is short wherever we are.
        let here = File::open(&self.path)?;
        for port in 0..qemu::PORTS {
            let lock = self.path.join(format!("agent{port}.lock"));
            let lock = OpenOptions::new().write(true).create(true).truncate(false).open(lock)?;
            match lock.try_lock() {
                Ok(()) => (),
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let socket = format!("/proc/self/fd/{}/{}", here.as_raw_fd(), qemu::socket(port));
            return match UnixStream::connect(socket) {
                Ok(stream) => Ok(Some((stream, lock))),
                Err(error) if not_there_yet(&error) => Ok(None),
                Err(error) => Err(error),
            };
        }
        Err(ErrorKind::ResourceBusy.into())
    }

    /// The machine's monitor.
    pub(super) fn monitor(&self) -> io::Result<UnixStream> {
        let here = File::open(&self.path)?;
        UnixStream::connect(format!("/proc/self/fd/{}/{}", here.as_raw_fd(), qemu::MONITOR))
    }

    /// Which versions of which files are in dom0.
    pub(super) fn pushed(&self) -> Result<BTreeMap<PathBuf, String>> {
        match fs::read_to_string(self.path.join("pushed")) {
            Ok(text) => Ok(text
                .lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(version, path)| (path.into(), version.to_owned()))
                .collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error).context("read what is in dom0"),
        }
    }

    pub(super) fn set_pushed(&self, pushed: &BTreeMap<PathBuf, String>) -> Result<()> {
        let line = |(path, version): (&PathBuf, &String)| format!("{version} {}\n", path.display());
        let text: String = pushed.iter().map(line).collect();
        fs::write(self.path.join("pushed"), text).context("note what is in dom0")
    }

    /// Whether a process holds the folder's lock: the one that makes the machine, or, as long as
    /// a machine that is not kept lives, its user.
    pub(super) fn is_being_made(&self) -> io::Result<bool> {
        match File::open(self.path.join("lock")).map(|lock| lock.try_lock()) {
            Ok(Ok(())) => Ok(false),
            Ok(Err(TryLockError::WouldBlock)) => Ok(true),
            Ok(Err(TryLockError::Error(error))) => Err(error),
            // Its maker died before it made the lock.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The machine is no more; its logs stay.
    pub(super) fn forget(&self) {
        // A note that stays names a process that is gone, which is noticed.
        let _ = fs::remove_file(self.path.join("machine"));
    }
}

fn not_there_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// Removes the oldest folders of machines that were not kept and are no more.
fn prune() {
    let mut dead: Vec<_> = folders()
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.starts_with(RUN))
        .filter_map(|name| Folder::open(&name).ok())
        .filter(|folder| folder.is_being_made().is_ok_and(|taken| !taken))
        .map(|folder| (fs::metadata(&folder.path).and_then(|meta| meta.modified()).ok(), folder))
        .collect();
    dead.sort_by_key(|(changed, _)| *changed);
    let superfluous = dead.len().saturating_sub(KEPT_RUNS);
    for (_, folder) in dead.into_iter().take(superfluous) {
        // What stays is tried again by the next machine.
        let _ = fs::remove_dir_all(&folder.path);
    }
}

/// The folder of the lab `name`.
fn place(name: &str) -> Result<PathBuf> {
    ensure!(!name.is_empty() && !name.contains(['/', '.']), "{name:?} cannot name a lab");
    Ok(all()?.join(name))
}

/// What the names of machines begin with that are not kept.
const RUN: &str = "run-";

/// How many of their logs stay.
const KEPT_RUNS: usize = 10;
