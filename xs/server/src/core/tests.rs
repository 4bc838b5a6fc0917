//! What the store does, request by request: who asks, in which transaction, for what, and what is
//! sent to whom then. `tests/differential` has the C xenstored confirm that these are its answers.
//!
//! `|` stands for NUL. A line of what is sent is `who reply`, where a reply that is an error is its
//! name, or `who event path|token|`.

mod control;
mod domains;
mod nodes;
mod permissions;
mod quotas;
mod transactions;
mod watches;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use xen_types::{DomId, Gfn, Port};
use xs::proto::{Decoder, Header, Op, Packet, TxId};

use super::{ConnId, Core};
use crate::machine::{Life, Link, Machine, NoRing};
use crate::quota::Quotas;

/// Who asks, in which transaction, for what with which payload; what is sent then.
type Row<'a> = (&'a str, u32, Op, &'a str, &'a [&'a str]);

/// A store with two sockets, `dom0` and `tool`, and the guests `1`, `2` and `3` with their homes.
struct World {
    core: Core,
    lives: Lives,
    tool: ConnId,
    dom0: ConnId,
}

type Lives = Arc<Mutex<BTreeMap<u16, Life>>>;

impl World {
    fn new() -> Self {
        Self::with(Quotas::default())
    }

    fn with(quotas: Quotas) -> Self {
        let lives = Lives::default();
        let mut core = Core::new(Box::new(Domains(Arc::clone(&lives))), quotas);
        let (dom0, tool) = (core.connect(), core.connect());
        let mut world = Self { core, lives, tool, dom0 };
        for guest in 1..=3 {
            world.live(guest, Some(Life::Alive));
            world.ask("dom0", 0, Op::INTRODUCE, &format!("{guest}|1|1|"));
            world.ask("dom0", 0, Op::MKDIR, &format!("/local/domain/{guest}|"));
            let perms = format!("/local/domain/{guest}|n{guest}|");
            assert_eq!(world.ask("dom0", 0, Op::SET_PERMS, &perms), ["dom0 OK|"]);
        }
        world
    }

    /// Takes the rows one after the other.
    fn check(&mut self, rows: &[Row<'_>]) {
        for (number, (who, tx, op, payload, expected)) in rows.iter().enumerate() {
            let sent = self.ask(who, *tx, *op, payload);
            assert_eq!(sent, *expected, "row {}: {who} {tx} {op:?} {payload}", number + 1);
        }
    }

    fn ask(&mut self, who: &str, tx: u32, op: Op, payload: &str) -> Vec<String> {
        let id = self.conn(who).unwrap();
        let payload = payload.replace('|', "\0");
        let len = u32::try_from(payload.len()).unwrap();
        self.core.handle(id, Header { op, request: 1, tx: TxId(tx), len }, payload.as_bytes());
        self.sent()
    }

    /// What becomes of a domain, and what is sent then.
    fn live(&mut self, guest: u16, life: Option<Life>) -> Vec<String> {
        match life {
            Some(life) => self.lives.lock().unwrap().insert(guest, life),
            None => self.lives.lock().unwrap().remove(&guest),
        };
        self.core.check_domains();
        self.sent()
    }

    fn sent(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for who in ["dom0", "tool", "1", "2", "3"] {
            let Some(id) = self.conn(who) else { continue };
            let mut decoder = Decoder::default();
            decoder.feed(self.core.outgoing(id));
            while let Some(packet) = decoder.next_packet().unwrap() {
                lines.push(format!("{who} {}", line(&packet)));
            }
            let count = self.core.outgoing(id).len();
            self.core.sent(id, count);
        }
        lines
    }

    fn conn(&self, who: &str) -> Option<ConnId> {
        match who {
            "dom0" => Some(self.dom0),
            "tool" => Some(self.tool),
            guest => self.core.ring_of(DomId::new(guest.parse().unwrap()).unwrap()),
        }
    }
}

fn line(packet: &Packet) -> String {
    let text = String::from_utf8_lossy(&packet.payload).replace('\0', "|");
    match packet.header.op {
        Op::ERROR => text.trim_end_matches('|').to_owned(),
        Op::WATCH_EVENT => format!("event {text}"),
        _ => text,
    }
}

struct Domains(Lives);

impl Machine for Domains {
    fn domain(&self, dom: DomId) -> Option<Life> {
        match dom {
            DomId::DOM0 => Some(Life::Alive),
            _ => self.0.lock().unwrap().get(&dom.raw()).copied(),
        }
    }

    fn connect(&mut self, dom: DomId, _: Gfn, _: Port) -> Result<Box<dyn Link>, NoRing> {
        self.domain(dom).ok_or(NoRing)?;
        Ok(Box::new(Nowhere(UnixStream::pair().map_err(|_| NoRing)?.0)))
    }
}

struct Nowhere(UnixStream);

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
