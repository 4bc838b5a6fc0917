//! Virtual CPUs.

use std::ffi::{c_int, c_uint};

use crate::xc_interface;

crate::functions! {
    /// Virtual CPUs.
    pub struct VcpuFunctions;

    /// Creates a domain's virtual CPUs.
    domain_max_vcpus = "xc_domain_max_vcpus": (*mut xc_interface, u32, c_uint) -> c_int;
}
