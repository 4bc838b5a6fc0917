//! The client under test, used as any program would use it.

use std::path::Path as FilePath;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use xs::{Client, Deadline, Path, Store as _, View as _, Watch, ask};

use crate::content::{IN_TRANSACTION, NODE, TREE, TREE_NODES, VALUE, WATCHED};
use crate::hand::check;

/// A connection, shared by any number of threads.
#[derive(Debug)]
pub struct Ours {
    client: Client,
    node: Path,
    in_transaction: [Path; IN_TRANSACTION.len()],
}

impl Ours {
    /// Connects to the daemon at this socket, with a deadline in force for all that follows.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(socket: &FilePath) -> Result<Self> {
        let client = Client::connect(socket).context("connect")?;
        Ok(Self {
            client: client.with_deadline(Deadline::after(Duration::from_secs(60))),
            node: Path::from_static(NODE),
            in_transaction: IN_TRANSACTION.map(Path::from_static),
        })
    }

    /// Starts to watch a node that never changes.
    ///
    /// # Errors
    /// If the daemon refuses; so below.
    pub fn watch(&self) -> Result<Watch> {
        Ok(self.client.watch(&Path::from_static(WATCHED))?)
    }

    /// Reads the node and checks its value.
    ///
    /// # Errors
    /// If it has another one.
    pub fn read_node(&self) -> Result<()> {
        check(&self.client.read(&self.node)?)
    }

    /// Writes the node.
    ///
    /// # Errors
    /// If the daemon refuses.
    pub fn write_node(&self) -> Result<()> {
        Ok(self.client.write(&self.node, VALUE)?)
    }

    /// Reads the node many times in one flight.
    ///
    /// # Errors
    /// If a value is another one.
    pub fn read_in_one_flight(&self, reads: usize) -> Result<()> {
        let values = self.client.batch((0..reads).map(|_| ask::read(&self.node)));
        values.into_iter().try_for_each(|value| check(&value?))
    }

    /// Writes ten nodes in a transaction, in one flight.
    ///
    /// # Errors
    /// If the daemon refuses.
    pub fn transaction(&self) -> Result<()> {
        Ok(self.client.transaction(|tx| {
            let writes = self.in_transaction.iter().map(|path| ask::write(path, VALUE));
            tx.batch(writes).into_iter().collect()
        })?)
    }

    /// Reads the values of the whole tree.
    ///
    /// # Errors
    /// If it is not what was made.
    pub fn tree(&self) -> Result<()> {
        let nodes = self.client.subtree(&Path::from_static(TREE))?;
        ensure!(nodes.len() == TREE_NODES, "the tree has {} nodes", nodes.len());
        nodes.values().try_for_each(|value| check(value))
    }
}
