//! Nodes as one request sees them: in the store, or as its transaction has them. Permissions are
//! checked here.

use xs::proto::ErrorCode;

use super::{Call, Conn, Core, Done};
use crate::store::{Node, Perms, Rights, parent};
use crate::transaction::{Exact, TooMany, Touched};

/// What a connection may do with a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) rights: Rights,
    pub(super) owner: bool,
}

/// What a request wants to do with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Read,
    Write,
    Own,
}

impl Granted {
    const ALL: Self = Self { rights: Rights::BOTH, owner: true };

    fn allows(self, wish: Wish) -> bool {
        match wish {
            Wish::Read => self.rights.contains(Rights::READ),
            Wish::Write => self.rights.contains(Rights::WRITE),
            Wish::Own => self.owner,
        }
    }

    /// As the C xenstored asks the parents of a missing node: any of the rights will do.
    fn hints(self, wish: Wish) -> bool {
        match wish {
            Wish::Read => self.rights.read,
            Wish::Write | Wish::Own => self.rights.write || (wish == Wish::Own && self.owner),
        }
    }
}

impl Core {
    /// What a connection may do under these permissions.
    pub(super) fn granted(&self, conn: &Conn, perms: &Perms, generation: u64) -> Granted {
        if conn.is_privileged() {
            return Granted::ALL;
        }
        let mine = |domid: u32| domid == conn.domid || Some(domid) == conn.target;
        let (first, listed) = perms.entries().split_first().expect("there is always an owner");
        if mine(first.domid) {
            return Granted::ALL;
        }
        let entry = listed.iter().find(|perm| {
            mine(perm.domid) && !perm.stale && !self.domains.is_stale(perm.domid, generation)
        });
        Granted { rights: entry.unwrap_or(first).rights, owner: false }
    }

    /// The path that a request names, whole: a relative one is below the caller's home.
    pub(super) fn canonical(&self, call: Call<'_>, path: &[u8]) -> Done<String> {
        let path = str::from_utf8(path).map_err(|_| ErrorCode::Einval)?;
        let conn = self.conn(call)?;
        let path = match path.as_bytes().first() {
            // No node is called so.
            Some(b'@') => return Err(ErrorCode::Einval),
            Some(b'/') => path.to_owned(),
            _ => [&home(conn.domid), "/", path].concat(),
        };
        self.check_path(&path).map(|()| path)
    }

    pub(super) fn check_path(&self, path: &str) -> Done {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_@".contains(&byte);
        let shape = path.starts_with('/')
            && (path == "/" || !path.ends_with('/'))
            && !path.contains("//")
            && path.bytes().all(allowed);
        if !shape || path.len() > below_home(path) + self.quotas.path_max {
            return Err(ErrorCode::Einval);
        }
        Ok(())
    }

    pub(super) fn conn(&self, call: Call<'_>) -> Done<&Conn> {
        self.conns.get(&call.id).ok_or(ErrorCode::Eio)
    }

    /// The node as the request sees it, whoever asks; `None` if it is missing.
    pub(super) fn node(&mut self, call: Call<'_>, path: &str) -> Done<Option<&Node>> {
        if call.tx == 0 {
            return Ok(self.store.get(path));
        }
        Ok(self.touch(call, path)?.node.as_ref())
    }

    /// The node as the request's transaction has it. What is copied is charged to the caller.
    fn touch(&mut self, call: Call<'_>, path: &str) -> Done<&mut Touched> {
        let conn = self.conns.get_mut(&call.id).ok_or(ErrorCode::Eio)?;
        let most = match conn.is_privileged() {
            true => usize::MAX,
            false => limit(self.quotas.transaction_nodes),
        };
        let domid = conn.domid;
        let tx = conn.transactions.get_mut(&call.tx).ok_or(ErrorCode::Enoent)?;
        if !tx.has(path) {
            let node = self.store.get(path).cloned().map(|node| self.domains.as_of_now(node));
            let memory = path_memory(path) + node.as_ref().map_or(0, |node| node.memory(path));
            tx.add(path, most, node).map_err(|TooMany| ErrorCode::Enospc)?;
            tx.memory += memory;
            self.domains.charge(domid, memory);
        }
        tx.touched_mut(path).ok_or(ErrorCode::Eio)
    }

    /// The node, if it is there and the request may do with it what it wants to.
    ///
    /// Whether a node is there is nobody's business who may not read, or write, the nearest of its
    /// parents that is.
    pub(super) fn allowed(&mut self, call: Call<'_>, path: &str, wish: Wish) -> Done<&Node> {
        let conn = self.conns.get(&call.id).ok_or(ErrorCode::Eio)?;
        if call.tx == 0 && conn.is_privileged() {
            return self.store.get(path).ok_or(ErrorCode::Enoent);
        }
        let found = self.node(call, path)?.map(|node| (node.perms.clone(), node.generation));
        let why = match found {
            Some((perms, generation)) => {
                let granted = self.granted(self.conn(call)?, &perms, generation);
                if granted.allows(wish) {
                    return self.node(call, path)?.ok_or(ErrorCode::Eio);
                }
                ErrorCode::Eacces
            }
            None => ErrorCode::Enoent,
        };
        Err(self.as_parents_say(call, path, wish, why)?)
    }

    fn as_parents_say(
        &mut self,
        call: Call<'_>,
        path: &str,
        wish: Wish,
        why: ErrorCode,
    ) -> Done<ErrorCode> {
        let mut at = parent(path); // that of the root is the root
        loop {
            if let Some(node) = self.node(call, at)? {
                let (perms, generation) = (node.perms.clone(), node.generation);
                let granted = self.granted(self.conn(call)?, &perms, generation);
                return Ok(if granted.hints(wish) { why } else { ErrorCode::Eacces });
            }
            if at == "/" {
                return Ok(ErrorCode::Eacces);
            }
            at = parent(at);
        }
    }

    /// A copy of a node to be changed: entries of its permissions that are for a domain of before
    /// stay so whatever its generation will be.
    pub(super) fn copy(&mut self, call: Call<'_>, path: &str) -> Done<Option<Node>> {
        let node = self.node(call, path)?.cloned();
        Ok(node.map(|node| self.domains.as_of_now(node)))
    }

    /// Puts a node in place, in the store or in the transaction.
    pub(super) fn put_node(&mut self, call: Call<'_>, path: &str, mut node: Node) -> Done {
        if call.tx == 0 {
            self.put_in_store(path, node);
            return Ok(());
        }
        node.generation = self.store.next_generation();
        let more = node.memory(path);
        let touched = self.touch(call, path)?;
        let less = touched.node.as_ref().map_or(0, |node| node.memory(path));
        touched.node = Some(node);
        touched.modified = true;
        let domid = self.conn(call)?.domid;
        if let Some(tx) = self.transaction(call) {
            tx.memory += more - less;
        }
        self.charge(domid, more - less);
        Ok(())
    }

    /// Puts a node in the store, charged to its owner.
    pub(super) fn put_in_store(&mut self, path: &str, node: Node) {
        if let Some(old) = self.store.get(path) {
            self.domains.charge(old.perms.owner(), -old.memory(path));
        }
        self.domains.charge(node.perms.owner(), node.memory(path));
        self.store.put(path, node);
    }

    /// Takes a node away from the store.
    pub(super) fn take_from_store(&mut self, path: &str) -> Option<Node> {
        let node = self.store.remove(path)?;
        self.domains.charge(node.perms.owner(), -node.memory(path));
        Some(node)
    }

    /// Takes a node away, in the store or in the transaction.
    pub(super) fn take_node(&mut self, call: Call<'_>, path: &str) -> Done<Option<Node>> {
        self.store.next_generation();
        if call.tx == 0 {
            return Ok(self.take_from_store(path));
        }
        let touched = self.touch(call, path)?;
        touched.modified = true;
        Ok(touched.node.take())
    }

    /// Whether a domain may take up so much more memory.
    pub(super) fn check_memory(&self, domid: u32, more: i64) -> Done {
        match self.is_over_memory(domid, usize::try_from(more).unwrap_or_default()) {
            true => Err(ErrorCode::Enomem),
            false => Ok(()),
        }
    }

    /// Whether a domain with so much more than it has is over its quota of memory. Domain 0 has none.
    pub(super) fn is_over_memory(&self, domid: u32, more: usize) -> bool {
        let Some(domain) = self.domains.get(domid).filter(|_| domid != 0) else { return false };
        let most = limit(domain.quotas.unwrap_or(self.quotas).memory);
        usize::try_from(domain.memory).unwrap_or_default().saturating_add(more) >= most
    }

    pub(super) fn charge(&mut self, domid: u32, memory: i64) {
        self.domains.charge(domid, memory);
    }

    /// Counts nodes that a domain owns, now or when the transaction is committed.
    pub(super) fn count_nodes(&mut self, call: Call<'_>, owner: u32, by: i64) {
        if call.tx == 0 {
            if let Some(domain) = self.domains.get_mut(owner) {
                domain.nodes += by;
            }
        } else if let Some(tx) = self.transaction(call) {
            tx.count(owner, by);
        }
    }

    /// Has those told who watch, at once or when the transaction is committed.
    pub(super) fn changed(
        &mut self,
        call: Call<'_>,
        path: &str,
        exact: Exact,
        old_perms: Option<&Perms>,
    ) {
        if call.tx == 0 {
            self.fire(path, exact, old_perms);
        } else if let Some(tx) = self.transaction(call) {
            tx.note_event(path, exact);
        }
    }

    pub(super) fn transaction(
        &mut self,
        call: Call<'_>,
    ) -> Option<&mut crate::transaction::Transaction> {
        self.conns.get_mut(&call.id)?.transactions.get_mut(&call.tx)
    }
}

/// The home of a domain.
pub(super) fn home(domid: u32) -> String {
    format!("/local/domain/{domid}")
}

/// How long the part of a path is that does not count: `/local/domain/<id>/`. The C xenstored has
/// `sscanf` find it, with `%5u`, to which a minus is part of a number.
fn below_home(path: &str) -> usize {
    let Some(rest) = path.strip_prefix("/local/domain/") else { return 0 };
    let sign = usize::from(rest.starts_with('-'));
    let digits = rest.bytes().take(5).skip(sign).take_while(u8::is_ascii_digit).count();
    match rest.as_bytes().get(sign + digits) {
        Some(b'/') if digits > 0 => path.len() - rest.len() + sign + digits + 1,
        _ => 0,
    }
}

/// What a transaction keeps for a path besides the node.
fn path_memory(path: &str) -> i64 {
    i64::try_from(path.len() + TOUCHED).unwrap_or(i64::MAX)
}

/// About what the bookkeeping of a touched node takes.
const TOUCHED: usize = 128;

/// A quota, where 0 is no limit.
pub(super) const fn limit(quota: usize) -> usize {
    match quota {
        0 => usize::MAX,
        quota => quota,
    }
}
