//! Our side: the core, without its event loop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Arc, Mutex};

use xen_types::{DomId, Gfn, Port};
use xs::proto::{Decoder, Header, TxId};
use xs_server::{ConnId, Core, Life, Link, Machine, NoRing, Quotas};

use crate::step::{Sent, Step, Who};

pub(crate) struct Ours {
    core: Core,
    lives: Lives,
    sockets: Vec<ConnId>,
}

type Lives = Arc<Mutex<BTreeMap<u16, Life>>>;

impl Ours {
    pub(crate) fn new(quotas: Quotas, sockets: usize) -> Self {
        let lives = Lives::default();
        let mut core = Core::new(Box::new(Domains(Arc::clone(&lives))), quotas);
        let sockets = (0..sockets).map(|_| core.connect()).collect();
        Self { core, lives, sockets }
    }

    pub(crate) fn is_there(&self, who: Who) -> bool {
        self.conn(who).is_some()
    }

    pub(crate) fn happens(&mut self, step: &Step, request: u32) {
        match *step {
            Step::Ask { who, op, tx, ref payload } => {
                let id = self.conn(who).expect("only who is there asks");
                let len = u32::try_from(payload.len()).expect("a short payload");
                self.core.handle(id, Header { op, request, tx: TxId(tx), len }, payload);
            }
            Step::Reconnect(socket) => {
                self.core.disconnect(self.sockets[socket]);
                self.sockets[socket] = self.core.connect();
            }
            Step::Add(dom) => self.lives(dom, Some(Life::Alive)),
            Step::ShutDown(dom) => self.lives(dom, Some(Life::Shutdown)),
            Step::Kill(dom) => self.lives(dom, Some(Life::Dying)),
            Step::Remove(dom) => self.lives(dom, None),
        }
        // Nobody is at the other ends.
        drop(self.core.take_joined());
        drop(self.core.take_to_send());
        drop(self.core.take_gone());
    }

    /// What a connection was sent since the last time.
    pub(crate) fn sent(&mut self, who: Who) -> Vec<Sent> {
        let Some(id) = self.conn(who) else { return Vec::new() };
        let mut decoder = Decoder::default();
        let bytes = self.core.outgoing(id);
        decoder.feed(bytes);
        let count = bytes.len();
        self.core.sent(id, count);
        let next = || decoder.next_packet().expect("the core keeps to the protocol");
        std::iter::from_fn(next)
            .map(|packet| Sent { header: packet.header, payload: packet.payload })
            .collect()
    }

    fn conn(&self, who: Who) -> Option<ConnId> {
        match who {
            Who::Socket(socket) => self.sockets.get(socket).copied(),
            Who::Guest(dom) => self.core.ring_of(domid(dom)),
        }
    }

    fn lives(&mut self, dom: u16, life: Option<Life>) {
        let mut lives = self.lives.lock().expect("nobody panics with it");
        match life {
            Some(life) => lives.insert(dom, life),
            None => lives.remove(&dom),
        };
        drop(lives);
        // The hypervisor tells of ends only.
        if life != Some(Life::Alive) {
            self.core.check_domains();
        }
    }
}

pub(crate) fn domid(dom: u16) -> DomId {
    DomId::new(dom).expect("a small number")
}

/// Domain 0, and those that the steps make.
struct Domains(Lives);

impl Machine for Domains {
    fn domain(&self, dom: DomId) -> Option<Life> {
        match dom {
            DomId::DOM0 => Some(Life::Alive),
            _ => self.0.lock().expect("nobody panics with it").get(&dom.raw()).copied(),
        }
    }

    fn connect(&mut self, dom: DomId, _: Gfn, _: Port) -> Result<Box<dyn Link>, NoRing> {
        self.domain(dom).ok_or(NoRing)?;
        Ok(Box::new(Nowhere(File::open("/dev/null").map_err(|_| NoRing)?)))
    }
}

/// A ring that nobody uses: the test hands the core what a guest would say.
struct Nowhere(File);

impl Link for Nowhere {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn receive(&mut self, _: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(None)
    }

    fn send(&mut self, _: &[u8]) -> io::Result<Option<usize>> {
        Ok(None)
    }
}
