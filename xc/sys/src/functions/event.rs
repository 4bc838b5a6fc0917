//! Event channels of other domains.

use std::ffi::c_int;

use crate::{PortStatus, xc_interface};

crate::functions! {
    /// Event channels of other domains.
    pub struct EventFunctions;

    /// Allocates a port in a domain for another to bind; returns the port.
    evtchn_alloc_unbound = "xc_evtchn_alloc_unbound": (*mut xc_interface, u32, u32) -> c_int;
    /// Closes all ports of a domain.
    evtchn_reset = "xc_evtchn_reset": (*mut xc_interface, u32) -> c_int;
    /// Reads what a port is bound to; domain and port are read, the rest is written.
    evtchn_status = "xc_evtchn_status": (*mut xc_interface, *mut PortStatus) -> c_int;
}
