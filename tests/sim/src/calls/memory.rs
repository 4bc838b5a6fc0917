//! The memory of domains.

use rustix::io::Errno;
use xc::backend::{E820Entry, MemoryCalls, ReservedDeviceMemory};
use xen_types::{DomId, KiB};

use super::{Answer, Handle};

impl MemoryCalls for Handle {
    fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> Answer<()> {
        self.call("xc_domain_setmaxmem", |xen| xen.set_max_mem(dom, max))
    }

    fn domain_set_memmap_limit(&self, dom: DomId, _limit: KiB) -> Answer<()> {
        self.call("xc_domain_set_memmap_limit", |xen| xen.dom(dom).map(drop))
    }

    fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Answer<()> {
        self.call("xc_domain_set_memory_map", |xen| match map.len() {
            ..=E820_MAX => xen.dom(dom).map(drop),
            _ => Err(Errno::INVAL),
        })
    }

    fn domain_claim_pages(&self, dom: DomId, pages: u64) -> Answer<()> {
        self.call("xc_domain_claim_pages", |xen| xen.claim(dom, pages))
    }

    fn get_paging_mempool_size(&self, dom: DomId) -> Answer<u64> {
        self.call("xc_get_paging_mempool_size", |xen| xen.pool_size(dom))
    }

    fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> Answer<()> {
        self.call("xc_set_paging_mempool_size", |xen| xen.set_pool_size(dom, bytes))
    }

    fn reserved_device_memory_map(
        &self,
        _flags: u32,
        _segment: u16,
        _bus: u8,
        _devfn: u8,
        count: &mut u32,
    ) -> Answer<Vec<ReservedDeviceMemory>> {
        // Without an IOMMU there is nothing to reserve.
        *count = 0;
        self.ask("xc_reserved_device_memory_map", |_| Vec::new())
    }

    fn domain_populate_physmap(
        &self,
        dom: DomId,
        order: u32,
        flags: u32,
        extents: &mut [u64],
    ) -> Answer<usize> {
        self.ask("xc_domain_populate_physmap", |xen| xen.populate(dom, order, flags, extents))
    }

    fn domain_increase_reservation(
        &self,
        dom: DomId,
        order: u32,
        flags: u32,
        extents: &mut [u64],
    ) -> Answer<usize> {
        self.ask("xc_domain_increase_reservation", |xen| xen.increase(dom, order, flags, extents))
    }

    fn domain_decrease_reservation(
        &self,
        dom: DomId,
        order: u32,
        extents: &mut [u64],
    ) -> Answer<usize> {
        self.ask("xc_domain_decrease_reservation", |xen| xen.decrease(dom, order, extents))
    }

    fn domain_add_to_physmap(&self, dom: DomId, space: u32, index: u64, gfn: u64) -> Answer<()> {
        self.call("xc_domain_add_to_physmap", |xen| xen.add_to_physmap(dom, space, index, gfn))
    }

    fn domain_add_to_physmap_batch(
        &self,
        dom: DomId,
        _foreign: DomId,
        space: u32,
        indexes: &[u64],
        gfns: &[u64],
    ) -> Answer<Vec<i32>> {
        if u16::try_from(gfns.len()).is_err() {
            return Err(Errno::TOOBIG.into());
        }
        let places = indexes.iter().copied().zip(gfns.iter().copied());
        let name = "xc_domain_add_to_physmap_batch";
        self.call(name, |xen| xen.add_to_physmap_batch(dom, space, places))
    }

    fn domain_remove_from_physmap(&self, dom: DomId, gfn: u64) -> Answer<()> {
        self.call("xc_domain_remove_from_physmap", |xen| xen.remove_from_physmap(dom, gfn))
    }

    fn domain_maximum_gpfn(&self, dom: DomId) -> Answer<u64> {
        self.call("xc_domain_maximum_gpfn", |xen| Ok(xen.dom(dom)?.memory.physmap.highest()))
    }

    fn domain_nr_gpfns(&self, dom: DomId) -> Answer<u64> {
        self.call("xc_domain_nr_gpfns", |xen| Ok(xen.dom(dom)?.memory.physmap.highest() + 1))
    }

    fn domain_get_pod_target(&self, dom: DomId) -> Answer<[u64; 3]> {
        self.call("xc_domain_get_pod_target", |xen| xen.pod_target(dom))
    }

    fn domain_set_pod_target(&self, dom: DomId, pages: u64) -> Answer<[u64; 3]> {
        self.call("xc_domain_set_pod_target", |xen| xen.set_pod_target(dom, pages))
    }

    fn domain_node_setaffinity(&self, dom: DomId, nodes: &[u8]) -> Answer<()> {
        // As much of the bitmap as the host has nodes; the rest must be zero.
        let room = self.ask("xc_get_max_nodes", |xen| xen.physinfo().max_node_id / 8 + 1)?;
        let (own, beyond) = nodes.split_at(nodes.len().min(room.try_into().unwrap_or(1)));
        if beyond.iter().any(|byte| *byte != 0) {
            return Err(Errno::RANGE.into());
        }
        self.call("xc_domain_node_setaffinity", |xen| xen.set_node_affinity(dom, own))
    }

    fn domain_node_getaffinity(&self, dom: DomId) -> Answer<Vec<u8>> {
        self.call("xc_domain_node_getaffinity", |xen| xen.node_affinity(dom))
    }
}

/// `E820MAX` (`xen/arch/x86/include/asm/e820.h`).
const E820_MAX: usize = 1024;
