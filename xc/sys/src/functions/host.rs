//! The host and its hypervisor.

use std::ffi::{c_char, c_int, c_void};

use crate::{CpuInfo, CpuTopology, CpuVersion, NodeMemory, PciDevice, xc_interface};

crate::functions! {
    /// The host and its hypervisor.
    pub struct HostFunctions;

    /// Asks for version information; the command decides what the last argument points to.
    version = "xc_version": (*mut xc_interface, c_int, *mut c_void) -> c_int;
    /// The last part of the version, whole, to be freed with `free`; from 4.20. Null and errno on
    /// failure, as the following.
    xenver_extraversion = "xc_xenver_extraversion": (*mut xc_interface) -> *mut c_char;
    /// The interfaces that guests may use, whole; from 4.20.
    xenver_capabilities = "xc_xenver_capabilities": (*mut xc_interface) -> *mut c_char;
    /// The revision it was built from, whole; from 4.20.
    xenver_changeset = "xc_xenver_changeset": (*mut xc_interface) -> *mut c_char;
    /// The hypervisor's command line, whole; from 4.20.
    xenver_commandline = "xc_xenver_commandline": (*mut xc_interface) -> *mut c_char;
    /// Reads facts about the host into a [`PhysInfo`](crate::PhysInfo).
    physinfo = "xc_physinfo": (*mut xc_interface, *mut c_void) -> c_int;
    /// How many processors are online.
    get_online_cpus = "xc_get_online_cpus": (*mut xc_interface) -> c_int;
    /// How many ids of nodes there are.
    get_max_nodes = "xc_get_max_nodes": (*mut xc_interface) -> c_int;
    /// Where each processor stands: the number of entries is read and written.
    cputopoinfo = "xc_cputopoinfo":
        (*mut xc_interface, *mut u32, *mut [CpuTopology; 0]) -> c_int;
    /// The memory of each node and their distances: the number of entries is read and written, and
    /// distances are rows of as many as it becomes.
    numainfo = "xc_numainfo":
        (*mut xc_interface, *mut u32, *mut [NodeMemory; 0], *mut [u32; 0]) -> c_int;
    /// The node of each of some devices: their number, devices, nodes.
    pcitopoinfo = "xc_pcitopoinfo":
        (*mut xc_interface, u32, *mut [PciDevice; 0], *mut [u32; 0]) -> c_int;
    /// How long each processor has been idle: room, entries, how many were written.
    getcpuinfo = "xc_getcpuinfo":
        (*mut xc_interface, c_int, *mut [CpuInfo; 0], *mut c_int) -> c_int;
    /// What a processor says it is; from 4.18.
    get_cpu_version = "xc_get_cpu_version": (*mut xc_interface, *mut CpuVersion) -> c_int;
    /// Reads the console ring: buffer, its size read and the number of bytes written, clear,
    /// incremental, where to start read and where it ended written.
    readconsolering = "xc_readconsolering":
        (*mut xc_interface, *mut [c_char; 0], *mut u32, c_int, c_int, *mut u32) -> c_int;
    /// Acts as if these keys had been pressed on the hypervisor's console: a C string.
    send_debug_keys = "xc_send_debug_keys": (*mut xc_interface, *const c_char) -> c_int;
}
