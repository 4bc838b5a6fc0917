//! A domain's memory.

use std::ffi::{c_int, c_uint, c_ulong, c_void};

use crate::{E820Entry, xc_interface};

crate::functions! {
    /// The memory of domains.
    pub struct MemoryFunctions;

    /// Sets the ceiling of a domain's memory, in KiB.
    domain_setmaxmem = "xc_domain_setmaxmem": (*mut xc_interface, u32, u64) -> c_int;
    /// Sets the size of the pseudo-physical map a PV domain is told, in KiB.
    domain_set_memmap_limit = "xc_domain_set_memmap_limit":
        (*mut xc_interface, u32, c_ulong) -> c_int;
    /// Sets the memory map a domain is told.
    domain_set_memory_map = "xc_domain_set_memory_map":
        (*mut xc_interface, u32, *mut [E820Entry; 0], u32) -> c_int;
    /// Reserves free pages for a domain, or gives the rest of a reservation back.
    domain_claim_pages = "xc_domain_claim_pages": (*mut xc_interface, u32, c_ulong) -> c_int;
    /// Reads the size of the paging pool, in bytes; from 4.17.
    get_paging_mempool_size = "xc_get_paging_mempool_size":
        (*mut xc_interface, u32, *mut u64) -> c_int;
    /// Sets the size of the paging pool, in bytes; from 4.17.
    set_paging_mempool_size = "xc_set_paging_mempool_size":
        (*mut xc_interface, u32, u64) -> c_int;
    /// Shadow and HAP pool operations of 4.16 and later: operation, MiB, mode.
    shadow_control = "xc_shadow_control" [16, 22]:
        (*mut xc_interface, u32, c_uint, *mut c_uint, c_uint) -> c_int;
    /// The same symbol as 4.15 declares it: operation, dirty bitmap, pages, MiB, mode, statistics.
    shadow_control_4_15 = "xc_shadow_control" [15, 15]:
        (*mut xc_interface, u32, c_uint, *mut c_void, c_ulong, *mut c_ulong, u32, *mut c_void)
        -> c_int;
}
