//! The memory of domains. What takes arrays stands beside this file.

mod extents;
mod node;
mod ranges;
mod vnuma;

use std::ffi::c_ulong;
use std::ptr;

use xen_types::{DomId, KiB};
use xenctrl_sys::{E820Entry, ReservedDeviceMemory, VmemRange};

use super::{LibXenCtrl, call, check};
use crate::backend::{CallError, MemoryCalls, Vnuma, VnumaSizes};

impl MemoryCalls for LibXenCtrl {
    fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> Result<(), CallError> {
        call!(self, memory.domain_setmaxmem(dom, max.get())).map(drop)
    }

    fn domain_set_memmap_limit(&self, dom: DomId, limit: KiB) -> Result<(), CallError> {
        call!(self, memory.domain_set_memmap_limit(dom, limit.get())).map(drop)
    }

    fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        self.set_memory_map(dom, map)
    }

    fn domain_claim_pages(&self, dom: DomId, pages: u64) -> Result<(), CallError> {
        call!(self, memory.domain_claim_pages(dom, pages)).map(drop)
    }

    fn get_paging_mempool_size(&self, dom: DomId) -> Result<u64, CallError> {
        let mut bytes = 0;
        call!(self, memory.get_paging_mempool_size(dom, &mut bytes))?;
        Ok(bytes)
    }

    fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> Result<(), CallError> {
        call!(self, memory.set_paging_mempool_size(dom, bytes)).map(drop)
    }

    fn shadow_control(&self, dom: DomId, operation: u32, mib: u32) -> Result<u32, CallError> {
        if self.functions().memory.shadow_control_4_15.is_none() {
            let mut mib = mib;
            call!(self, memory.shadow_control(dom, operation, &mut mib, 0_u32))?;
            return Ok(mib);
        }
        let function = self.functions().memory.shadow_control_4_15;
        let (function, handle) = self.callable("xc_shadow_control", function)?;
        let (mut mib, null) = (c_ulong::from(mib), ptr::null_mut());
        let size = &raw mut mib;
        // SAFETY: the size, an unsigned long, must be readable and writable: `mib` is one. Bitmap and
        // statistics may be null (xc_domain.c).
        check(unsafe { function(handle, dom.into(), operation, null, 0, size, 0, null) })?;
        // The domctl's own field has 32 bits (xen_domctl_shadow_op.mb).
        u32::try_from(mib)
            .map_err(|_| CallError::Nonsense { call: "xc_shadow_control", answer: mib })
    }

    fn get_machine_memory_map(&self, max: u32) -> Result<Vec<E820Entry>, CallError> {
        self.machine_memory_map(max)
    }

    fn reserved_device_memory_map(
        &self,
        flags: u32,
        segment: u16,
        bus: u8,
        devfn: u8,
        count: &mut u32,
    ) -> Result<Vec<ReservedDeviceMemory>, CallError> {
        self.reserved_device_memory(flags, segment, bus, devfn, count)
    }

    fn domain_populate_physmap(
        &self,
        dom: DomId,
        order: u32,
        flags: u32,
        extents: &mut [u64],
    ) -> Result<usize, CallError> {
        self.populate_physmap(dom, order, flags, extents)
    }

    fn domain_increase_reservation(
        &self,
        dom: DomId,
        order: u32,
        flags: u32,
        extents: &mut [u64],
    ) -> Result<usize, CallError> {
        self.increase_reservation(dom, order, flags, extents)
    }

    fn domain_decrease_reservation(
        &self,
        dom: DomId,
        order: u32,
        extents: &mut [u64],
    ) -> Result<usize, CallError> {
        self.decrease_reservation(dom, order, extents)
    }

    fn domain_add_to_physmap(
        &self,
        dom: DomId,
        space: u32,
        index: u64,
        gfn: u64,
    ) -> Result<(), CallError> {
        call!(self, memory.domain_add_to_physmap(dom, space, index, gfn)).map(drop)
    }

    fn domain_add_to_physmap_batch(
        &self,
        dom: DomId,
        foreign: DomId,
        space: u32,
        indexes: &[u64],
        gfns: &[u64],
    ) -> Result<Vec<i32>, CallError> {
        self.add_to_physmap_batch(dom, foreign, space, indexes, gfns)
    }

    fn domain_remove_from_physmap(&self, dom: DomId, gfn: u64) -> Result<(), CallError> {
        call!(self, memory.domain_remove_from_physmap(dom, gfn)).map(drop)
    }

    fn domain_maximum_gpfn(&self, dom: DomId) -> Result<u64, CallError> {
        let mut gfn = 0;
        call!(self, memory.domain_maximum_gpfn(dom, &mut gfn))?;
        Ok(gfn)
    }

    fn domain_nr_gpfns(&self, dom: DomId) -> Result<u64, CallError> {
        let mut gfns = 0;
        call!(self, memory.domain_nr_gpfns(dom, &mut gfns))?;
        Ok(gfns)
    }

    fn domain_get_pod_target(&self, dom: DomId) -> Result<[u64; 3], CallError> {
        let [mut pages, mut cached, mut entries] = [0; 3];
        call!(self, memory.domain_get_pod_target(dom, &mut pages, &mut cached, &mut entries))?;
        Ok([pages, cached, entries])
    }

    fn domain_set_pod_target(&self, dom: DomId, target: u64) -> Result<[u64; 3], CallError> {
        let [mut pages, mut cached, mut entries] = [0; 3];
        call!(
            self,
            memory.domain_set_pod_target(dom, target, &mut pages, &mut cached, &mut entries)
        )?;
        Ok([pages, cached, entries])
    }

    fn domain_node_setaffinity(&self, dom: DomId, nodes: &[u8]) -> Result<(), CallError> {
        self.set_node_affinity(dom, nodes)
    }

    fn domain_node_getaffinity(&self, dom: DomId) -> Result<Vec<u8>, CallError> {
        self.node_affinity(dom)
    }

    fn domain_setvnuma(
        &self,
        dom: DomId,
        ranges: &[VmemRange],
        distances: &[u32],
        vcpus: &[u32],
        nodes: &[u32],
    ) -> Result<(), CallError> {
        self.set_vnuma(dom, ranges, distances, vcpus, nodes)
    }

    fn domain_getvnuma(&self, dom: DomId, sizes: &mut VnumaSizes) -> Result<Vnuma, CallError> {
        self.vnuma(dom, sizes)
    }
}
