//! Schedulers and CPU pools.

use std::ffi::c_int;

use crate::xc_interface;

crate::functions! {
    /// Schedulers and CPU pools.
    pub struct SchedulerFunctions;

    /// Reads which scheduler the host booted with.
    sched_id = "xc_sched_id": (*mut xc_interface, *mut c_int) -> c_int;
}
