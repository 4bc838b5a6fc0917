//! Virtual CPUs.

use std::ffi::{c_int, c_uint};

use crate::xc_interface;

crate::functions! {
    /// Virtual CPUs.
    pub struct VcpuFunctions;

    /// Creates a domain's virtual CPUs.
    domain_max_vcpus = "xc_domain_max_vcpus": (*mut xc_interface, u32, c_uint) -> c_int;
    /// The number of processors that the host can have; asks Xen once, then remembers.
    get_max_cpus = "xc_get_max_cpus": (*mut xc_interface) -> c_int;
    /// The bytes of a bitmap with a bit for each of them.
    get_cpumap_size = "xc_get_cpumap_size": (*mut xc_interface) -> c_int;
}
