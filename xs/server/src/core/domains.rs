//! Domains come, go, and are asked about.

use xen_types::{DomId, Gfn, Port};
use xs::proto::{ErrorCode, Features};

use super::access::home;
use super::request::{leading_number, number};
use super::{Call, ConnId, Core, Done, FEATURES};
use crate::domain::Domain;
use crate::machine::{Life, NoRing};
use crate::store::{Node, child};

/// Of `Core::fire_special`.
const CAME: usize = 0;
const WENT: usize = 1;

/// `DOMID_SELF`, `xen/include/public/xen.h`.
const SELF: u32 = 0x7FF0;

impl Core {
    /// The nodes that are there from the start.
    pub(super) fn set_up(&mut self) {
        for path in ["/tool", "/tool/xenstored"] {
            let above = crate::store::parent(path);
            let number = self.store.next_generation();
            let Some(mut parent) = self.store.get(above).cloned() else { return };
            let mut node = Node::new(parent.perms.clone());
            node.number = number;
            parent.children.add(number, crate::store::leaf(path));
            self.store.put(path, node);
            self.store.put(above, parent);
        }
        let all = i64::try_from(self.store.len()).unwrap_or(i64::MAX);
        let memory = self.store.iter().map(|(path, node)| node.memory(path)).sum();
        if let Some(domain) = self.domains.get_mut(0) {
            (domain.nodes, domain.memory) = (all, memory);
        }
    }

    pub(super) fn introduce(&mut self, call: Call<'_>) -> Done {
        let strings = call.strings().all();
        let [domid, gfn, port, ..] = strings[..] else { return Err(ErrorCode::Einval) };
        let domid = leading_number(domid);
        let port = leading_number(port);
        let dom = valid(domid)?;
        if port == 0 {
            return Err(ErrorCode::Einval);
        }
        let gfn = str::from_utf8(gfn).ok().and_then(|gfn| gfn.parse::<i64>().ok());
        let gfn = Gfn(gfn.unwrap_or_default().cast_unsigned());
        let connected = self.machine.connect(dom, gfn, Port(port));
        let link = connected.map_err(|NoRing| ErrorCode::Einval)?;
        let known = self.domains.get(domid).and_then(|domain| domain.conn);
        match known {
            Some(conn) => {
                self.reset(conn);
                self.joined.push((conn, link));
            }
            None => {
                let conn = self.open(domid, true);
                let domain = self.add_domain(domid);
                domain.conn = Some(conn);
                domain.shutdown = false;
                self.joined.push((conn, link));
                if domid != 0 {
                    self.fire_special(CAME);
                    self.fire_special_of(CAME, domid);
                }
            }
        }
        self.acknowledge(call)
    }

    pub(super) fn release(&mut self, call: Call<'_>) -> Done {
        let domid = self.introduced(call.strings().only()?)?;
        self.let_go(domid);
        self.acknowledge(call)
    }

    pub(super) fn resume(&mut self, call: Call<'_>) -> Done {
        let domid = self.introduced(call.strings().only()?)?;
        if let Some(domain) = self.domains.get_mut(domid) {
            domain.shutdown = false;
        }
        self.acknowledge(call)
    }

    pub(super) fn set_target(&mut self, call: Call<'_>) -> Done {
        let strings = call.strings().all();
        let [domid, target, ..] = strings[..] else { return Err(ErrorCode::Einval) };
        let (domid, target) = (leading_number(domid), leading_number(target));
        if !self.is_connected(domid) || !self.is_connected(target) {
            return Err(ErrorCode::Enoent);
        }
        let conn = self.domains.get(domid).and_then(|domain| domain.conn);
        if let Some(conn) = conn.and_then(|conn| self.conns.get_mut(&conn)) {
            conn.target = Some(target);
        }
        self.acknowledge(call)
    }

    pub(super) fn domain_path(&mut self, call: Call<'_>) -> Done {
        let path = home(leading_number(call.strings().only()?));
        self.reply(call, &[path.as_bytes(), b"\0"])
    }

    pub(super) fn is_introduced(&mut self, call: Call<'_>) -> Done {
        let domid = leading_number(call.strings().only()?);
        let yes = domid == SELF || self.is_connected(domid);
        self.reply(call, &[if yes { b"T\0" } else { b"F\0" }])
    }

    pub(super) fn feature(&mut self, call: Call<'_>) -> Done {
        let strings = call.strings().all();
        let features = match strings[..] {
            [] => {
                let domid = self.conn(call)?.domid;
                self.domains.get(domid).map_or(FEATURES, |domain| domain.features)
            }
            [domid] => {
                if !self.conn(call)?.is_privileged() {
                    return Err(ErrorCode::Eacces);
                }
                let domid = number(domid)?;
                self.find(domid)?;
                self.domains.get(domid).map_or(FEATURES, |domain| domain.features)
            }
            _ => return Err(ErrorCode::Einval),
        };
        self.reply(call, &[features.bits().to_string().as_bytes(), b"\0"])
    }

    pub(super) fn set_feature(&mut self, call: Call<'_>) -> Done {
        let [domid, features] = call.strings().all()[..] else { return Err(ErrorCode::Einval) };
        let domid = number(domid)?;
        let features = Features::from_bits_retain(leading_number(features));
        self.find(domid)?;
        let domain = self.domains.get_mut(domid).ok_or(ErrorCode::Enoent)?;
        if domain.conn.is_some() {
            return Err(ErrorCode::Ebusy);
        }
        if !FEATURES.contains(features) {
            return Err(ErrorCode::Einval);
        }
        domain.features = features;
        self.acknowledge(call)
    }

    /// Looks at the domains anew: some may have shut down, or gone.
    pub fn check_domains(&mut self) {
        let mut shut_down = Vec::new();
        // Whether watchers of all have been told nothing since one shut down.
        let mut untold = false;
        for domid in self.domains.ids() {
            let Ok(dom) = valid(domid) else { continue };
            let life = if domid == 0 { Some(Life::Alive) } else { self.machine.domain(dom) };
            let Some(domain) = self.domains.get_mut(domid) else { continue };
            match life {
                None | Some(Life::Dying) if domain.conn.is_some() => {
                    self.let_go(domid);
                    untold = false;
                }
                None => self.forget_domain(domid),
                Some(Life::Shutdown) if !domain.shutdown && domain.conn.is_some() => {
                    domain.shutdown = true;
                    shut_down.push(domid);
                    untold = true;
                }
                _ => {}
            }
        }
        if untold {
            self.fire_special(WENT);
        }
        shut_down.into_iter().for_each(|domid| self.fire_special_of(WENT, domid));
    }

    /// Whether there is such a domain; from now on it is known.
    pub(super) fn know(&mut self, domid: u32) -> bool {
        if self.domains.get(domid).is_some() {
            return true;
        }
        let exists = valid(domid).is_ok_and(|dom| self.machine.domain(dom).is_some());
        if exists {
            self.add_domain(domid);
        }
        exists
    }

    /// Takes notice of a domain. It is younger than all there is: also than what the one that had its
    /// id might do, if nothing has changed since.
    fn add_domain(&mut self, domid: u32) -> &mut Domain {
        if self.domains.get(domid).is_none() {
            self.store.next_generation();
        }
        self.domains.add(domid, self.store.generation())
    }

    fn find(&mut self, domid: u32) -> Done {
        match self.know(domid) {
            true => Ok(()),
            false => Err(ErrorCode::Enoent),
        }
    }

    /// A domain other than 0 that is connected, from an argument.
    fn introduced(&self, domid: &[u8]) -> Done<u32> {
        match leading_number(domid) {
            0 => Err(ErrorCode::Einval),
            domid if self.is_connected(domid) => Ok(domid),
            _ => Err(ErrorCode::Enoent),
        }
    }

    /// Domain 0 is, also where nothing but sockets connects it.
    fn is_connected(&self, domid: u32) -> bool {
        domid == 0 || self.domains.get(domid).is_some_and(|domain| domain.conn.is_some())
    }

    /// Ends a domain's connection, and removes what belongs to it.
    fn let_go(&mut self, domid: u32) {
        if let Some(conn) = self.domains.get_mut(domid).and_then(|domain| domain.conn.take()) {
            self.disconnect(conn);
            self.gone.push(conn);
        }
        self.forget_domain(domid);
        self.fire_special(WENT);
        self.fire_special_of(WENT, domid);
    }

    /// Removes the nodes of a domain that is no more: nobody with its id inherits them.
    fn forget_domain(&mut self, domid: u32) {
        let owns = self.domains.get(domid).is_some_and(|domain| domain.nodes > 0);
        if owns {
            let mut open = vec!["/".to_owned()];
            while let Some(path) = open.pop() {
                let Some(node) = self.store.get(&path) else { continue };
                let owned = node.perms.owner() == domid;
                if owned && path != "/" {
                    self.remove_for_good(&path);
                    continue;
                }
                if owned {
                    self.inherit_root();
                }
                let Some(node) = self.store.get(&path) else { continue };
                let names = node.children.names().map(|name| child(&path, name));
                open.extend(names.collect::<Vec<_>>().into_iter().rev());
            }
        }
        self.domains.remove(domid);
        for perms in &mut self.special_perms {
            *perms = perms.without(domid);
        }
        for conn in self.conns.values_mut() {
            if conn.target == Some(domid) {
                conn.target = None;
            }
        }
    }

    /// Gives the root to domain 0: it cannot be removed.
    fn inherit_root(&mut self) {
        let Some(root) = self.store.get("/").cloned() else { return };
        let mut root = self.domains.as_of_now(root);
        root.perms = root.perms.owned_by(0);
        self.put_in_store("/", root);
        if let Some(domain) = self.domains.get_mut(0) {
            domain.nodes += 1;
        }
    }

    /// Ends the watches and transactions of a connection, and forgets what it has not been sent.
    pub(crate) fn reset(&mut self, id: ConnId) {
        self.end_all(id);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.output.clear();
        }
    }

    /// Ends the watches and transactions of a connection.
    pub(super) fn end_all(&mut self, id: ConnId) {
        let watched = self.watches.remove_all(id);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let copied: i64 = conn.transactions.drain().map(|(_, tx)| tx.memory).sum();
        let domid = conn.domid;
        self.charge(domid, -(watched + copied));
    }
}

fn valid(domid: u32) -> Done<DomId> {
    u16::try_from(domid).ok().and_then(DomId::new).ok_or(ErrorCode::Einval)
}
