//! Telling those who watch.

use xs::proto::{Header, MAX_PAYLOAD};

use super::{Call, Core};
use crate::store::{Perms, parent};
use crate::transaction::Exact;
use crate::watches::Watch;

impl Core {
    /// Tells of a change of a node that is there, or was until now: `old_perms` are those it had
    /// before, if it has others now.
    pub(super) fn fire(&mut self, path: &str, exact: Exact, old_perms: Option<&Perms>) {
        let watches = self.permitted(path, exact, old_perms);
        self.tell(path, watches);
    }

    /// Finds out whom to tell of a removal, before it.
    pub(super) fn prepare(&mut self, call: Call<'_>, path: &str, exact: Exact) -> Vec<Watch> {
        match call.tx {
            0 => self.permitted(path, exact, None),
            _ => Vec::new(),
        }
    }

    /// Tells those whom [`Core::prepare`] found, or notes it in the transaction.
    pub(super) fn deliver(&mut self, call: Call<'_>, path: &str, exact: Exact, to: Vec<Watch>) {
        match call.tx {
            0 => self.tell(path, to),
            _ => self.changed(call, path, exact, None),
        }
    }

    /// The watches for a path of those who may know: who can read the node, or could, or its parent.
    fn permitted(&self, path: &str, exact: Exact, old_perms: Option<&Perms>) -> Vec<Watch> {
        let mut watches = self.watches.of(path, exact);
        watches.retain(|watch| {
            let Some(conn) = self.conns.get(&watch.conn) else { return false };
            let may = |perms: &Perms, generation| self.granted(conn, perms, generation).rights.read;
            // What is stale of them is marked: they are what `Core::copy` gave.
            if old_perms.is_some_and(|perms| may(perms, self.store.generation())) {
                return true;
            }
            let Some(node) = self.store.get(path) else { return false };
            may(&node.perms, node.generation)
                || self
                    .store
                    .get(parent(path))
                    .is_some_and(|node| may(&node.perms, node.generation))
        });
        watches
    }

    fn tell(&mut self, path: &str, watches: Vec<Watch>) {
        for watch in watches {
            let told = path.get(watch.strip..).unwrap_or_default();
            self.event(&watch, told);
        }
    }

    pub(super) fn event(&mut self, watch: &Watch, path: &str) {
        let len = path.len() + watch.token.len() + 2;
        if len > MAX_PAYLOAD {
            return;
        }
        let Some(conn) = self.conns.get(&watch.conn) else { return };
        // A guest that is over its quota of memory is not told (`send_event`, xenstored_core.c).
        let more = conn.output.len() + Header::LEN + len;
        if !conn.is_privileged() && self.is_over_memory(conn.domid, more) {
            return;
        }
        let Some(conn) = self.conns.get_mut(&watch.conn) else { return };
        if conn.output.put_event(path, &watch.token) {
            self.to_send.push(watch.conn);
        }
    }
}
