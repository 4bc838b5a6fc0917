//! A domain's life, identity and time.

use std::ffi::{c_int, c_uint, c_void};

use crate::xc_interface;

crate::functions! {
    /// The life, identity and time of domains.
    pub struct DomainFunctions;

    /// Creates a domain; the domain id is read and written.
    domain_create = "xc_domain_create": (*mut xc_interface, *mut u32, *mut c_void) -> c_int;
    /// Destroys a domain; returns when its memory is released.
    domain_destroy = "xc_domain_destroy": (*mut xc_interface, u32) -> c_int;
    /// Pauses a domain.
    domain_pause = "xc_domain_pause": (*mut xc_interface, u32) -> c_int;
    /// Undoes one pause.
    domain_unpause = "xc_domain_unpause": (*mut xc_interface, u32) -> c_int;
    /// Stops a domain's virtual CPUs and records a reason.
    domain_shutdown = "xc_domain_shutdown": (*mut xc_interface, u32, c_int) -> c_int;
    /// Fills an array of [`DomainInfo`](crate::DomainInfo); returns how many.
    domain_getinfolist = "xc_domain_getinfolist":
        (*mut xc_interface, u32, c_uint, *mut c_void) -> c_int;
    /// Replaces a domain's UUID, 16 bytes.
    domain_sethandle = "xc_domain_sethandle": (*mut xc_interface, u32, *mut [u8; 16]) -> c_int;
    /// Sets how a domain sees the time-stamp counter: mode, ns elapsed, kHz, incarnation.
    domain_set_tsc_info = "xc_domain_set_tsc_info":
        (*mut xc_interface, u32, u32, u64, u32, u32) -> c_int;
}
