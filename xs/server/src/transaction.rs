//! Changes that are not in the store yet.
//!
//! Starting one costs nothing: it copies each node when it is first touched, and a copy shares what
//! is large. At the end, every node that was touched must have the generation it had then; if so, the
//! changed ones go into the store. These are the rules of the C xenstored (`xenstored_transaction.c`,
//! Xen 4.17).

use std::collections::HashMap;

use crate::store::{Node, Perms};

/// A transaction of one connection.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    touched: HashMap<Box<str>, Touched>,
    /// The paths of `touched` in the order in which they were touched: that of the events.
    order: Vec<Box<str>>,
    /// It cannot be committed any more.
    pub(crate) failed: bool,
    /// What its copies take, in bytes.
    pub(crate) memory: i64,
    /// By how much the number of nodes of each domain changes, in the order in which they came up.
    pub(crate) owned: Vec<(u32, i64)>,
    /// A node was made in it.
    pub(crate) created: bool,
    /// What it made was in the way of what others did: it will fail, and a list of its children may
    /// have a name twice.
    pub(crate) astray: bool,
}

/// A node as the transaction has it.
#[derive(Debug)]
pub(crate) struct Touched {
    /// `None`: it is missing.
    pub(crate) node: Option<Node>,
    /// What generation it must still have at the end; `None` stands for missing. Nothing is written
    /// that was not read, as all who write look first at what they may.
    pub(crate) expected: Option<u64>,
    pub(crate) modified: bool,
    /// Who might read it before the transaction.
    pub(crate) old_perms: Option<Perms>,
    /// An event is due: only for watches of exactly this path, or for those above, too.
    pub(crate) event: Option<Exact>,
}

/// Which watches an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exact {
    /// Those of the path itself: it went with a parent that was removed.
    Yes,
    /// Those of the path and of all above it.
    No,
}

impl Transaction {
    /// Takes in a node as the store has it.
    ///
    /// # Errors
    /// [`TooMany`] if it would be one more than `most` nodes.
    pub(crate) fn add(
        &mut self,
        path: &str,
        most: usize,
        node: Option<Node>,
    ) -> Result<(), TooMany> {
        if self.order.len() >= most {
            self.failed = true;
            return Err(TooMany);
        }
        let touched = Touched {
            expected: node.as_ref().map(|node| node.generation),
            old_perms: node.as_ref().map(|node| node.perms.clone()),
            node,
            modified: false,
            event: None,
        };
        self.order.push(path.into());
        self.touched.insert(path.into(), touched);
        Ok(())
    }

    /// The node as the transaction has it, if it has been touched.
    pub(crate) fn touched_mut(&mut self, path: &str) -> Option<&mut Touched> {
        self.touched.get_mut(path)
    }

    /// Counts nodes that a domain owns. A change by 0 is one: at the end there must be that domain.
    pub(crate) fn count(&mut self, owner: u32, by: i64) {
        match self.owned.iter_mut().find(|(domid, _)| *domid == owner) {
            Some((_, count)) => *count += by,
            None => self.owned.push((owner, by)),
        }
    }

    /// Whether the node in the store is the one that was touched.
    pub(crate) fn is_unchanged(&self, path: &str, now: Option<&Node>) -> bool {
        let expected = self.touched.get(path).map(|touched| touched.expected);
        expected.is_some_and(|expected| expected == now.map(|node| node.generation))
    }

    /// Whether a node has been touched.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.touched.contains_key(path)
    }

    /// Notes that an event is due. One for the watches above replaces one for the path alone.
    pub(crate) fn note_event(&mut self, path: &str, exact: Exact) {
        match self.touched.get_mut(path) {
            Some(touched) => {
                if touched.event != Some(Exact::No) {
                    touched.event = Some(exact);
                }
            }
            None => self.failed = true,
        }
    }

    /// What was touched, in order.
    pub(crate) fn into_touched(mut self) -> impl Iterator<Item = (Box<str>, Touched)> {
        self.order.into_iter().filter_map(move |path| self.touched.remove_entry(&path))
    }

    /// What was touched, in no order.
    pub(crate) fn touched(&self) -> impl Iterator<Item = (&str, &Touched)> {
        self.touched.iter().map(|(path, touched)| (&**path, touched))
    }
}

/// The quota of nodes in a transaction is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;
