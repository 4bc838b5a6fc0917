//! Hardware that domains are given.

use std::ffi::c_int;

use crate::xc_interface;

crate::functions! {
    /// Hardware that domains are given.
    pub struct DeviceFunctions;

    /// Allows or forbids a domain to use I/O ports: first, number, allow.
    domain_ioport_permission = "xc_domain_ioport_permission":
        (*mut xc_interface, u32, u32, u32, u32) -> c_int;
}
