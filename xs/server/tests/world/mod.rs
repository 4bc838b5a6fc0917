//! A server on a machine of this process, turned by hand: no thread, no clock, no waiting.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]
#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod guest;
mod peer;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use xen_types::{DomId, Gfn, Port};
use xs::proto::Op;
use xs_server::{Core, Life, Link, Machine, NoRing, Quotas, RingLink, Server};

pub(crate) use guest::Guest;
pub(crate) use peer::{Packet, Peer, Wire, packet, text};

/// The server, and the machine as a test changes it.
pub(crate) struct World {
    pub(crate) server: Server,
    domains: Arc<Mutex<BTreeMap<DomId, Domain>>>,
    changed: Arc<OwnedFd>,
    dom0: Option<Peer<UnixStream>>,
}

struct Domain {
    life: Life,
    guest: Guest,
}

/// What the store sees of it.
struct Host {
    domains: Arc<Mutex<BTreeMap<DomId, Domain>>>,
    changed: Arc<OwnedFd>,
}

impl Machine for Host {
    fn domain(&self, dom: DomId) -> Option<Life> {
        match dom {
            DomId::DOM0 => Some(Life::Alive),
            dom => self.domains.lock().unwrap().get(&dom).map(|domain| domain.life),
        }
    }

    fn connect(&mut self, dom: DomId, _: Gfn, _: Port) -> Result<Box<dyn Link>, NoRing> {
        let domains = self.domains.lock().unwrap();
        let domain = domains.get(&dom).ok_or(NoRing)?;
        let (page, bell) = domain.guest.other_side();
        Ok(Box::new(RingLink::new(page, bell)))
    }

    fn changes(&self) -> Option<BorrowedFd<'_>> {
        Some(self.changed.as_fd())
    }

    fn acknowledge(&mut self) {
        rustix::io::read(&self.changed, &mut [0; 8]).unwrap_or_default();
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Quotas::default())
    }

    pub(crate) fn with(quotas: Quotas) -> Self {
        let domains = Arc::default();
        let changed = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
        let changed = Arc::new(changed);
        let host = Host { domains: Arc::clone(&domains), changed: Arc::clone(&changed) };
        let mut server = Server::new(Core::new(Box::new(host), quotas)).unwrap();
        let dom0 = Some(connected(&mut server));
        Self { server, domains, changed, dom0 }
    }

    /// Another connection of this host.
    pub(crate) fn connect(&mut self) -> Peer<UnixStream> {
        connected(&mut self.server)
    }

    /// A domain that the hypervisor knows of, and nobody else.
    pub(crate) fn build(&self, dom: u16) -> Peer<Guest> {
        let guest = Guest::new();
        let domain = Domain { life: Life::Alive, guest: guest.clone() };
        assert!(self.domains.lock().unwrap().insert(id(dom), domain).is_none());
        Peer::new(guest)
    }

    /// A domain that has been introduced and owns its home.
    pub(crate) fn guest(&mut self, dom: u16) -> Peer<Guest> {
        let guest = self.build(dom);
        let home = format!("/local/domain/{dom}");
        self.dom0_does(Op::WRITE, format!("{home}\0"));
        self.dom0_does(Op::SET_PERMS, format!("{home}\0n{dom}\0"));
        self.introduce(dom);
        guest
    }

    pub(crate) fn introduce(&mut self, dom: u16) {
        self.dom0_does(Op::INTRODUCE, format!("{dom}\01\01\0"));
    }

    /// Has the hypervisor say so of a domain; none is one that is not there any more.
    pub(crate) fn becomes(&mut self, dom: u16, life: Option<Life>) {
        let mut domains = self.domains.lock().unwrap();
        match life {
            Some(life) => domains.get_mut(&id(dom)).unwrap().life = life,
            None => drop(domains.remove(&id(dom)).unwrap()),
        }
        drop(domains);
        rustix::io::write(&self.changed, &1_u64.to_ne_bytes()).unwrap();
        self.settle();
    }

    /// Has the hypervisor forget several domains before it says anything.
    pub(crate) fn end_together(&mut self, doms: [u16; 2]) {
        self.domains.lock().unwrap().retain(|dom, _| !doms.contains(&dom.raw()));
        rustix::io::write(&self.changed, &1_u64.to_ne_bytes()).unwrap();
        self.settle();
    }

    /// Turns the server until it has nothing to do. Returns how often that was.
    pub(crate) fn settle(&mut self) -> usize {
        let mut turns = 0;
        loop {
            self.turn();
            turns += 1;
            if !is_ready(&self.server) {
                return turns;
            }
            assert!(turns < 10_000, "the server never comes to rest");
        }
    }

    pub(crate) fn turn(&mut self) {
        self.server.turn(Some(std::time::Duration::ZERO)).unwrap();
    }

    /// Asks outside of any transaction, and waits for the answer.
    pub(crate) fn ask<W: Wire>(
        &mut self,
        peer: &mut Peer<W>,
        op: Op,
        payload: impl AsRef<[u8]>,
    ) -> Packet {
        self.ask_in(peer, 0, op, payload)
    }

    pub(crate) fn ask_in<W: Wire>(
        &mut self,
        peer: &mut Peer<W>,
        tx: u32,
        op: Op,
        payload: impl AsRef<[u8]>,
    ) -> Packet {
        let mut rest = packet(op, 77, tx, payload.as_ref());
        // A long one does not fit into a ring at once.
        for _ in 0..100 {
            let sent = peer.wire.put(&rest);
            rest.drain(..sent);
            self.settle();
            peer.take();
            let answer = peer.arrived.iter().position(|packet| packet.op != Op::WATCH_EVENT);
            if let Some(place) = answer {
                let answer = peer.arrived.remove(place).unwrap();
                assert_eq!((answer.request, answer.tx), (77, tx));
                return answer;
            }
        }
        panic!("no answer");
    }

    /// Asks as domain 0, for what is not refused.
    pub(crate) fn dom0_does(&mut self, op: Op, payload: impl AsRef<[u8]>) -> String {
        let mut dom0 = self.dom0.take().unwrap();
        let answer = self.ask(&mut dom0, op, payload);
        self.dom0 = Some(dom0);
        assert_eq!(answer.op, op, "{}", text(&answer.payload));
        text(&answer.payload)
    }

    /// Starts a transaction.
    pub(crate) fn begin<W: Wire>(&mut self, peer: &mut Peer<W>) -> u32 {
        let started = self.ask(peer, Op::TRANSACTION_START, "\0");
        text(&started.payload).trim_end_matches('|').parse().unwrap()
    }

    /// What the store counts for a domain.
    pub(crate) fn count(&mut self, dom: u16, what: &str) -> i64 {
        let report = self.dom0_does(Op::CONTROL, format!("quota\0{dom}\0"));
        let line = report.lines().find(|line| line.starts_with(what)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// The events that a connection has by now.
    pub(crate) fn events<W: Wire>(&mut self, peer: &mut Peer<W>) -> Vec<String> {
        let mut events = Vec::new();
        loop {
            self.settle();
            peer.take();
            if peer.arrived.is_empty() {
                return events;
            }
            for packet in peer.arrived.drain(..) {
                assert_eq!(packet.op, Op::WATCH_EVENT);
                events.push(text(&packet.payload));
            }
        }
    }
}

fn connected(server: &mut Server) -> Peer<UnixStream> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    server.add(theirs).unwrap();
    Peer::new(ours)
}

pub(crate) fn is_ready(fd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&at_once))).unwrap() == 1
}

pub(crate) fn id(dom: u16) -> DomId {
    DomId::new(dom).unwrap()
}
