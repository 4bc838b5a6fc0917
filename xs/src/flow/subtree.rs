//! Reading everything below a node, a level in each flight.

use std::collections::BTreeMap;

use super::{Flow, Listing};
use crate::ask::{Outcome, found};
use crate::error::{Error, Result, Subject};
use crate::path::Path;
use crate::proto::Request;

/// A walk down from a node.
#[derive(Debug)]
pub(crate) struct Walk {
    top: Path,
    found: BTreeMap<Path, Vec<u8>>,
    frontier: Vec<Node>,
}

/// A node whose children are not known yet.
#[derive(Debug)]
struct Node {
    path: Path,
    value: Option<Vec<u8>>,
    children: Listing,
}

impl Walk {
    pub(crate) fn new(top: Path) -> Self {
        Self { frontier: vec![Node::new(top.clone())], top, found: BTreeMap::new() }
    }

    /// Takes the answers for one node of the frontier.
    fn visit(&mut self, mut node: Node, answers: &mut impl Iterator<Item = Outcome>) -> Result<()> {
        let mut missing = false;
        if node.value.is_none() {
            let Some(answer) = answers.next() else { return Ok(()) };
            let failed = |cause| Error::new("read", Subject::Node(node.path.clone()), cause);
            if node.path == self.top {
                node.value = Some(answer.map_err(failed)?.into_value());
            } else {
                // Below the top, what vanishes on the way was never there.
                match found(answer).map_err(failed)? {
                    Some(reply) => node.value = Some(reply.into_value()),
                    None => missing = true,
                }
            }
        }
        let Some(answer) = answers.next() else { return Ok(()) };
        if missing {
            return Ok(());
        }
        let children = match node.children.answered(answer) {
            None => {
                self.frontier.push(node);
                return Ok(());
            }
            Some(Err(error)) if error.kind() == crate::Kind::NotFound && node.path != self.top => {
                return Ok(());
            }
            Some(children) => children?,
        };
        self.frontier.extend(children.iter().map(|name| Node::new(node.path.join(name))));
        self.found.insert(node.path, node.value.unwrap_or_default());
        Ok(())
    }
}

impl Node {
    fn new(path: Path) -> Self {
        Self { children: Listing::new(path.clone()), path, value: None }
    }
}

impl Flow for Walk {
    type Output = BTreeMap<Path, Vec<u8>>;

    fn requests(&self) -> Vec<Request<'_>> {
        let read = |node: &Node| node.value.is_none();
        self.frontier
            .iter()
            .flat_map(|node| {
                let value = read(node).then_some(Request::Read(&node.path));
                value.into_iter().chain([node.children.request()])
            })
            .collect()
    }

    fn take(&mut self, answers: Vec<Outcome>) -> Option<Result<Self::Output>> {
        let mut answers = answers.into_iter();
        for node in std::mem::take(&mut self.frontier) {
            if let Err(error) = self.visit(node, &mut answers) {
                return Some(Err(error));
            }
        }
        self.frontier.is_empty().then(|| Ok(std::mem::take(&mut self.found)))
    }
}

#[cfg(test)]
mod tests;
