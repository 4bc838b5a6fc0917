//! `xs_server` in this process, on a machine that is a table of domains.
//!
//! ```text
//!   Running ──stop──▶ Stopped ──cont──▶ Running        the server's thread ends, another begins
//!      └───────┬──────────┘
//!              └──end──▶ Ended ──restart──▶ Running    an empty store at the same path
//! ```
//!
//! What happens to a daemon's process thus happens to the server of this one: stopped, it is a value
//! that nobody turns; ended, it is dropped, and all of its descriptors are closed.

mod page;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::{env, process};

use rustix::event::{EventfdFlags, eventfd};
use store_daemons::{DomId, Gfn, Port, ShutdownReason};
use xs_server::{Core, Life, Link, Machine, NoRing, Quotas, RingLink, Running, Server};

use super::host::{self, Host};
use super::ring::Ring;
use page::Channel;

/// A server with a machine of its own. Dropping it ends the one and removes the other.
#[derive(Debug)]
pub(super) struct Ours {
    machine: Arc<Table>,
    state: Mutex<State>,
    folder: PathBuf,
    socket: PathBuf,
}

#[derive(Debug)]
enum State {
    Running(Running),
    Stopped(Box<Server>),
    Ended,
}

/// All domains, as the hypervisor has them.
#[derive(Debug)]
struct Table {
    domains: Mutex<BTreeMap<DomId, (Life, Channel)>>,
    /// Something has become of one of them.
    changed: OwnedFd,
}

/// A domain as its toolstack and its kernel see it.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    id: DomId,
    channel: Channel,
}

impl Ours {
    pub(super) fn start() -> io::Result<Self> {
        let machine = Arc::new(Table { domains: Mutex::default(), changed: event()? });
        let folder = temporary_folder()?;
        let socket = folder.join("socket");
        let state = Mutex::new(launch(&machine, &socket)?);
        Ok(Self { machine, state, folder, socket })
    }

    fn become_of(&self, id: DomId, life: Option<Life>) -> io::Result<()> {
        let mut domains = self.machine.domains.lock().unwrap();
        let domain = domains.get_mut(&id).ok_or(ErrorKind::NotFound)?;
        match life {
            Some(life) => domain.0 = life,
            None => drop(domains.remove(&id)),
        }
        drop(domains);
        rustix::io::write(&self.machine.changed, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    fn change(&self, to: impl FnOnce(State) -> io::Result<State>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let before = std::mem::replace(&mut *state, State::Ended);
        *state = to(before)?;
        Ok(())
    }
}

fn launch(machine: &Arc<Table>, socket: &Path) -> io::Result<State> {
    let core = Core::new(Box::new(Hypervisor(Arc::clone(machine))), Quotas::default());
    let mut server = Server::new(core)?;
    server.listen(socket)?;
    server.spawn().map(State::Running)
}

impl Host for Ours {
    fn socket(&self) -> &Path {
        &self.socket
    }

    fn log(&self) -> String {
        "it logs nothing".into()
    }

    fn stop(&self) -> io::Result<()> {
        self.change(|state| match state {
            State::Running(running) => Ok(State::Stopped(Box::new(running.stop()?))),
            other => Ok(other),
        })
    }

    fn cont(&self) -> io::Result<()> {
        self.change(|state| match state {
            State::Stopped(server) => server.spawn().map(State::Running),
            other => Ok(other),
        })
    }

    fn end(&self) -> io::Result<()> {
        self.change(|_| Ok(State::Ended))
    }

    fn kill(&mut self) -> io::Result<()> {
        self.end()
    }

    fn restart(&mut self) -> io::Result<()> {
        self.end()?;
        self.change(|_| launch(&self.machine, &self.socket))
    }

    fn add_domain(&self, id: DomId) -> io::Result<host::Domain> {
        let channel = Channel::new()?;
        let mut domains = self.machine.domains.lock().unwrap();
        let before = domains.insert(id, (Life::Alive, channel.clone()));
        assert!(before.is_none(), "domain {id} exists already");
        Ok(host::Domain::Ours(Domain { id, channel }))
    }

    fn shut_down(&self, id: DomId, _: ShutdownReason) -> io::Result<()> {
        self.become_of(id, Some(Life::Shutdown))
    }

    fn kill_domain(&self, id: DomId) -> io::Result<()> {
        self.become_of(id, Some(Life::Dying))
    }

    fn remove_domain(&self, id: DomId) -> io::Result<()> {
        self.become_of(id, None)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // It lies where it disturbs nobody.
        let _ = self.end();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Domain {
    pub(super) fn id(&self) -> DomId {
        self.id
    }

    pub(super) fn ring(&self) -> Ring {
        self.channel.of_domain()
    }
}

/// What the server sees of the table.
struct Hypervisor(Arc<Table>);

impl Machine for Hypervisor {
    fn domain(&self, dom: DomId) -> Option<Life> {
        match dom {
            DomId::DOM0 => Some(Life::Alive),
            _ => self.0.domains.lock().unwrap().get(&dom).map(|(life, _)| *life),
        }
    }

    fn connect(&mut self, dom: DomId, _: Gfn, _: Port) -> Result<Box<dyn Link>, NoRing> {
        let domains = self.0.domains.lock().unwrap();
        let (_, channel) = domains.get(&dom).ok_or(NoRing)?;
        let (page, bell) = channel.of_store();
        Ok(Box::new(RingLink::new(page, bell)))
    }

    fn changes(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.changed.as_fd())
    }

    fn acknowledge(&mut self) {
        // Nothing is there if it was taken note of before.
        let _ = rustix::io::read(&self.0.changed, &mut [0; 8]);
    }
}

fn event() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// A folder of our own; one that an earlier process of this id left is passed over.
fn temporary_folder() -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("store-ours-{}-{number}", process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => (),
            outcome => return outcome.map(|()| folder),
        }
    }
}
