//! Event channels of other domains.

use std::ffi::c_int;

use crate::xc_interface;

crate::functions! {
    /// Event channels of other domains.
    pub struct EventFunctions;

    /// Allocates a port in a domain for another to bind; returns the port.
    evtchn_alloc_unbound = "xc_evtchn_alloc_unbound": (*mut xc_interface, u32, u32) -> c_int;
}
