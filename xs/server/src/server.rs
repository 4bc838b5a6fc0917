//! The event loop around the core: one thread, any number of connections.
//!
//! ```text
//!   epoll ─▶ receive some ─▶ every whole packet to the core ─▶ (next connection)
//!        ─▶ send to all for whom the core has something ─▶ epoll
//! ```
//!
//! Many requests that arrive together cost one receive and one send. Answers go when all who have
//! something to say have been heard: where server and clients share a processor, whoever gets the
//! first takes it from the server, comes back with one request, and so it goes on one by one. A connection that does not
//! read its replies is not listened to until it does; one that lets events pile up is ended. None is
//! heard twice before every other that has something to say is heard once.

mod alarm;
mod hearing;
mod listener;
mod pace;
mod running;
mod wire;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;

use crate::by_conn::ByConn;
use crate::core::{ConnId, Core};
use crate::machine::Link;
use alarm::Alarm;
use hearing::BUFFER;
use listener::Listener;
pub use running::Running;
use wire::{Socket, Wire};

/// A store that serves sockets, and the rings of domains if its machine has some.
pub struct Server {
    core: Core,
    epoll: OwnedFd,
    alarm: Alarm,
    listener: Option<Listener>,
    wires: ByConn<Wire>,
    /// Those that the next turn serves anyhow.
    again: Vec<ConnId>,
    /// Guests that are paused: what others do may end that.
    held: Vec<ConnId>,
    buffer: Vec<u8>,
    /// The bell of a [`Running`] has been rung.
    rung: bool,
    stopped: bool,
}

/// A connection that cannot go on.
#[derive(Debug, Clone, Copy)]
struct Ended;

impl Server {
    /// Serves nobody yet.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn new(mut core: Core) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        if let Some(changes) = core.machine().changes() {
            epoll::add(&epoll, changes, epoll::EventData::new_u64(MACHINE), EventFlags::IN)?;
        }
        let alarm = Alarm::new()?;
        epoll::add(&epoll, &alarm, epoll::EventData::new_u64(ALARM), EventFlags::IN)?;
        Ok(Self {
            core,
            epoll,
            alarm,
            listener: None,
            wires: ByConn::default(),
            again: Vec::new(),
            held: Vec::new(),
            buffer: vec![0; BUFFER],
            rung: false,
            stopped: false,
        })
    }

    /// Takes connections from this path from now on, for this user alone: they are privileged. A
    /// socket that nobody listens at any more is replaced. The path goes with the server.
    ///
    /// # Errors
    /// If the socket cannot be made there: [`AddrInUse`](io::ErrorKind::AddrInUse) if another server
    /// listens, [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is anything but a socket.
    pub fn listen(&mut self, path: impl Into<PathBuf>) -> io::Result<()> {
        self.listener = Some(Listener::bind(path.into(), &self.epoll)?);
        Ok(())
    }

    /// Takes in a stream that is connected already, as a privileged connection.
    ///
    /// # Errors
    /// If the kernel has no room to watch it.
    pub fn add(&mut self, stream: UnixStream) -> io::Result<()> {
        let id = self.core.connect();
        self.adopt(id, Box::new(Socket(stream.into()))).inspect_err(|_| self.core.disconnect(id))
    }

    /// The store itself. What is done to it takes effect at others with the next [`Server::turn`].
    pub fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.wires.len()
    }

    /// Serves until `stop` is readable.
    ///
    /// # Errors
    /// As for [`Server::turn`].
    pub fn serve_until(&mut self, stop: impl AsFd) -> io::Result<()> {
        self.stopped = false;
        epoll::add(&self.epoll, &stop, epoll::EventData::new_u64(STOP), EventFlags::IN)?;
        let mut served = Ok(());
        while served.is_ok() && !self.stopped {
            served = self.turn(None);
        }
        epoll::delete(&self.epoll, &stop)?;
        served
    }

    /// Waits until something is to be done, `limit` at most, and does it.
    ///
    /// # Errors
    /// Only if waiting itself fails: what is wrong with a connection ends that connection.
    pub fn turn(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.settle()?;
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut room = [const { MaybeUninit::uninit() }; MOST_READY];
        let ready = match epoll::wait(&self.epoll, &mut room, limit.as_ref()) {
            Ok((ready, _)) => ready,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in ready {
            match event.data.u64() {
                LISTENER => self.accept(),
                MACHINE => {
                    self.core.machine().acknowledge();
                    self.core.check_domains();
                }
                BELL => self.rung = true,
                STOP => self.stopped = true,
                ALARM => {
                    self.alarm.acknowledge();
                    self.look_for_more();
                }
                id => self.serve(ConnId(id), event.flags),
            }
        }
        for id in std::mem::take(&mut self.again) {
            self.serve(id, EventFlags::empty());
        }
        self.settle()
    }

    fn accept(&mut self) {
        for _ in 0..MOST_READY {
            let Some(listener) = &mut self.listener else { return };
            match listener.accept(&self.epoll) {
                // If it cannot be watched, it is closed: its owner may try again.
                Some(stream) => self.add(stream).unwrap_or_default(),
                None => return,
            }
        }
    }

    /// Takes in who waits, if there was no descriptor for them before.
    fn look_for_more(&mut self) {
        if let Some(listener) = &mut self.listener {
            // It is tried again: nothing else can be done.
            listener.resume(&self.epoll).unwrap_or_default();
        }
    }

    fn adopt(&mut self, id: ConnId, link: Box<dyn Link>) -> io::Result<()> {
        let wire = Wire::new(link);
        epoll::add(&self.epoll, wire.link.fd(), epoll::EventData::new_u64(id.0), wire.interest)?;
        self.wires.insert(id, wire);
        Ok(())
    }

    /// Sends what there is to send, sees who came and went, and who is listened to again.
    fn settle(&mut self) -> io::Result<()> {
        loop {
            self.take_in();
            let to_send = self.core.take_to_send();
            if to_send.is_empty() {
                break;
            }
            for id in to_send {
                if self.send(id).is_err() {
                    self.end(id);
                }
            }
        }
        let pause = self.release_held();
        let accepting = self.listener.as_ref().and_then(Listener::again);
        let due = match self.again.is_empty() {
            true => pause.into_iter().chain(accepting).min(),
            false => Some(self.alarm.now()),
        };
        self.alarm.set(due)
    }

    /// Connects the domains that came, and lets go of those that went.
    pub(super) fn take_in(&mut self) {
        let (gone, joined) = (self.core.take_gone(), self.core.take_joined());
        // The links of one domain may have the same descriptor: the old one has to go first.
        gone.iter().for_each(|id| self.drop_wire(*id));
        for (id, link) in joined.into_iter().filter(|(id, _)| !gone.contains(id)) {
            self.join(id, link);
        }
    }

    /// Connects a domain, or gives its connection another link.
    fn join(&mut self, id: ConnId, mut link: Box<dyn Link>) {
        self.drop_wire(id);
        let welcomed = link.welcome(self.core.offered(id));
        match welcomed.and_then(|()| self.adopt(id, link)) {
            // What the domain said before was no event here.
            Ok(()) => self.queue(id),
            Err(_) => self.core.disconnect(id),
        }
    }

    fn drop_wire(&mut self, id: ConnId) {
        if let Some(wire) = self.wires.remove(&id) {
            // It need not be closed with the link: there may be duplicates of the descriptor.
            epoll::delete(&self.epoll, wire.link.fd()).unwrap_or_default();
        }
    }

    fn end(&mut self, id: ConnId) {
        self.drop_wire(id);
        self.core.disconnect(id);
        // There may be a descriptor for another connection now.
        self.look_for_more();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("core", &self.core)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// Readable when [`Server::turn`] has something to do.
impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// No connection has these numbers.
const LISTENER: u64 = u64::MAX;
const MACHINE: u64 = u64::MAX - 1;
const BELL: u64 = u64::MAX - 2;
const ALARM: u64 = u64::MAX - 3;
const STOP: u64 = u64::MAX - 4;

/// How many connections one turn looks at.
const MOST_READY: usize = 256;
