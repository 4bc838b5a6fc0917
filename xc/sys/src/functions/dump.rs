//! Dumps of a domain's memory, and its resumption, which moved to libxenguest with 4.16.

use std::ffi::{c_char, c_int, c_uint, c_void};

use crate::xc_interface;

/// What takes a dump piece by piece: handle, argument, piece, its length; 0 to go on
/// (`dumpcore_rtn_t`, `tools/include/xenctrl.h`).
#[allow(non_camel_case_types, reason = "the C name")]
pub type dumpcore_rtn_t =
    unsafe extern "C" fn(*mut xc_interface, *mut c_void, *mut c_char, c_uint) -> c_int;

crate::functions! {
    /// Dumps of a domain's memory, and its resumption, in 4.15.
    pub struct DumpFunctions;

    /// Dumps a domain into a file, which it makes or empties.
    domain_dumpcore = "xc_domain_dumpcore" [15, 15]:
        (*mut xc_interface, u32, *const c_char) -> c_int;
    /// Dumps a domain through a function: its argument, the function.
    domain_dumpcore_via_callback = "xc_domain_dumpcore_via_callback" [15, 15]:
        (*mut xc_interface, u32, *mut c_void, dumpcore_rtn_t) -> c_int;
    /// Lets a domain that has suspended itself go on: domain, whether it can tell that it was not saved.
    domain_resume = "xc_domain_resume" [15, 15]: (*mut xc_interface, u32, c_int) -> c_int;
}
