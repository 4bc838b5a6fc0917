//! The host and its hypervisor.

use std::ffi::{c_int, c_void};

use crate::xc_interface;

crate::functions! {
    /// The host and its hypervisor.
    pub struct HostFunctions;

    /// Asks for version information; the command decides what the last argument points to.
    version = "xc_version": (*mut xc_interface, c_int, *mut c_void) -> c_int;
    /// Reads facts about the host into a [`PhysInfo`](crate::PhysInfo).
    physinfo = "xc_physinfo": (*mut xc_interface, *mut c_void) -> c_int;
}
