//! Removing nodes with all that is below them.

use xs::proto::{ErrorCode, Header, Op, TxId};

use super::{Call, ConnId, Core, Done};
use crate::store::{child, leaf, parent};
use crate::transaction::Exact;

impl Core {
    /// Removes a node and all below it. Events come from the leaves up.
    pub(super) fn remove(&mut self, call: Call<'_>, path: &str) -> Done {
        self.node(call, parent(path))?.ok_or(ErrorCode::Einval)?;
        self.remove_with_all(call, path)
    }

    /// Removes a node whose owner is no more, and all below it.
    pub(super) fn remove_for_good(&mut self, path: &str) {
        let nobody = Call { id: ConnId(0), tx: 0, header: NO_HEADER, payload: &[] };
        // Outside of a transaction nothing of it can fail.
        self.remove_with_all(nobody, path).unwrap_or_default();
    }

    fn remove_with_all(&mut self, call: Call<'_>, path: &str) -> Done {
        // Without recursion: how deep a tree is, guests decide.
        let mut open = vec![(path.to_owned(), Visit::First)];
        while let Some((at, visit)) = open.pop() {
            match visit {
                Visit::First => {
                    let names = self.names(call, &at)?;
                    let below = names.iter().rev().map(|name| (child(&at, name), Visit::First));
                    let below: Vec<_> = below.collect();
                    open.push((at, Visit::Last));
                    open.extend(below);
                }
                Visit::Last => self.remove_one(call, &at, at == path)?,
            }
        }
        Ok(())
    }

    /// The names below a node that is to be removed.
    ///
    /// That it is missing, or one too many for the transaction, is a broken store to the C xenstored.
    /// It is missing where the transaction saw it in its parent, but not itself before others removed
    /// it: such a transaction can only fail.
    fn names(&mut self, call: Call<'_>, path: &str) -> Done<Vec<String>> {
        let node = self.node(call, path).map_err(|_| ErrorCode::Eio)?.ok_or(ErrorCode::Eio)?;
        Ok(node.children.names().map(str::to_owned).collect())
    }

    /// Removes a node with nothing below it.
    fn remove_one(&mut self, call: Call<'_>, path: &str, top: bool) -> Done {
        let exact = if top { Exact::No } else { Exact::Yes };
        // While its permissions can still be seen.
        let events = self.prepare(call, path, exact);
        let node = self.take_node(call, path)?.ok_or(ErrorCode::Eio)?;
        self.count_nodes(call, node.perms.owner(), -1);
        self.deliver(call, path, exact, events);
        if top {
            return self.forget_child(call, path, node.number);
        }
        // The parent goes as well, if nothing fails before.
        if let Some(tx) = self.transaction(call)
            && let Some(parent) = tx.touched_mut(parent(path)).and_then(|it| it.node.as_mut())
        {
            parent.children.remove_first();
        }
        Ok(())
    }

    /// Removes a name from those of the parent.
    fn forget_child(&mut self, call: Call<'_>, path: &str, number: u64) -> Done {
        let above = parent(path);
        let mut node = self.copy(call, above)?.ok_or(ErrorCode::Eio)?;
        let astray = self.transaction(call).is_some_and(|tx| tx.astray);
        let removed =
            (!astray && node.children.remove(number)) || node.children.remove_named(leaf(path));
        match removed {
            true => self.put_node(call, above, node),
            // Others made it behind the back of the transaction, which can only fail.
            false => Err(ErrorCode::Eio),
        }
    }
}

/// Of a node when it is removed with all that is below it.
enum Visit {
    First,
    /// What was below is gone.
    Last,
}

/// Of no request.
const NO_HEADER: Header = Header { op: Op::RM, request: 0, tx: TxId::NONE, len: 0 };
