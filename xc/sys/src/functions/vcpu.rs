//! Virtual CPUs.

use std::ffi::{c_int, c_longlong, c_uint};

use crate::{VcpuContext, VcpuInfo, xc_interface};

crate::functions! {
    /// Virtual CPUs.
    pub struct VcpuFunctions;

    /// Creates a domain's virtual CPUs.
    domain_max_vcpus = "xc_domain_max_vcpus": (*mut xc_interface, u32, c_uint) -> c_int;
    /// Reads the state of a virtual CPU; of its number, 16 bits count.
    vcpu_getinfo = "xc_vcpu_getinfo": (*mut xc_interface, u32, u32, *mut VcpuInfo) -> c_int;
    /// Nanoseconds that a virtual CPU has run; of its number, 16 bits count.
    domain_get_cpu_usage = "xc_domain_get_cpu_usage":
        (*mut xc_interface, u32, c_int) -> c_longlong;
    /// Reads the registers of a virtual CPU; of its number, 16 bits count.
    vcpu_getcontext = "xc_vcpu_getcontext":
        (*mut xc_interface, u32, u32, *mut VcpuContext) -> c_int;
    /// Sets the registers of a virtual CPU; they are read only. Null resets it.
    vcpu_setcontext = "xc_vcpu_setcontext":
        (*mut xc_interface, u32, u32, *mut VcpuContext) -> c_int;
    /// Reads where a virtual CPU may run: hard and soft bitmap, null for none, and what is asked.
    vcpu_getaffinity = "xc_vcpu_getaffinity":
        (*mut xc_interface, u32, c_int, *mut [u8; 0], *mut [u8; 0], u32) -> c_int;
    /// Sets where a virtual CPU may run: the same; writes back what that comes to.
    vcpu_setaffinity = "xc_vcpu_setaffinity":
        (*mut xc_interface, u32, c_int, *mut [u8; 0], *mut [u8; 0], u32) -> c_int;
    /// The number of processors that the host can have; asks Xen once, then remembers.
    get_max_cpus = "xc_get_max_cpus": (*mut xc_interface) -> c_int;
    /// The bytes of a bitmap with a bit for each of them.
    get_cpumap_size = "xc_get_cpumap_size": (*mut xc_interface) -> c_int;
}
