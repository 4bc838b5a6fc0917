//! NUMA nodes, and those that a domain's memory comes from.

use std::fmt;

use xen_types::DomId;

use crate::backend::CallError;
use crate::{Error, Result, Xc};

/// A NUMA node, of the host or of a domain's virtual topology (`nodeid_t`, `xen/include/xen/numa.h`).
/// 255 stands for no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u8);

/// A set of NUMA nodes, of any number that a [`NodeId`] can have.
///
/// ```
/// use xc::{NodeId, NodeSet};
///
/// let nodes: NodeSet = [NodeId(0), NodeId(2)].into_iter().collect();
/// assert!(nodes.contains(NodeId(2)) && !nodes.contains(NodeId(1)));
/// assert_eq!(nodes.to_string(), "0,2");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NodeSet {
    /// Bit `n % 8` of byte `n / 8` is node `n` (`xc_nodemap_t`).
    bitmap: [u8; 32],
}

impl NodeSet {
    /// No node.
    pub const fn new() -> Self {
        Self { bitmap: [0; 32] }
    }

    /// The nodes whose bits are set in a bitmap of the host; `None` if one is above 255.
    #[doc(alias = "xc_nodemap_t")]
    pub fn from_bitmap(bitmap: &[u8]) -> Option<Self> {
        let mut set = Self::new();
        let (known, beyond) = bitmap.split_at(bitmap.len().min(set.bitmap.len()));
        set.bitmap[..known.len()].copy_from_slice(known);
        beyond.iter().all(|&byte| byte == 0).then_some(set)
    }

    /// The set as a bitmap.
    pub fn as_bitmap(&self) -> &[u8] {
        &self.bitmap
    }

    /// Adds a node.
    pub fn insert(&mut self, node: NodeId) {
        let (byte, bit) = place(node);
        self.bitmap[byte] |= bit;
    }

    /// Takes a node out.
    pub fn remove(&mut self, node: NodeId) {
        let (byte, bit) = place(node);
        self.bitmap[byte] &= !bit;
    }

    /// Whether a node is in the set.
    pub fn contains(&self, node: NodeId) -> bool {
        let (byte, bit) = place(node);
        self.bitmap[byte] & bit != 0
    }

    /// The nodes in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..=u8::MAX).map(NodeId).filter(|&node| self.contains(node))
    }

    /// How many nodes are in the set.
    pub fn len(&self) -> usize {
        self.bitmap.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether no node is in the set.
    pub fn is_empty(&self) -> bool {
        self.bitmap == [0; 32]
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut set = Self::new();
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

impl fmt::Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.iter().map(|node| node.0.to_string()).collect();
        f.write_str(&nodes.join(","))
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nodes {{{self}}}")
    }
}

impl Xc {
    /// Sets the nodes that memory for `dom` comes from unless a [placement](crate::Placement) says
    /// otherwise. What it has already stays where it is; while the nodes have none, memory comes from
    /// others.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if none of `nodes` is online, or one is beyond what the
    /// host can have; [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone.
    #[doc(alias = "xc_domain_node_setaffinity")]
    pub fn set_node_affinity(&self, dom: DomId, nodes: NodeSet) -> Result<()> {
        self.backend
            .domain_node_setaffinity(dom, nodes.as_bitmap())
            .map_err(|e| Error::on(format!("take memory from nodes {nodes}"), dom, e))
    }

    /// The nodes that memory for `dom` comes from. Until they are set, they follow the processors its
    /// virtual CPUs may use; a domain without virtual CPUs has all, among them such as the host does
    /// not have.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Other`](crate::Kind::Other) for a node above 255, which Xen does not have.
    #[doc(alias = "xc_domain_node_getaffinity")]
    pub fn node_affinity(&self, dom: DomId) -> Result<NodeSet> {
        let map = self.backend.domain_node_getaffinity(dom);
        map.and_then(|map| {
            let (call, answer) = ("xc_domain_node_getaffinity", map.len() as u64 * 8);
            NodeSet::from_bitmap(&map).ok_or(CallError::Nonsense { call, answer })
        })
        .map_err(|e| Error::on("read the nodes of its memory", dom, e))
    }
}

impl NodeId {
    /// The node of this number, as `call` answered it.
    pub(crate) fn answered(number: u32, call: &'static str) -> Result<Self, CallError> {
        let beyond = |_| CallError::Nonsense { call, answer: number.into() };
        u8::try_from(number).map(Self).map_err(beyond)
    }
}

fn place(node: NodeId) -> (usize, u8) {
    (usize::from(node.0 / 8), 1 << (node.0 % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_has_node_eight_in_its_second_byte() {
        let set = NodeSet::from_bitmap(&[0b1, 0b101]).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [NodeId(0), NodeId(8), NodeId(10)]);
        assert_eq!(set.as_bitmap()[..3], [0b1, 0b101, 0]);
    }

    #[test]
    fn the_highest_node_is_kept_and_no_node_is_none() {
        let last: NodeSet = [NodeId(255)].into_iter().collect();
        assert_eq!((last.to_string().as_str(), last.is_empty()), ("255", false));
        assert_eq!(NodeSet::from_bitmap(&[0; 40]), Some(NodeSet::new()));
    }

    #[test]
    fn a_node_that_has_no_number_is_not_dropped() {
        let mut bitmap = [0; 33];
        bitmap[32] = 1;
        assert_eq!(NodeSet::from_bitmap(&bitmap), None);
        let error = NodeId::answered(256, "xc_cputopoinfo").unwrap_err();
        assert_eq!(error.to_string(), "xc_cputopoinfo answered 256");
    }

    #[test]
    fn what_is_put_in_can_be_taken_out() {
        let mut set = NodeSet::new();
        set.insert(NodeId(9));
        set.insert(NodeId(3));
        set.insert(NodeId(9));
        assert_eq!((set.len(), set.to_string().as_str()), (2, "3,9"));
        set.remove(NodeId(9));
        set.remove(NodeId(200));
        assert_eq!((set.len(), set.contains(NodeId(9)), set.contains(NodeId(3))), (1, false, true));
    }
}
