//! The store recounted: what it keeps twice must be the same twice.

use std::collections::{BTreeMap, HashSet};

use super::Core;
use crate::store::{child, parent};

impl Core {
    /// What is wrong with the store, for people: nothing, or there is a mistake in this program.
    /// Takes as long as there are nodes.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.problems_of_tree();
        let mut counted = BTreeMap::<u32, (i64, i64)>::new();
        for (path, node) in self.store.iter() {
            let (nodes, memory) = counted.entry(node.perms.owner()).or_default();
            *nodes += 1;
            *memory += node.memory(path);
        }
        for (id, memory) in self.watches.charged() {
            match self.conns.get(&id) {
                Some(conn) => counted.entry(conn.domid).or_default().1 += memory,
                None => problems.push(format!("connection {} is gone and watches", id.0)),
            }
        }
        for conn in self.conns.values() {
            let copied: i64 = conn.transactions.values().map(|tx| tx.memory).sum();
            counted.entry(conn.domid).or_default().1 += copied;
        }
        for domid in self.domains.ids() {
            let Some(domain) = self.domains.get(domid) else { continue };
            let found = counted.remove(&domid).unwrap_or_default();
            let kept = (domain.nodes, domain.memory);
            if found != kept {
                problems.push(format!("domain {domid} counts {kept:?}, and has {found:?}"));
            }
            let conn = domain.conn.map(|id| self.conns.get(&id).map(|conn| conn.domid));
            if conn.is_some_and(|of| of != Some(domid)) {
                problems.push(format!("the connection of domain {domid} is not its own"));
            }
        }
        let strangers = counted.into_iter().filter(|(_, has)| *has != (0, 0));
        problems.extend(strangers.map(|(domid, has)| format!("domain {domid} is gone: {has:?}")));
        problems
    }

    /// Every node but the root is among the children of its parent once, and every child is a node.
    fn problems_of_tree(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut listed = HashSet::new();
        for (path, node) in self.store.iter() {
            for name in node.children.names() {
                let path = child(path, name);
                if self.store.get(&path).is_none() {
                    problems.push(format!("{path} is listed and missing"));
                }
                if !listed.insert(path.clone()) {
                    problems.push(format!("{path} is listed twice"));
                }
            }
        }
        for (path, _) in self.store.iter() {
            let orphan = path != "/" && !listed.contains(path);
            if orphan || self.store.get(parent(path)).is_none() {
                problems.push(format!("{path} is an orphan"));
            }
        }
        problems
    }
}
