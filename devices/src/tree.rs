//! A set of nodes to be written together.

use std::fmt;
use std::iter;

use xs::{Path, Perms, Store, ask};

/// One node: what it holds, and who may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub path: Path,
    /// What it holds.
    pub value: Vec<u8>,
    /// Its permissions; `None` takes those of its parent, as the store does.
    pub perms: Option<Perms>,
}

/// Nodes in the order in which they are written, parents first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(Vec<Node>);

impl Tree {
    /// No nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an empty node with permissions of its own, which nodes below it take over.
    pub fn folder(&mut self, path: Path, perms: Perms) -> &mut Self {
        self.0.push(Node { path, value: Vec::new(), perms: Some(perms) });
        self
    }

    /// Adds a node that holds a value, with the permissions of its parent.
    pub fn value(&mut self, path: Path, value: impl ToString) -> &mut Self {
        self.0.push(Node { path, value: value.to_string().into_bytes(), perms: None });
        self
    }

    /// Adds a node that holds a value and has permissions of its own.
    pub fn value_with(&mut self, path: Path, value: impl ToString, perms: Perms) -> &mut Self {
        self.0.push(Node { path, value: value.to_string().into_bytes(), perms: Some(perms) });
        self
    }

    /// Adds all nodes of another tree behind these.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.0.extend(other.0);
        self
    }

    /// The nodes at `top` and below it.
    #[must_use]
    pub fn below(self, top: &Path) -> Self {
        let mut nodes = self.0;
        nodes.retain(|node| top.contains(&node.path));
        Self(nodes)
    }

    /// Writes the nodes, in one flight; inside a transaction they appear together or not at all. Outside of
    /// one, a node that is refused does not keep those after it from being written.
    ///
    /// # Errors
    /// The first node that the store refuses.
    pub fn write_to(&self, store: &impl Store) -> xs::Result<()> {
        let asks = self.0.iter().flat_map(|node| {
            let perms = node.perms.as_ref().map(|perms| ask::set_perms(&node.path, perms));
            iter::once(ask::write(&node.path, &node.value)).chain(perms)
        });
        store.batch(asks).into_iter().collect()
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.0
    }
}

impl fmt::Display for Node {
    /// As `xenstore-ls -f -p` shows it; permissions only where they are the node's own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = \"{}\"", self.path, self.value.escape_ascii())?;
        match &self.perms {
            Some(perms) => write!(f, "   ({perms})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Tree {
    /// A node on each line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|node| writeln!(f, "{node}"))
    }
}
