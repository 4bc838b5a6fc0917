//! A domain's memory.

use std::ffi::{c_int, c_uint, c_ulong, c_void};

use crate::{E820Entry, ReservedDeviceMemory, VmemRange, xc_interface};

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
    /// Fills in the memory map of the machine; returns how many entries.
    get_machine_memory_map = "xc_get_machine_memory_map":
        (*mut xc_interface, *mut [E820Entry; 0], u32) -> c_int;
    /// Fills in what devices need at fixed addresses: flags, segment, bus, device and function,
    /// entries, their number, which is read and written.
    reserved_device_memory_map = "xc_reserved_device_memory_map":
        (*mut xc_interface, u32, u16, u8, u8, *mut [ReservedDeviceMemory; 0], *mut u32) -> c_int;
    /// Gives a domain memory at guest frames: number, order, flags, frames, which of a PV domain are
    /// overwritten with machine frames; returns how many.
    domain_populate_physmap = "xc_domain_populate_physmap":
        (*mut xc_interface, u32, c_ulong, c_uint, c_uint, *mut [u64; 0]) -> c_int;
    /// Gives a domain memory that is nowhere in its address space: number, order, flags, room for
    /// machine frames; returns how many.
    domain_increase_reservation = "xc_domain_increase_reservation":
        (*mut xc_interface, u32, c_ulong, c_uint, c_uint, *mut [u64; 0]) -> c_int;
    /// Takes memory from a domain: number, order, frames; returns how many.
    domain_decrease_reservation = "xc_domain_decrease_reservation":
        (*mut xc_interface, u32, c_ulong, c_uint, *mut [u64; 0]) -> c_int;
    /// Puts a page at a guest frame: space, index into it, guest frame.
    domain_add_to_physmap = "xc_domain_add_to_physmap":
        (*mut xc_interface, u32, c_uint, c_ulong, u64) -> c_int;
    /// Puts pages at guest frames: other domain, space, number (16 bits of it), indexes, guest frames,
    /// room for errors.
    domain_add_to_physmap_batch = "xc_domain_add_to_physmap_batch":
        (*mut xc_interface, u32, u32, c_uint, c_uint, *mut [u64; 0], *mut [u64; 0],
         *mut [c_int; 0]) -> c_int;
    /// Takes the page at a guest frame away from there.
    domain_remove_from_physmap = "xc_domain_remove_from_physmap":
        (*mut xc_interface, u32, u64) -> c_int;
    /// Reads the highest guest frame.
    domain_maximum_gpfn = "xc_domain_maximum_gpfn": (*mut xc_interface, u32, *mut u64) -> c_int;
    /// Reads the highest guest frame, plus one.
    domain_nr_gpfns = "xc_domain_nr_gpfns": (*mut xc_interface, u32, *mut u64) -> c_int;
    /// Reads populate-on-demand: pages of the domain, of them in the cache, entries.
    domain_get_pod_target = "xc_domain_get_pod_target":
        (*mut xc_interface, u32, *mut u64, *mut u64, *mut u64) -> c_int;
    /// Sets how many pages a populate-on-demand domain shall have, and reads as above.
    domain_set_pod_target = "xc_domain_set_pod_target":
        (*mut xc_interface, u32, u64, *mut u64, *mut u64, *mut u64) -> c_int;
    /// Sets the nodes a domain's memory comes from, a bitmap.
    domain_node_setaffinity = "xc_domain_node_setaffinity":
        (*mut xc_interface, u32, *mut [u8; 0]) -> c_int;
    /// Reads the nodes a domain's memory comes from, a bitmap.
    domain_node_getaffinity = "xc_domain_node_getaffinity":
        (*mut xc_interface, u32, *mut [u8; 0]) -> c_int;
    /// Sets a virtual NUMA topology: nodes, ranges, virtual CPUs; ranges, distances, node of each
    /// virtual CPU, physical node of each node.
    domain_setvnuma = "xc_domain_setvnuma":
        (*mut xc_interface, u32, u32, u32, u32, *mut [VmemRange; 0], *mut [c_uint; 0],
         *mut [c_uint; 0], *mut [c_uint; 0]) -> c_int;
    /// Reads a virtual NUMA topology: the numbers are read and written; no physical nodes.
    domain_getvnuma = "xc_domain_getvnuma":
        (*mut xc_interface, u32, *mut u32, *mut u32, *mut u32, *mut [VmemRange; 0],
         *mut [c_uint; 0], *mut [c_uint; 0]) -> c_int;
}
