//! The C xenstored's side: its process, sockets, and rings.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use store_daemons::{Daemon, Domain, Ring, Setup, ShutdownReason};
use xs::proto::{Header, TxId};

use crate::ours::domid;
use crate::step::{Sent, Step, Who};

pub(crate) struct Theirs {
    daemon: Daemon,
    sockets: Vec<UnixStream>,
    guests: BTreeMap<u16, (Domain, Ring)>,
}

impl Theirs {
    pub(crate) fn start(setup: Setup, sockets: usize) -> io::Result<Self> {
        let daemon = setup.start()?;
        let sockets = (0..sockets).map(|_| connect(&daemon)).collect::<io::Result<_>>()?;
        Ok(Self { daemon, sockets, guests: BTreeMap::new() })
    }

    pub(crate) fn happens(&mut self, step: &Step, request: u32) -> io::Result<()> {
        match *step {
            Step::Ask { who, op, tx, ref payload } => {
                let len = u32::try_from(payload.len()).map_err(io::Error::other)?;
                let header = Header { op, request, tx: TxId(tx), len };
                self.send(who, &[&header.to_bytes()[..], payload].concat())
            }
            Step::Reconnect(socket) => {
                self.sockets[socket] = connect(&self.daemon)?;
                Ok(())
            }
            Step::Add(dom) => {
                let domain = self.daemon.add_domain(domid(dom))?;
                let ring = domain.ring()?;
                self.guests.insert(dom, (domain, ring));
                Ok(())
            }
            Step::ShutDown(dom) => self.daemon.shut_down(domid(dom), ShutdownReason::Poweroff),
            Step::Kill(dom) => self.daemon.kill_domain(domid(dom)),
            Step::Remove(dom) => {
                self.guests.remove(&dom);
                self.daemon.remove_domain(domid(dom))
            }
        }
    }

    /// The next packet that a connection is sent.
    pub(crate) fn receive(&mut self, who: Who) -> io::Result<Sent> {
        let mut bytes = [0; Header::LEN];
        self.fill(who, &mut bytes)?;
        let header = Header::from_bytes(bytes);
        let mut payload = vec![0; usize::try_from(header.len).map_err(io::Error::other)?];
        self.fill(who, &mut payload)?;
        Ok(Sent { header, payload })
    }

    fn send(&mut self, who: Who, bytes: &[u8]) -> io::Result<()> {
        match who {
            Who::Socket(socket) => self.sockets[socket].write_all(bytes),
            Who::Guest(dom) => Guest(&self.guests[&dom].1).send(bytes),
        }
    }

    fn fill(&mut self, who: Who, bytes: &mut [u8]) -> io::Result<()> {
        match who {
            Who::Socket(socket) => self.sockets[socket].read_exact(bytes),
            Who::Guest(dom) => Guest(&self.guests[&dom].1).fill(bytes),
        }
    }
}

fn connect(daemon: &Daemon) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(daemon.socket())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A guest's end of a ring, of which each half is a queue of 1024 bytes (`io/xs_wire.h`).
struct Guest<'a>(&'a Ring);

impl Guest<'_> {
    fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            let produced = self.0.load(REQUESTS_PRODUCED)?;
            let room = SIZE - produced.wrapping_sub(self.0.load(REQUESTS_CONSUMED)?);
            let at = produced % SIZE;
            let (now, later) = bytes.split_at(bytes.len().min(room.min(SIZE - at) as usize));
            if now.is_empty() {
                self.wait(deadline)?;
                continue;
            }
            self.0.write(at as usize, now)?;
            self.0.store(REQUESTS_PRODUCED, produced.wrapping_add(length(now)))?;
            self.0.notify()?;
            bytes = later;
        }
        Ok(())
    }

    fn fill(&self, mut bytes: &mut [u8]) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            let consumed = self.0.load(REPLIES_CONSUMED)?;
            let there = self.0.load(REPLIES_PRODUCED)?.wrapping_sub(consumed);
            let at = consumed % SIZE;
            let (now, later) = bytes.split_at_mut(bytes.len().min(there.min(SIZE - at) as usize));
            if now.is_empty() {
                bytes = later;
                self.wait(deadline)?;
                continue;
            }
            self.0.read((SIZE + at) as usize, now)?;
            self.0.store(REPLIES_CONSUMED, consumed.wrapping_add(length(now)))?;
            if !later.is_empty() {
                self.0.notify()?; // the daemon may be waiting for room
            }
            bytes = later;
        }
        Ok(())
    }

    fn wait(&self, deadline: Instant) -> io::Result<()> {
        let limit = deadline.saturating_duration_since(Instant::now());
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.0.as_fd(), PollFlags::IN)], Some(&limit))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => self.0.acknowledge(),
        }
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("at most a ring full")
}

const SIZE: u32 = 1024;
const REQUESTS_CONSUMED: usize = 2048;
const REQUESTS_PRODUCED: usize = 2052;
const REPLIES_CONSUMED: usize = 2056;
const REPLIES_PRODUCED: usize = 2060;

/// Longer than the daemon takes on a busy machine, its limit on a guest's writes included.
const PATIENCE: Duration = Duration::from_secs(20);
