//! The daemon without its I/O: packets of a connection in, bytes for connections out.
//!
//! ```text
//!   packet ─▶ Core::handle ─▶ operation ─▶ Access ─▶ Store, or a copy in a Transaction
//!                                │
//!                                ├─▶ a reply into the connection's Output
//!                                └─▶ events into the Outputs of those who watch
//! ```
//!
//! Which operation may do what, and which error it ends in, is as in the C xenstored of Xen 4.17.

mod access;
mod check;
mod control;
mod domains;
mod events;
mod making;
mod nodes;
mod removing;
mod request;
#[cfg(test)]
mod tests;
mod transactions;
mod watching;

use std::collections::HashMap;

use xen_types::DomId;
use xs::proto::{ErrorCode, Features, Header, MAX_PAYLOAD, Op};

use crate::by_conn::ByConn;
use crate::domain::Domains;
use crate::machine::{Link, Machine};
use crate::output::Output;
use crate::quota::Quotas;
use crate::store::{Perms, Store};
use crate::transaction::Transaction;
use crate::watches::Watches;
use request::Strings;

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// The state of a store and of all who are connected to it.
pub struct Core {
    store: Store,
    watches: Watches,
    domains: Domains,
    conns: ByConn<Conn>,
    machine: Box<dyn Machine>,
    /// Who may watch `@introduceDomain`, and `@releaseDomain`.
    special_perms: [Perms; 2],
    /// What new domains may use.
    quotas: Quotas,
    last_conn: u64,
    /// Connections with something to send that had nothing before.
    to_send: Vec<ConnId>,
    /// Links of domains that came.
    joined: Vec<(ConnId, Box<dyn Link>)>,
    /// Connections of domains that went away.
    gone: Vec<ConnId>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    /// The domain at its other end; 0 for a socket.
    domid: u32,
    /// A ring, as opposed to a socket of this host.
    ring: bool,
    /// The domain whose rights it has as well.
    target: Option<u32>,
    transactions: HashMap<u32, Transaction>,
    last_transaction: u32,
    output: Output,
}

/// What an operation ends in.
type Done<T = ()> = Result<T, ErrorCode>;

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("nodes", &self.store.len())
            .field("connections", &self.conns.len())
            .finish_non_exhaustive()
    }
}

impl Core {
    /// An empty store on this machine.
    pub fn new(machine: Box<dyn Machine>, quotas: Quotas) -> Self {
        let mut core = Self {
            store: Store::new(),
            watches: Watches::default(),
            domains: Domains::new(),
            conns: ByConn::default(),
            machine,
            special_perms: [Perms::private(0), Perms::private(0)],
            quotas,
            last_conn: 0,
            to_send: Vec::new(),
            joined: Vec::new(),
            gone: Vec::new(),
        };
        core.set_up();
        core
    }

    /// Takes in a connection of this host: a privileged one.
    pub fn connect(&mut self) -> ConnId {
        self.open(0, false)
    }

    fn open(&mut self, domid: u32, ring: bool) -> ConnId {
        self.last_conn += 1;
        let id = ConnId(self.last_conn);
        let conn = Conn {
            domid,
            ring,
            target: None,
            transactions: HashMap::new(),
            last_transaction: 0,
            output: Output::default(),
        };
        self.conns.insert(id, conn);
        id
    }

    /// Forgets a connection, with its watches and transactions.
    ///
    /// That of a domain stays, and does nothing any more, until the domain goes: those who watch for
    /// its end are told then, and not before. `INTRODUCE` gives it a new link.
    pub fn disconnect(&mut self, id: ConnId) {
        self.reset(id);
        let of_domain = self.conns.get(&id).filter(|conn| conn.ring).map(|conn| conn.domid);
        let domain = of_domain.and_then(|domid| self.domains.get(domid));
        if domain.is_none_or(|domain| domain.conn != Some(id)) {
            self.conns.remove(&id);
        }
    }

    /// Carries out one packet of a connection. A reply, and any events, are in the outputs then.
    pub fn handle(&mut self, id: ConnId, header: Header, payload: &[u8]) {
        let Some(conn) = self.conns.get(&id) else { return };
        let privileged = conn.is_privileged();
        let outcome = match operation(header.op) {
            None => Err(ErrorCode::Enosys),
            Some(rule) if rule.privileged && !privileged => Err(ErrorCode::Eacces),
            Some(rule) => {
                let tx = if rule.outside { 0 } else { header.tx.0 };
                match tx == 0 || conn.transactions.contains_key(&tx) {
                    true => self.carry_out(Call { id, tx, header, payload }),
                    false => Err(ErrorCode::Enoent),
                }
            }
        };
        if let Err(code) = outcome {
            self.reply_error(id, header, &code);
        }
    }

    fn carry_out(&mut self, call: Call<'_>) -> Done {
        match call.header.op {
            Op::CONTROL => self.control(call),
            Op::DIRECTORY => self.directory(call),
            Op::READ => self.read(call),
            Op::GET_PERMS => self.perms(call),
            Op::WATCH => self.watch(call),
            Op::UNWATCH => self.unwatch(call),
            Op::TRANSACTION_START => self.start_transaction(call),
            Op::TRANSACTION_END => self.end_transaction(call),
            Op::INTRODUCE => self.introduce(call),
            Op::RELEASE => self.release(call),
            Op::GET_DOMAIN_PATH => self.domain_path(call),
            Op::WRITE => self.write(call),
            Op::MKDIR => self.mkdir(call),
            Op::RM => self.rm(call),
            Op::SET_PERMS => self.set_perms(call),
            Op::IS_DOMAIN_INTRODUCED => self.is_introduced(call),
            Op::RESUME => self.resume(call),
            Op::SET_TARGET => self.set_target(call),
            Op::RESET_WATCHES => self.reset_watches(call),
            Op::DIRECTORY_PART => self.directory_part(call),
            Op::GET_FEATURE => self.feature(call),
            Op::SET_FEATURE => self.set_feature(call),
            Op::GET_QUOTA => self.quota(call),
            Op::SET_QUOTA => self.set_quota(call),
            _ => Err(ErrorCode::Enosys),
        }
    }

    /// Connections that have something to send and had nothing before, since the last time.
    pub fn take_to_send(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.to_send)
    }

    /// Links of domains that were introduced since the last time, each with its connection. A
    /// connection that has one already has a new one.
    pub fn take_joined(&mut self) -> Vec<(ConnId, Box<dyn Link>)> {
        std::mem::take(&mut self.joined)
    }

    /// Connections of domains that are no longer connected, since the last time.
    pub fn take_gone(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.gone)
    }

    /// Whether a connection is to be listened to. An unprivileged one is not while what it has in
    /// memory is over its quota, and none is that does not take its replies.
    pub fn may_ask(&self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get(&id) else { return false };
        let unsent = conn.output.len();
        if conn.is_privileged() {
            return unsent <= PATIENCE;
        }
        unsent <= GUEST_PATIENCE && !self.is_over_memory(conn.domid, unsent)
    }

    /// The machine it runs on.
    pub fn machine(&mut self) -> &mut dyn Machine {
        &mut *self.machine
    }

    /// What a connection has to send.
    pub fn outgoing(&self, id: ConnId) -> &[u8] {
        self.conns.get(&id).map_or(&[], |conn| conn.output.bytes())
    }

    /// Says that the first `count` bytes of [`Core::outgoing`] went.
    pub fn sent(&mut self, id: ConnId, count: usize) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.output.sent(count);
        }
    }

    /// Whether a connection left more unread than any may. It can only be ended.
    pub fn is_overrun(&self, id: ConnId) -> bool {
        self.conns.get(&id).is_some_and(|conn| conn.output.is_overrun())
    }

    /// How many guests there are, if a connection other than this one has a transaction under way.
    pub(crate) fn contention(&self, id: ConnId) -> Option<u32> {
        let others = self.conns.iter().filter(|(other, _)| **other != id);
        others.clone().any(|(_, conn)| !conn.transactions.is_empty()).then(|| {
            let guests = others.filter(|(_, conn)| !conn.is_privileged()).count();
            u32::try_from(guests).unwrap_or(u32::MAX).saturating_add(1)
        })
    }

    /// What the domain at the other end of a connection is offered.
    pub(crate) fn offered(&self, id: ConnId) -> Features {
        let domain = self.conns.get(&id).and_then(|conn| self.domains.get(conn.domid));
        domain.map_or(FEATURES, |domain| domain.features)
    }

    /// Whether a connection is an unprivileged one.
    pub(crate) fn is_guest(&self, id: ConnId) -> bool {
        self.conns.get(&id).is_some_and(|conn| !conn.is_privileged())
    }

    /// The connection of a domain that is introduced.
    pub fn ring_of(&self, dom: DomId) -> Option<ConnId> {
        self.domains.get(dom.raw().into())?.conn
    }

    fn reply(&mut self, call: Call<'_>, payload: &[&[u8]]) -> Done {
        let len: usize = payload.iter().map(|part| part.len()).sum();
        if len > MAX_PAYLOAD {
            return Err(ErrorCode::E2big);
        }
        self.put(call.id, call.header, call.header.op, payload);
        Ok(())
    }

    fn acknowledge(&mut self, call: Call<'_>) -> Done {
        self.reply(call, &[b"OK\0"])
    }

    fn reply_error(&mut self, id: ConnId, header: Header, code: &ErrorCode) {
        self.put(id, header, Op::ERROR, &[code.name().as_bytes(), b"\0"]);
    }

    fn put(&mut self, id: ConnId, header: Header, op: Op, payload: &[&[u8]]) {
        if let Some(conn) = self.conns.get_mut(&id)
            && conn.output.put(op, header.request, header.tx.0, payload)
        {
            self.to_send.push(id);
        }
    }
}

/// A request under way.
#[derive(Clone, Copy)]
struct Call<'a> {
    id: ConnId,
    /// The transaction; 0 outside.
    tx: u32,
    header: Header,
    payload: &'a [u8],
}

impl<'a> Call<'a> {
    fn strings(&self) -> Strings<'a> {
        Strings::new(self.payload)
    }
}

impl Conn {
    const fn is_privileged(&self) -> bool {
        !self.ring || self.domid == 0
    }
}

/// Who may ask for an operation, and where.
struct Rule {
    /// Only a privileged connection may.
    privileged: bool,
    /// It takes place outside of any transaction, whatever the packet says.
    outside: bool,
}

fn operation(op: Op) -> Option<Rule> {
    let rule = |privileged, outside| Some(Rule { privileged, outside });
    match op {
        Op::WATCH | Op::UNWATCH => rule(false, true),
        Op::CONTROL
        | Op::INTRODUCE
        | Op::RELEASE
        | Op::IS_DOMAIN_INTRODUCED
        | Op::RESUME
        | Op::SET_TARGET
        | Op::SET_FEATURE
        | Op::SET_QUOTA => rule(true, false),
        Op::DIRECTORY
        | Op::READ
        | Op::GET_PERMS
        | Op::TRANSACTION_START
        | Op::TRANSACTION_END
        | Op::GET_DOMAIN_PATH
        | Op::WRITE
        | Op::MKDIR
        | Op::RM
        | Op::SET_PERMS
        | Op::RESET_WATCHES
        | Op::DIRECTORY_PART
        | Op::GET_FEATURE
        | Op::GET_QUOTA => rule(false, false),
        _ => None,
    }
}

/// Unsent bytes over which a connection is not listened to.
const PATIENCE: usize = 1024 * 1024;

/// The same for a guest, whose ring takes 1024 bytes.
const GUEST_PATIENCE: usize = 128 * 1024;

/// What this store offers a domain.
pub(crate) const FEATURES: Features = Features::ERROR.union(Features::WATCH_DEPTH);
