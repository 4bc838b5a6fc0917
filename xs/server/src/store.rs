//! The nodes, by their paths. No permissions are checked here, and no watches fire.

mod children;
mod node;

use std::collections::HashMap;

pub(crate) use children::Children;
pub(crate) use node::{Node, Perm, Perms, Rights};

/// All nodes. Every node but the root is among the children of its parent.
#[derive(Debug)]
pub(crate) struct Store {
    nodes: HashMap<Box<str>, Node>,
    /// Counts changes: a node that has changed has another generation.
    generation: u64,
}

impl Store {
    /// A store with nothing but a root that belongs to domain 0.
    pub(crate) fn new() -> Self {
        let mut store = Self { nodes: HashMap::new(), generation: 0 };
        store.put("/", Node::new(Perms::private(0)));
        store
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Puts a node in place, with a generation of its own.
    pub(crate) fn put(&mut self, path: &str, mut node: Node) {
        node.generation = self.next_generation();
        match self.nodes.get_mut(path) {
            Some(place) => *place = node,
            None => {
                self.nodes.insert(path.into(), node);
            }
        }
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Node> {
        self.nodes.remove(path)
    }

    /// The number of the latest change.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (&**path, node))
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}

/// The path one level up; the root is its own.
pub(crate) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

/// The last segment.
pub(crate) fn leaf(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The path of a child.
pub(crate) fn child(path: &str, name: &str) -> String {
    match path {
        "/" => ["/", name].concat(),
        _ => [path, "/", name].concat(),
    }
}
