//! The memory of domains.

use xen_types::{DomId, KiB};
use xenctrl_sys::E820Entry;

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
}
