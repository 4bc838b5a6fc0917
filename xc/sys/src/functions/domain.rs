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
    /// Lets a domain act for another, the target, as its device model.
    domain_set_target = "xc_domain_set_target": (*mut xc_interface, u32, u32) -> c_int;
    /// Makes a domain that shut down as new, but for its memory.
    domain_soft_reset = "xc_domain_soft_reset": (*mut xc_interface, u32) -> c_int;
    /// Names the port of a domain through which its suspension is told.
    domain_subscribe_for_suspend = "xc_domain_subscribe_for_suspend":
        (*mut xc_interface, u32, u32) -> c_int;
    /// Gives a global virtual interrupt to a domain.
    domain_set_virq_handler = "xc_domain_set_virq_handler":
        (*mut xc_interface, u32, c_int) -> c_int;
    /// Reads the bytes of a machine word of a PV domain; returns 1 on failure.
    domain_get_guest_width = "xc_domain_get_guest_width":
        (*mut xc_interface, u32, *mut c_uint) -> c_int;
    /// Whether a forbidden access waits for a listener or passes if there is none.
    domain_set_access_required = "xc_domain_set_access_required":
        (*mut xc_interface, u32, c_uint) -> c_int;
    /// Attaches or detaches a debugger.
    domain_setdebugging = "xc_domain_setdebugging": (*mut xc_interface, u32, c_uint) -> c_int;
    /// Debugs a virtual CPU: operation, virtual CPU.
    domain_debug_control = "xc_domain_debug_control":
        (*mut xc_interface, u32, u32, u32) -> c_int;
    /// Presses a button or raises a line: trigger, virtual CPU.
    domain_send_trigger = "xc_domain_send_trigger":
        (*mut xc_interface, u32, u32, u32) -> c_int;
    /// Sets a domain's clock against the host's, in seconds.
    domain_set_time_offset = "xc_domain_set_time_offset":
        (*mut xc_interface, u32, i32) -> c_int;
    /// Starts, restarts or ends a watchdog of the caller's domain: number, seconds; returns the
    /// number of one that is started.
    watchdog = "xc_watchdog": (*mut xc_interface, u32, u32) -> c_int;
    /// Reads how a domain sees the time-stamp counter: mode, ns elapsed, kHz, incarnation.
    domain_get_tsc_info = "xc_domain_get_tsc_info":
        (*mut xc_interface, u32, *mut u32, *mut u64, *mut u32, *mut u32) -> c_int;
    /// Sets how a domain sees the time-stamp counter: mode, ns elapsed, kHz, incarnation.
    domain_set_tsc_info = "xc_domain_set_tsc_info":
        (*mut xc_interface, u32, u32, u64, u32, u32) -> c_int;
}
