//! Starting and ending transactions.

use xs::proto::ErrorCode;

use super::access::limit;
use super::{Call, Core, Done};
use crate::transaction::Transaction;

impl Core {
    pub(super) fn start_transaction(&mut self, call: Call<'_>) -> Done {
        if call.tx != 0 {
            return Err(ErrorCode::Ebusy);
        }
        let most = limit(self.quotas.transactions);
        let conn = self.conns.get_mut(&call.id).ok_or(ErrorCode::Eio)?;
        // The C xenstored counts those before this one.
        if !conn.is_privileged() && conn.transactions.len() > most {
            return Err(ErrorCode::Enospc);
        }
        let id = loop {
            conn.last_transaction = conn.last_transaction.wrapping_add(1);
            let id = conn.last_transaction;
            if id != 0 && !conn.transactions.contains_key(&id) {
                break id;
            }
        };
        conn.transactions.insert(id, Transaction::default());
        self.reply(call, &[id.to_string().as_bytes(), b"\0"])
    }

    pub(super) fn end_transaction(&mut self, call: Call<'_>) -> Done {
        let commit = match call.strings().only()? {
            b"T" => true,
            b"F" => false,
            _ => return Err(ErrorCode::Einval),
        };
        let conn = self.conns.get_mut(&call.id).ok_or(ErrorCode::Eio)?;
        let domid = conn.domid;
        let tx = conn.transactions.remove(&call.tx).ok_or(ErrorCode::Enoent)?;
        self.charge(domid, -tx.memory);
        if commit {
            self.check_commit(call, &tx)?;
            self.commit(tx);
        }
        self.acknowledge(call)
    }

    fn check_commit(&mut self, call: Call<'_>, tx: &Transaction) -> Done {
        if tx.failed {
            return Err(ErrorCode::Enomem);
        }
        let limited = tx.created && !self.conn(call)?.is_privileged();
        for (owner, by) in &tx.owned {
            if !self.know(*owner) {
                return Err(ErrorCode::Enomem);
            }
            if limited {
                self.check_nodes_after(*owner, *by)?;
            }
        }
        let unchanged = |path: &str, expected: Option<u64>| {
            self.store.get(path).map(|node| node.generation) == expected
        };
        match tx.touched().all(|(path, touched)| unchanged(path, touched.expected)) {
            true => Ok(()),
            false => Err(ErrorCode::Eagain),
        }
    }

    /// One less than outside of a transaction, as in the C xenstored.
    fn check_nodes_after(&self, owner: u32, by: i64) -> Done {
        let Some(domain) = self.domains.get(owner) else { return Ok(()) };
        let most = limit(domain.quotas.unwrap_or(self.quotas).nodes);
        match owner != 0 && usize::try_from(domain.nodes + by).is_ok_and(|nodes| nodes >= most) {
            true => Err(ErrorCode::Enospc),
            false => Ok(()),
        }
    }

    fn commit(&mut self, mut tx: Transaction) {
        for (owner, by) in std::mem::take(&mut tx.owned) {
            if let Some(domain) = self.domains.get_mut(owner) {
                domain.nodes += by;
            }
        }
        for (path, touched) in tx.into_touched() {
            if !touched.modified {
                continue;
            }
            match touched.node {
                Some(node) => self.put_in_store(&path, node),
                None => drop(self.take_from_store(&path)),
            }
            if let Some(exact) = touched.event {
                self.fire(&path, exact, touched.old_perms.as_ref());
            }
        }
    }
}
