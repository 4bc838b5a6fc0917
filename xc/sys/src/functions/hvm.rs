//! What only HVM and PVH domains have.

use std::ffi::c_int;

use crate::xc_interface;

crate::functions! {
    /// What only HVM and PVH domains have.
    pub struct HvmFunctions;

    /// Reads a parameter of an HVM or PVH domain.
    hvm_param_get = "xc_hvm_param_get": (*mut xc_interface, u32, u32, *mut u64) -> c_int;
    /// Sets a parameter of an HVM or PVH domain.
    hvm_param_set = "xc_hvm_param_set": (*mut xc_interface, u32, u32, u64) -> c_int;
    /// Reads the state of the virtual hardware; returns how many bytes it has. Null only asks.
    domain_hvm_getcontext = "xc_domain_hvm_getcontext":
        (*mut xc_interface, u32, *mut [u8; 0], u32) -> c_int;
    /// Reads one record of it: type, instance.
    domain_hvm_getcontext_partial = "xc_domain_hvm_getcontext_partial":
        (*mut xc_interface, u32, u16, u16, *mut [u8; 0], u32) -> c_int;
    /// Sets the state of the virtual hardware.
    domain_hvm_setcontext = "xc_domain_hvm_setcontext":
        (*mut xc_interface, u32, *mut [u8; 0], u32) -> c_int;
    /// Fixes how memory is cached: first and last frame, attribute.
    domain_pin_memory_cacheattr = "xc_domain_pin_memory_cacheattr":
        (*mut xc_interface, u32, u64, u64, u32) -> c_int;
}
