//! The memory of domains.

use xen_types::{DomId, KiB};
use xenctrl_sys::{E820Entry, ReservedDeviceMemory, VmemRange};

calls! {
    /// The memory of domains.
    pub trait MemoryCalls;

    "xc_domain_setmaxmem" fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> ();
    "xc_domain_set_memmap_limit" fn domain_set_memmap_limit(&self, dom: DomId, limit: KiB) -> ();
    "xc_domain_set_memory_map" fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> ();
    "xc_domain_claim_pages" fn domain_claim_pages(&self, dom: DomId, pages: u64) -> ();
    /// In bytes.
    "xc_get_paging_mempool_size" fn get_paging_mempool_size(&self, dom: DomId) -> u64;
    /// In bytes.
    "xc_set_paging_mempool_size" fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> ();
    /// In MiB; returns the size after the operation.
    "xc_shadow_control" fn shadow_control(&self, dom: DomId, operation: u32, mib: u32) -> u32;
    /// At most `max` entries.
    "xc_get_machine_memory_map" fn get_machine_memory_map(&self, max: u32) -> Vec<E820Entry>;
    /// Takes the number of entries there is room for; it becomes the number there are, also when the
    /// call fails because these are more.
    "xc_reserved_device_memory_map" fn reserved_device_memory_map(
        &self, flags: u32, segment: u16, bus: u8, devfn: u8, count: &mut u32
    ) -> Vec<ReservedDeviceMemory>;
    /// Returns how many extents were populated. For a PV domain these then hold machine frames.
    "xc_domain_populate_physmap" fn domain_populate_physmap(
        &self, dom: DomId, order: u32, flags: u32, extents: &mut [u64]
    ) -> usize;
    /// Returns how many extents were added. For a PV domain these then hold machine frames; others'
    /// stay as they are.
    "xc_domain_increase_reservation" fn domain_increase_reservation(
        &self, dom: DomId, order: u32, flags: u32, extents: &mut [u64]
    ) -> usize;
    /// Returns how many extents were removed. The list is copied back, though Xen changes nothing in it.
    "xc_domain_decrease_reservation" fn domain_decrease_reservation(
        &self, dom: DomId, order: u32, extents: &mut [u64]
    ) -> usize;
    "xc_domain_add_to_physmap" fn domain_add_to_physmap(
        &self, dom: DomId, space: u32, index: u64, gfn: u64
    ) -> ();
    /// Takes as many indexes as guest frames, at most 65535. Returns 0 or a negative errno for each.
    "xc_domain_add_to_physmap_batch" fn domain_add_to_physmap_batch(
        &self, dom: DomId, foreign: DomId, space: u32, indexes: &[u64], gfns: &[u64]
    ) -> Vec<i32>;
    "xc_domain_remove_from_physmap" fn domain_remove_from_physmap(&self, dom: DomId, gfn: u64) -> ();
    "xc_domain_maximum_gpfn" fn domain_maximum_gpfn(&self, dom: DomId) -> u64;
    "xc_domain_nr_gpfns" fn domain_nr_gpfns(&self, dom: DomId) -> u64;
    /// Pages of the domain, of them in the cache, entries.
    "xc_domain_get_pod_target" fn domain_get_pod_target(&self, dom: DomId) -> [u64; 3];
    /// Pages of the domain, of them in the cache, entries.
    "xc_domain_set_pod_target" fn domain_set_pod_target(&self, dom: DomId, pages: u64) -> [u64; 3];
    /// As much of a bitmap as the host has nodes; the rest must be zero.
    "xc_domain_node_setaffinity" fn domain_node_setaffinity(&self, dom: DomId, nodes: &[u8]) -> ();
    /// A bitmap.
    "xc_domain_node_getaffinity" fn domain_node_getaffinity(&self, dom: DomId) -> Vec<u8>;
    /// Takes, for n nodes, n * n distances and n physical nodes.
    "xc_domain_setvnuma" fn domain_setvnuma(
        &self, dom: DomId, ranges: &[VmemRange], distances: &[u32], vcpus: &[u32], nodes: &[u32]
    ) -> ();
    /// Takes the numbers there is room for; they become the numbers there are, also when the call
    /// fails because these are more.
    "xc_domain_getvnuma" fn domain_getvnuma(&self, dom: DomId, sizes: &mut VnumaSizes) -> Vnuma;
}

/// How large the arrays of a virtual NUMA topology are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VnumaSizes {
    /// Nodes.
    pub nodes: u32,
    /// Ranges of memory.
    pub ranges: u32,
    /// Virtual CPUs.
    pub vcpus: u32,
}

/// The arrays of a virtual NUMA topology, as far as they can be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vnuma {
    /// Ranges of memory.
    pub ranges: Vec<VmemRange>,
    /// Distances, a row of columns per node.
    pub distances: Vec<u32>,
    /// The node of each virtual CPU.
    pub vcpus: Vec<u32>,
}
