//! The host, as `XEN_SYSCTL_*` tells of it.

use rustix::io::Errno;
use xc::Capabilities;
use xc::backend::{CpuTopology, NodeMemory, PhysInfo};
use xen_types::DomId;

use super::{Outcome, Xen};

impl Xen {
    /// `XEN_SYSCTL_physinfo`.
    pub(crate) fn physinfo(&self) -> PhysInfo {
        let nodes = u32::try_from(self.heap.nodes().len()).unwrap_or(u32::MAX);
        let capabilities = Capabilities::HVM
            | Capabilities::PV
            | Capabilities::HAP
            | Capabilities::GNTTAB_V1
            | Capabilities::GNTTAB_V2;
        PhysInfo {
            threads_per_core: 1,
            cores_per_socket: self.cpus,
            nr_cpus: self.cpus,
            max_cpu_id: self.cpus - 1,
            nr_nodes: nodes,
            max_node_id: nodes - 1,
            cpu_khz: KHZ,
            capabilities: capabilities.bits(),
            total_pages: self.heap.total(),
            free_pages: self.heap.free(),
            outstanding_pages: self.claimed(),
            max_mfn: self.heap.end() - 1,
            ..PhysInfo::default()
        }
    }

    /// `XEN_SYSCTL_cputopoinfo`: one socket, processors dealt to the nodes in turn.
    pub(crate) fn topology(&self, max: u32) -> Vec<CpuTopology> {
        let nodes = u32::try_from(self.heap.nodes().len()).unwrap_or(1);
        let place = |cpu| CpuTopology { core: cpu, socket: 0, node: cpu % nodes };
        (0..self.cpus.min(max)).map(place).collect()
    }

    /// `XEN_SYSCTL_numainfo`: bytes of each node, and their distances.
    pub(crate) fn numa(&self, max: u32) -> (Vec<NodeMemory>, Vec<u32>) {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let nodes: Vec<_> = self.heap.nodes().iter().take(max).cloned().enumerate().collect();
        let memory = |(number, frames): &(usize, std::ops::Range<u64>)| NodeMemory {
            memsize: (frames.end - if *number == 0 { 0 } else { frames.start }) * PAGE,
            memfree: self.heap.free_on(*number) * PAGE,
        };
        let numbers = 0..nodes.len();
        let rows = numbers.clone().flat_map(|from| numbers.clone().map(move |to| (from, to)));
        let distances = rows.map(|(from, to)| if from == to { 10 } else { 20 });
        (nodes.iter().map(memory).collect(), distances.collect())
    }

    /// `XEN_SYSCTL_getcpuinfo`: idle nanoseconds of each processor. The first one makes all calls.
    pub(crate) fn idle_times(&self, max: u32) -> Vec<u64> {
        (0..self.cpus.min(max)).map(|cpu| if cpu == 0 { 0 } else { self.clock }).collect()
    }

    /// `XEN_DOMCTL_setnodeaffinity`.
    pub(crate) fn set_node_affinity(&mut self, dom: DomId, nodes: &[u8]) -> Outcome<()> {
        let (wanted, there) = (bitmap(nodes), self.all_nodes());
        let domain = self.dom(dom)?;
        if wanted & there == 0 {
            return Err(Errno::INVAL);
        }
        // All nodes there could be: as if none had been named.
        domain.node_affinity = wanted;
        Ok(())
    }

    /// `XEN_DOMCTL_getnodeaffinity`; without an own one all nodes that are online.
    pub(crate) fn node_affinity(&mut self, dom: DomId) -> Outcome<Vec<u8>> {
        let there = self.all_nodes();
        let affinity = match self.dom(dom)?.node_affinity {
            u64::MAX => there,
            own => own,
        };
        Ok(affinity.to_le_bytes().into())
    }

    fn all_nodes(&self) -> u64 {
        (1_u64 << self.heap.nodes().len()) - 1
    }
}

/// The first 64 bits of a bitmap.
pub(super) fn bitmap(bytes: &[u8]) -> u64 {
    let bits = bytes.iter().take(8).enumerate();
    bits.map(|(place, byte)| u64::from(*byte) << (8 * place)).sum()
}

const PAGE: u64 = 4096;
pub(super) const KHZ: u32 = 2_000_000;
