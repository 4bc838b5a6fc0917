//! Making nodes, as far as quotas go.

use xs::proto::ErrorCode;

use super::access::limit;
use super::{Call, Core, Done};
use crate::store::{Node, leaf, parent};

impl Core {
    /// Makes a node, and its parents as far as they are missing. They have the permissions of the
    /// nearest that is there, and belong to the caller unless it is privileged.
    pub(super) fn create(&mut self, call: Call<'_>, path: &str, value: &[u8]) -> Done {
        let conn = self.conn(call)?;
        let (privileged, domid) = (conn.is_privileged(), conn.domid);
        // From the node up to the topmost that is missing.
        let mut missing = vec![path];
        let mut at = parent(path);
        while self.node(call, at)?.is_none() {
            if at == "/" {
                return Err(ErrorCode::Enoent);
            }
            missing.push(at);
            at = parent(at);
        }
        let mut top = self.copy(call, at)?.ok_or(ErrorCode::Enoent)?;
        if call.tx != 0 {
            self.note_creation(call, &missing, at);
        }
        let mut perms = top.perms.clone();
        if !privileged {
            perms = perms.owned_by(domid);
            // In a transaction each is checked as if it were the only one: the sum is at its end.
            self.check_node_count(domid, if call.tx == 0 { missing.len() } else { 1 })?;
        }
        // All are made before any is put in place, so that a failure leaves none.
        let number = self.store.next_generation();
        let mut made: Vec<Node> = Vec::with_capacity(missing.len());
        for level in 0..missing.len() {
            let mut node = Node::new(perms.clone());
            node.number = number;
            match level {
                0 => node.value = value.into(),
                _ => node.children.add(number, leaf(missing[level - 1])),
            }
            made.push(node);
        }
        top.children.add(number, leaf(missing[missing.len() - 1]));
        for (path, node) in missing.iter().zip(&made).chain([(&at, &top)]) {
            self.check_room(call, path, node)?;
        }
        let owner = perms.owner();
        for (path, node) in missing.iter().zip(made) {
            self.put_node(call, path, node)?;
            self.count_nodes(call, owner, 1);
        }
        self.put_node(call, at, top)
    }

    /// Notes in the transaction that nodes are made in it, or not for a quota, below `top`.
    fn note_creation(&mut self, call: Call<'_>, missing: &[&str], top: &str) {
        let Some(conn) = self.conns.get_mut(&call.id) else { return };
        let Some(tx) = conn.transactions.get_mut(&call.tx) else { return };
        tx.created = true;
        let mut touched = missing.iter().chain([&top]);
        tx.astray |= !touched.all(|path| tx.is_unchanged(path, self.store.get(path)));
    }

    /// Puts a changed node in the place of what it was.
    pub(super) fn replace(&mut self, call: Call<'_>, path: &str, node: Node) -> Done {
        self.check_room(call, path, &node)?;
        self.put_node(call, path, node)
    }

    /// Whether a node may be put in place as far as quotas go. If not, a transaction is lost.
    fn check_room(&mut self, call: Call<'_>, path: &str, node: &Node) -> Done {
        let room = self.has_room(call, path, node);
        if room.is_err()
            && let Some(tx) = self.transaction(call)
        {
            tx.failed = true;
        }
        room
    }

    fn has_room(&mut self, call: Call<'_>, path: &str, node: &Node) -> Done {
        let conn = self.conn(call)?;
        if !conn.is_privileged() && node.size() >= limit(self.quotas.node_size) {
            return Err(ErrorCode::Enospc);
        }
        // In a transaction the caller pays, outside the owner does, whoever asks.
        let caller = conn.domid;
        let payer = if call.tx == 0 { node.perms.owner() } else { caller };
        if payer == 0 {
            return Ok(());
        }
        let old = self.node(call, path)?;
        let old = old.filter(|old| call.tx != 0 || old.perms.owner() == payer);
        let less = old.map_or(0, |old| old.memory(path));
        self.check_memory(payer, node.memory(path) - less)
    }

    fn check_node_count(&self, domid: u32, more: usize) -> Done {
        let Some(domain) = self.domains.get(domid) else { return Ok(()) };
        let most = limit(domain.quotas.unwrap_or(self.quotas).nodes);
        let owned = usize::try_from(domain.nodes).unwrap_or_default();
        match owned.saturating_add(more) > most {
            true => Err(ErrorCode::Enospc),
            false => Ok(()),
        }
    }
}
