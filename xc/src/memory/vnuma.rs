//! The NUMA topology that a domain is shown.

use rustix::io::Errno;
use xen_types::DomId;

use crate::backend::{CallError, VmemRange, Vnuma, VnumaSizes};
use crate::error::Cause;
use crate::{Error, NodeId, Result, Xc};

/// A virtual NUMA topology.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VirtualNuma {
    /// How far each node is from each: one row a node, as long as there are rows. A node is 10 from
    /// itself, as in the ACPI table SLIT (ACPI 6.5, section 5.2.17).
    pub distances: Vec<Vec<u32>>,
    /// Which memory belongs to which node.
    pub memory: Vec<VirtualRange>,
    /// The node of each virtual CPU, of all that the domain was created for.
    pub vcpus: Vec<NodeId>,
}

/// A range of guest-physical addresses, in bytes, from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualRange {
    /// Its first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// The virtual node it belongs to.
    pub node: NodeId,
}

impl VirtualNuma {
    /// Checks the parts against each other: libxenctrl relies on the lengths, and Xen takes ranges of
    /// nodes that are not there.
    fn check(&self, nodes: usize) -> Result<(), Cause> {
        let known = |node: &NodeId| usize::from(node.0) < nodes;
        let wrong = if nodes == 0 || self.memory.is_empty() || self.vcpus.is_empty() {
            "a topology needs a node, a range of memory and a virtual CPU"
        } else if self.distances.len() != nodes {
            "there is not one physical node for each virtual one"
        } else if self.distances.iter().any(|row| row.len() != nodes) {
            "a row of distances is not as long as there are rows"
        } else if !self.vcpus.iter().all(known) {
            "a virtual CPU is on a node that is not there"
        } else if !self.memory.iter().all(|range| known(&range.node)) {
            "a range of memory is on a node that is not there"
        } else if self.memory.iter().any(|range| range.start >= range.end) {
            "a range of memory ends before it starts"
        } else {
            return Ok(());
        };
        Err(Cause::Argument(wrong))
    }

    fn from_raw(raw: &Vnuma, sizes: VnumaSizes) -> Result<Self, CallError> {
        let nonsense =
            |answer: u32| CallError::Nonsense { call: "xc_domain_getvnuma", answer: answer.into() };
        let node = |id| NodeId::answered(id, "xc_domain_getvnuma");
        let nodes = sizes.nodes as usize;
        if nodes == 0 || raw.distances.len() / nodes != nodes {
            return Err(nonsense(sizes.nodes));
        }
        let range = |range: &VmemRange| -> Result<_, CallError> {
            let node = node(range.nid)?;
            Ok(VirtualRange { start: range.start, end: range.end, node })
        };
        Ok(Self {
            distances: raw.distances.chunks(nodes).map(<[u32]>::to_vec).collect(),
            memory: raw.ranges.iter().map(range).collect::<Result<_, _>>()?,
            vcpus: raw.vcpus.iter().map(|&id| node(id)).collect::<Result<_, _>>()?,
        })
    }
}

impl Xc {
    /// Shows `dom` a NUMA topology, whose nodes lie on `nodes` of the host, in their order. It replaces
    /// an earlier one. Memory is put there by [placements](crate::NodeChoice::ExactlyVirtual); ranges
    /// only say where it is.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if the parts do not fit each other, for another number
    /// of virtual CPUs than `dom` was created for, for more than 32 nodes or 170 ranges, or for a node
    /// that Xen was not built for (64 and above by default);
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone.
    #[doc(alias = "xc_domain_setvnuma")]
    pub fn set_vnuma(&self, dom: DomId, topology: &VirtualNuma, nodes: &[NodeId]) -> Result<()> {
        let fail = |cause| Error::on(format!("set {} virtual nodes", nodes.len()), dom, cause);
        topology.check(nodes.len()).map_err(fail)?;
        let range = |range: &VirtualRange| VmemRange {
            start: range.start,
            end: range.end,
            flags: 0,
            nid: range.node.0.into(),
        };
        let ranges: Vec<_> = topology.memory.iter().map(range).collect();
        let numbers = |ids: &[NodeId]| ids.iter().map(|node| u32::from(node.0)).collect::<Vec<_>>();
        let distances = topology.distances.concat();
        let (vcpus, nodes) = (numbers(&topology.vcpus), numbers(nodes));
        self.backend
            .domain_setvnuma(dom, &ranges, &distances, &vcpus, &nodes)
            .map_err(|e| fail(e.into()))
    }

    /// The NUMA topology that `dom` is shown, if one. Which nodes of the host its nodes lie on is not
    /// told.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Again`](crate::Kind::Again) if it was replaced meanwhile: two hypercalls read it, the
    /// first one how large it is.
    #[doc(alias = "xc_domain_getvnuma")]
    pub fn vnuma(&self, dom: DomId) -> Result<Option<VirtualNuma>> {
        let read = || {
            let mut sizes = VnumaSizes::default();
            match self.backend.domain_getvnuma(dom, &mut sizes) {
                Err(CallError::Errno(Errno::OPNOTSUPP)) => return Ok(None),
                Err(CallError::Errno(Errno::NOBUFS)) => {}
                Err(e) => return Err(e),
                // Every topology has a node, for which there was no room.
                Ok(_) => {
                    let call = "xc_domain_getvnuma";
                    return Err(CallError::Nonsense { call, answer: sizes.nodes.into() });
                }
            }
            let raw = self.backend.domain_getvnuma(dom, &mut sizes).map_err(again)?;
            VirtualNuma::from_raw(&raw, sizes).map(Some)
        };
        read().map_err(|e| Error::on("read its virtual nodes", dom, e))
    }
}

/// What did not fit although there was as much room as needed a moment before has changed.
pub(super) fn again(error: CallError) -> CallError {
    match error {
        CallError::Errno(Errno::NOBUFS) => CallError::Errno(Errno::AGAIN),
        other => other,
    }
}

#[cfg(test)]
#[path = "vnuma_tests.rs"]
mod tests;
