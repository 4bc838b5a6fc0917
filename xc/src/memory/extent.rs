//! What memory is asked for in: runs of pages of one size, from some place.

use std::fmt;

use xen_types::{Gfn, Mfn, PageCount};
use xenctrl_sys::{XENMEMF_EXACT_NODE_REQUEST, XENMEMF_NODE_0, XENMEMF_VNODE};

use crate::NodeId;
use crate::error::Cause;

/// The size of an extent, a run of pages with neighbouring frames: 2 to the power of this, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PageOrder(u8);

impl PageOrder {
    /// One page, 4 KiB.
    pub const KB4: Self = Self(0);
    /// 512 pages, which one entry of a page directory maps.
    pub const MB2: Self = Self(9);
    /// 262144 pages.
    pub const GB1: Self = Self(18);

    /// The largest extent that Xen's allocator has (`MAX_ORDER`, `xen/include/xen/mm.h`). Callers may
    /// have less: see `memop-max-order` in `docs/misc/xen-command-line.pandoc`.
    pub const MAX: Self = Self(20);

    /// The size of 2 to the power of `order` pages, 0 to 20.
    pub const fn new(order: u8) -> Option<Self> {
        if order <= Self::MAX.0 { Some(Self(order)) } else { None }
    }

    /// The exponent.
    pub const fn raw(self) -> u8 {
        self.0
    }

    /// How many pages an extent has.
    pub const fn pages(self) -> PageCount {
        PageCount(1 << self.0)
    }
}

impl fmt::Display for PageOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {}", self.0)
    }
}

/// Where memory for a domain comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Placement {
    /// From which node.
    pub node: NodeChoice,
    /// Below which machine address, as a number of bits: 32 is below 4 GiB. Above 12.
    pub address_bits: Option<u8>,
}

/// From which node memory comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NodeChoice {
    /// From those of the domain's [node affinity](crate::Xc::node_affinity), then from others.
    #[default]
    Any,
    /// From this one while it has any, then from others.
    Prefer(NodeId),
    /// From this one alone.
    Exactly(NodeId),
    /// As `Prefer`, for the node of the host below this one of the domain's
    /// [virtual topology](crate::Xc::set_vnuma).
    PreferVirtual(NodeId),
    /// As `Exactly`, for the node of the host below this one of the domain's virtual topology.
    ExactlyVirtual(NodeId),
}

impl Placement {
    /// As the flags of a hypercall (`XENMEMF_*`, `xen/include/public/memory.h`). Refused is what Xen
    /// would take for something else or answer with nothing done.
    pub(super) fn flags(self) -> Result<u32, Cause> {
        let bits = match self.address_bits {
            Some(0..=12) => return Err(Cause::Argument("no page lies below 12 address bits")),
            bits => bits.unwrap_or(0),
        };
        let (node, flags) = match self.node {
            NodeChoice::Any => return Ok(bits.into()),
            NodeChoice::Prefer(node) => (node, 0),
            NodeChoice::Exactly(node) => (node, XENMEMF_EXACT_NODE_REQUEST),
            NodeChoice::PreferVirtual(node) => (node, XENMEMF_VNODE),
            NodeChoice::ExactlyVirtual(node) => (node, XENMEMF_VNODE | XENMEMF_EXACT_NODE_REQUEST),
        };
        match node {
            NodeId(u8::MAX) => Err(Cause::Argument("node 255 stands for no node")),
            NodeId(node) => Ok(u32::from(bits) | flags | (XENMEMF_NODE_0 * (u32::from(node) + 1))),
        }
    }
}

/// Frames of a domain, each the first of an extent, in the numbers by which Xen knows its pages.
#[derive(Debug, Clone, Copy)]
pub enum Frames<'a> {
    /// Of HVM and PVH.
    Guest(&'a [Gfn]),
    /// Of PV.
    Machine(&'a [Mfn]),
}

impl Frames<'_> {
    pub(super) fn to_raw(self) -> Vec<u64> {
        match self {
            Self::Guest(frames) => frames.iter().map(|frame| frame.0).collect(),
            Self::Machine(frames) => frames.iter().map(|frame| frame.0).collect(),
        }
    }
}

impl<'a> From<&'a [Gfn]> for Frames<'a> {
    fn from(frames: &'a [Gfn]) -> Self {
        Self::Guest(frames)
    }
}

impl<'a> From<&'a [Mfn]> for Frames<'a> {
    fn from(frames: &'a [Mfn]) -> Self {
        Self::Machine(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_the_node_plus_one_in_the_second_byte() {
        let on = |node| Placement { node, address_bits: Some(32) }.flags().unwrap();
        assert_eq!(on(NodeChoice::Any), 32);
        assert_eq!(on(NodeChoice::Prefer(NodeId(0))), 0x120);
        assert_eq!(on(NodeChoice::Exactly(NodeId(1))), 0x2_0220);
        assert_eq!(on(NodeChoice::PreferVirtual(NodeId(254))), 0x4_ff20);
        assert_eq!(on(NodeChoice::ExactlyVirtual(NodeId(0))), 0x6_0120);
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        let nowhere = Placement { address_bits: Some(12), ..Placement::default() };
        let no_node = Placement { node: NodeChoice::Exactly(NodeId(255)), address_bits: None };
        assert!(nowhere.flags().is_err());
        assert!(no_node.flags().is_err());
    }

    #[test]
    fn the_largest_order_is_that_of_the_allocator() {
        assert_eq!(PageOrder::new(20).map(PageOrder::pages), Some(PageCount(0x10_0000)));
        assert_eq!(PageOrder::new(21), None);
    }
}
