//! Processors, memory and devices: where they are.

use std::time::Duration;

use xen_types::{Bytes, Sbdf};
use xenctrl_sys::{
    PciDevice, XEN_INVALID_CORE_ID, XEN_INVALID_DEV, XEN_INVALID_MEM_SZ, XEN_INVALID_NODE_DIST,
    XEN_INVALID_NODE_ID,
};

use crate::backend::{self, CallError};
use crate::{Error, NodeId, Result, Xc};

/// Where a processor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CpuPlace {
    /// The core in its socket.
    pub core: u32,
    /// The socket.
    pub socket: u32,
    /// The node, if it is known.
    pub node: Option<NodeId>,
}

/// The memory of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// From its first address to its last, holes included.
    pub size: Bytes,
    /// What is free.
    pub free: Bytes,
}

/// The nodes of the host and the distances between them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Numa {
    /// By number; `None` for one that is offline. At most 256.
    nodes: Vec<Option<Node>>,
    /// Row by row.
    distances: Vec<u32>,
}

/// Where a PCI function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceNode {
    /// At this node.
    Node(NodeId),
    /// The firmware does not say at which node.
    Unknown,
    /// Xen knows no such function.
    NoDevice,
}

/// What a processor says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CpuVersion {
    /// Who made it, such as `GenuineIntel`.
    pub vendor: [u8; 12],
    /// The family.
    pub family: u32,
    /// The model.
    pub model: u32,
    /// The stepping.
    pub stepping: u32,
}

impl Numa {
    /// The nodes that are online, in ascending order.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, Node)> + '_ {
        let numbered = (0..=u8::MAX).map(NodeId).zip(&self.nodes);
        numbered.filter_map(|(number, node)| node.map(|node| (number, node)))
    }

    /// The node of this number; `None` if it is offline or not there.
    pub fn node(&self, number: NodeId) -> Option<Node> {
        self.nodes.get(usize::from(number.0)).copied().flatten()
    }

    /// How far the memory of node `to` is from the processors of node `from`, relative to 10 for
    /// their own (ACPI's SLIT). `None` if it is not known.
    pub fn distance(&self, from: NodeId, to: NodeId) -> Option<u32> {
        let (from, to, count) = (usize::from(from.0), usize::from(to.0), self.nodes.len());
        let known = (from < count && to < count).then(|| self.distances.get(from * count + to))?;
        known.copied().filter(|&distance| distance != XEN_INVALID_NODE_DIST)
    }
}

impl Xc {
    /// How many processors are online.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_get_online_cpus")]
    pub fn online_cpus(&self) -> Result<u32> {
        self.backend
            .get_online_cpus()
            .map_err(|e| Error::new("read the number of processors that are online", e))
    }

    /// One more than the highest number that a node can have. It does not change while the host runs.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_get_max_nodes")]
    pub fn max_nodes(&self) -> Result<u32> {
        self.backend.get_max_nodes().map_err(|e| Error::new("read the number of nodes", e))
    }

    /// Where every processor is, by its number; `None` for one that is not there. Up to the last that
    /// is there.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege,
    /// [`Kind::Other`](crate::Kind::Other) for a node above 255, which Xen does not have.
    #[doc(alias = "xc_cputopoinfo")]
    pub fn cpu_topology(&self) -> Result<Vec<Option<CpuPlace>>> {
        let read = || {
            let places = self.backend.cputopoinfo(self.backend.get_max_cpus()?)?;
            places.into_iter().map(place).collect::<Result<_, _>>()
        };
        read().map_err(|e: CallError| Error::new("read where the processors are", e))
    }

    /// The memory of every node and the distances between them. One node with all memory where there
    /// is no NUMA. Up to the last node that is online.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege,
    /// [`Kind::Other`](crate::Kind::Other) for a node above 255, which Xen does not have.
    #[doc(alias = "xc_numainfo")]
    pub fn numa(&self) -> Result<Numa> {
        let read = || {
            let (nodes, distances) = self.backend.numainfo(self.backend.get_max_nodes()?)?;
            if let Some(last @ 256..) = nodes.len().checked_sub(1) {
                let answer = last as u64;
                return Err(CallError::Nonsense { call: "xc_numainfo", answer });
            }
            Ok(Numa { nodes: nodes.into_iter().map(node).collect(), distances })
        };
        read().map_err(|e: CallError| Error::new("read the memory of the nodes", e))
    }

    /// At which node each of these PCI functions is.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege,
    /// [`Kind::Other`](crate::Kind::Other) for a node above 255, which Xen does not have.
    #[doc(alias = "xc_pcitopoinfo")]
    pub fn device_nodes(&self, devices: &[Sbdf]) -> Result<Vec<DeviceNode>> {
        let raw =
            |sbdf: &Sbdf| PciDevice { seg: sbdf.segment(), bus: sbdf.bus(), devfn: sbdf.devfn() };
        let raw: Vec<_> = devices.iter().map(raw).collect();
        self.backend
            .pcitopoinfo(&raw)
            .and_then(|nodes| nodes.into_iter().map(device_node).collect())
            .map_err(|e| Error::new(format!("read where {devices:?} are"), e))
    }

    /// How long each processor has been idle since it came online, by its number.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_getcpuinfo")]
    pub fn cpu_idle_times(&self) -> Result<Vec<Duration>> {
        let times = || self.backend.getcpuinfo(self.backend.get_max_cpus()?);
        let times = times().map_err(|e| Error::new("read the idle times of the processors", e))?;
        Ok(times.into_iter().map(Duration::from_nanos).collect())
    }

    /// What a processor says it is; `None` for one that is offline or not there. From 4.18.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) before 4.18,
    /// [`Kind::Busy`](crate::Kind::Busy) while processors come or go,
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_get_cpu_version")]
    pub fn cpu_version(&self, cpu: u16) -> Result<Option<CpuVersion>> {
        let raw = self.backend.get_cpu_version(cpu.into());
        let raw = raw.map_err(|e| Error::new(format!("read what processor {cpu} is"), e))?;
        let backend::CpuVersion { vendor_id: vendor, family, model, stepping, .. } = raw;
        Ok((vendor != [0; 12]).then_some(CpuVersion { vendor, family, model, stepping }))
    }
}

fn place(raw: backend::CpuTopology) -> Result<Option<CpuPlace>, CallError> {
    let backend::CpuTopology { core, socket, node } = raw;
    if core == XEN_INVALID_CORE_ID {
        return Ok(None);
    }
    let known = (node != XEN_INVALID_NODE_ID).then_some(node);
    let node = known.map(|node| NodeId::answered(node, "xc_cputopoinfo")).transpose()?;
    Ok(Some(CpuPlace { core, socket, node }))
}

fn node(raw: backend::NodeMemory) -> Option<Node> {
    let (size, free) = (Bytes(raw.memsize), Bytes(raw.memfree));
    (raw.memsize != XEN_INVALID_MEM_SZ.into()).then_some(Node { size, free })
}

fn device_node(raw: u32) -> Result<DeviceNode, CallError> {
    match raw {
        XEN_INVALID_DEV => Ok(DeviceNode::NoDevice),
        XEN_INVALID_NODE_ID => Ok(DeviceNode::Unknown),
        node => NodeId::answered(node, "xc_pcitopoinfo").map(DeviceNode::Node),
    }
}
