//! The folder that is the whole machine to the preloaded library: see `fakexen`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use xen_types::{DomId, ShutdownReason};

use crate::daemon::in_context;

/// What the hypervisor knows, of which the daemon is told when it asks.
#[derive(Debug)]
pub(crate) struct Machine {
    folder: PathBuf,
    temporary: bool,
    /// The FIFO of the ports raised towards the daemon.
    raised: File,
}

impl Machine {
    /// A machine with domain 0 alone, in `folder` or in a temporary one.
    pub(crate) fn new(folder: Option<&Path>) -> io::Result<Self> {
        let temporary = folder.is_none();
        let folder = match folder {
            Some(folder) => emptied(folder)?,
            None => temporary_folder()?,
        };
        // sun_path (unix(7)) has 108 bytes, one of them for the end.
        if folder.join("socket").as_os_str().len() > 107 {
            let long = format!("{} is too long for a socket's path", folder.display());
            return Err(io::Error::new(ErrorKind::InvalidInput, long));
        }
        fs::write(folder.join("port"), DOM0_PORT)?;
        make_page(&folder.join("ring.0"))?;
        let raised = fifo(&folder.join("evtchn"))?;
        fifo(&folder.join("evtchn.0"))?;
        Ok(Self { folder, temporary, raised })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The state after the daemon's process ended: its ports closed, dom0's page unused.
    pub(crate) fn daemon_is_gone(&self) -> io::Result<()> {
        let mut unread = [0; 4096];
        while available((&self.raised).read(&mut unread))? > 0 {}
        make_page(&self.folder.join("ring.0"))?;
        match fs::remove_file(self.folder.join("socket")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn add(&self, id: DomId) -> io::Result<()> {
        if self.exists(id) {
            let exists = format!("domain {id} exists already");
            return Err(io::Error::new(ErrorKind::AlreadyExists, exists));
        }
        make_page(&ring(&self.folder, id))?;
        fifo(&towards_domain(&self.folder, id))?;
        self.set_state(id, "")
    }

    /// Changes what is told of a domain and raises the virtual interrupt for that.
    pub(crate) fn end(&self, id: DomId, end: End) -> io::Result<()> {
        if !self.exists(id) {
            let missing = format!("there is no domain {id}");
            return Err(io::Error::new(ErrorKind::NotFound, missing));
        }
        match end {
            End::ShutDown(reason) => self.set_state(id, &format!("shutdown {}", reason.raw()))?,
            End::Dying => {
                let before = fs::read_to_string(self.state(id))?;
                self.set_state(id, &format!("{before} dying"))?;
            }
            End::Gone => {
                fs::remove_file(self.state(id))?;
                fs::remove_file(ring(&self.folder, id))?;
                fs::remove_file(towards_domain(&self.folder, id))?;
            }
        }
        (&self.raised).write_all(&DOMAIN_EXCEPTION.to_ne_bytes())
    }

    fn exists(&self, id: DomId) -> bool {
        id == DomId::DOM0 || self.state(id).exists()
    }

    /// Renamed into place, as the daemon may read it now.
    fn set_state(&self, id: DomId, words: &str) -> io::Result<()> {
        let new = self.folder.join(format!("new.{id}"));
        fs::write(&new, words)?;
        fs::rename(new, self.state(id))
    }

    fn state(&self, id: DomId) -> PathBuf {
        self.folder.join(format!("dom.{id}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.temporary {
            // It lies where it disturbs nobody.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// How a domain ends, as far as the hypervisor tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    ShutDown(ShutdownReason),
    Dying,
    Gone,
}

/// The page that domain `id` shares with the daemon.
pub(crate) fn ring(folder: &Path, id: DomId) -> PathBuf {
    folder.join(format!("ring.{id}"))
}

/// The FIFO of notifications for domain `id`.
pub(crate) fn towards_domain(folder: &Path, id: DomId) -> PathBuf {
    folder.join(format!("evtchn.{id}"))
}

/// The FIFO of ports raised towards the daemon.
pub(crate) fn towards_daemon(folder: &Path) -> PathBuf {
    folder.join("evtchn")
}

/// The daemon's port for domain `id`, as `fakexen` numbers them.
pub(crate) fn daemons_port(id: DomId) -> u32 {
    1000 + u32::from(id)
}

/// Opens a FIFO for both directions, so that it never hangs up, and never waits.
pub(crate) fn open_fifo(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    options.read(true).write(true).custom_flags(nonblocking).open(path)
}

/// The bytes read from a FIFO, 0 when it is empty.
pub(crate) fn available(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

fn fifo(path: &Path) -> io::Result<File> {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .map_err(|error| in_context(error.into(), format!("create {}", path.display())))?;
    open_fifo(path)
}

fn make_page(path: &Path) -> io::Result<()> {
    fs::write(path, [0; 4096])
}

fn emptied(folder: &Path) -> io::Result<PathBuf> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(folder),
    }
    .map_err(|error| in_context(error, format!("empty {}", folder.display())))?;
    folder.canonicalize()
}

/// A folder of our own; one that an earlier process of this id left is passed over.
fn temporary_folder() -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("store-daemon-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => (),
            Err(error) => return Err(in_context(error, format!("create {}", folder.display()))),
            Ok(()) => return folder.canonicalize(),
        }
    }
}

/// As text without an end of line: oxenstored takes the whole file for a number.
const DOM0_PORT: &str = "1";

/// The port of the virtual interrupt, as `fakexen` numbers them.
const DOMAIN_EXCEPTION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn dom(id: u16) -> DomId {
        DomId::new(id).unwrap()
    }

    #[test]
    fn an_id_is_given_once() {
        let machine = Machine::new(None).unwrap();
        machine.add(dom(7)).unwrap();
        assert_eq!(machine.add(dom(7)).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(machine.add(DomId::DOM0).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn nobody_ends_a_domain_that_is_not_there() {
        let machine = Machine::new(None).unwrap();
        assert_eq!(machine.end(dom(7), End::Dying).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_domain_that_shut_down_keeps_its_reason_when_it_dies() {
        let machine = Machine::new(None).unwrap();
        machine.add(dom(7)).unwrap();
        machine.end(dom(7), End::ShutDown(ShutdownReason::Crash)).unwrap();
        machine.end(dom(7), End::Dying).unwrap();
        assert_eq!(fs::read_to_string(machine.state(dom(7))).unwrap(), "shutdown 3 dying");
    }

    #[test]
    fn what_was_raised_is_not_there_for_the_next_daemon() {
        let machine = Machine::new(None).unwrap();
        machine.add(dom(7)).unwrap();
        machine.end(dom(7), End::Gone).unwrap();
        machine.daemon_is_gone().unwrap();
        assert_eq!(available((&machine.raised).read(&mut [0; 4])).unwrap(), 0);
    }

    #[test]
    fn a_folder_too_long_for_its_socket_is_refused() {
        let long = env::temp_dir().join("x".repeat(100));
        let error = Machine::new(Some(&long)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        fs::remove_dir(long).unwrap();
    }
}
