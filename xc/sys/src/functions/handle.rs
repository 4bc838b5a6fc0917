//! Opening and closing.

use std::ffi::{c_int, c_uint};

use crate::logger::xentoollog_logger;

/// An open handle, known to the library alone.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
#[derive(Debug)]
pub struct xc_interface {
    _opaque: [u8; 0],
}

crate::functions! {
    /// Handles.
    pub struct HandleFunctions;

    /// Opens a handle; null and errno on failure.
    interface_open = "xc_interface_open":
        (*mut xentoollog_logger, *mut xentoollog_logger, c_uint) -> *mut xc_interface;
    /// Closes a handle.
    interface_close = "xc_interface_close": (*mut xc_interface) -> c_int;
}
