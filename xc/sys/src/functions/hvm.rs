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
}
