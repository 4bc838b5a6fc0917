//! The calls we use, as a table of pointers filled from the library.

use std::ffi::{c_char, c_int, c_uint, c_void};

use xenctrl_sys::xc_interface;

/// A domain under construction, `struct xc_dom_image`.
///
/// Its fields are reached through [`ImageLayout`](crate::ImageLayout) only: the structure has a
/// hundred of them, of which we use a score.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
#[derive(Debug)]
pub struct xc_dom_image {
    _opaque: [u8; 0],
}

xenctrl_sys::functions! {
    /// The calls of libxenguest.
    ///
    /// A call may be made with a handle of the libxenctrl that the library was opened with, and with
    /// an image that [`Functions::dom_allocate`] gave and that is not released. A pointer to several
    /// values, or to a buffer, is one to an array of no length or to `c_void`.
    pub struct Functions;

    /// Starts an image: handle, command line, features; copies both strings, which may be null.
    dom_allocate = "xc_dom_allocate":
        (*mut xc_interface, *const c_char, *const c_char) -> *mut xc_dom_image;
    /// Frees an image and unmaps what it mapped of the domain.
    dom_release = "xc_dom_release": (*mut xc_dom_image);
    /// Takes a kernel in memory, which must outlive the image; unpacks it if it is gzip.
    dom_kernel_mem = "xc_dom_kernel_mem": (*mut xc_dom_image, *const c_void, usize) -> c_int;
    /// Takes a module in memory, which must outlive the image, and its command line or null.
    dom_module_mem = "xc_dom_module_mem":
        (*mut xc_dom_image, *const c_void, usize, *const c_char) -> c_int;
    /// Binds the image to a handle and a domain.
    dom_boot_xen_init = "xc_dom_boot_xen_init":
        (*mut xc_dom_image, *mut xc_interface, u32) -> c_int;
    /// Finds the loader for the kernel, unpacks it and reads its headers and notes.
    dom_parse_image = "xc_dom_parse_image": (*mut xc_dom_image) -> c_int;
    /// Sets the size of the domain, in MiB.
    dom_mem_init = "xc_dom_mem_init": (*mut xc_dom_image, c_uint) -> c_int;
    /// Populates the domain's memory.
    dom_boot_mem_init = "xc_dom_boot_mem_init": (*mut xc_dom_image) -> c_int;
    /// Copies kernel and modules into the domain and lays out its first pages.
    dom_build_image = "xc_dom_build_image": (*mut xc_dom_image) -> c_int;
    /// Writes page tables, start info and the first virtual CPU's state.
    dom_boot_image = "xc_dom_boot_image": (*mut xc_dom_image) -> c_int;
    /// Puts the console and xenstore pages into the domain's grant table.
    dom_gnttab_init = "xc_dom_gnttab_init": (*mut xc_dom_image) -> c_int;

    /// Sets what CPUID tells a domain: domain, restore, featureset and its length, PAE, invariant
    /// TSC, nested virtualisation, CPUID overrides, MSR overrides.
    ///
    /// The last argument came with 4.15.5, 4.16.5 and 4.17.2, under the same soname. Passing it to
    /// an older library is sound: in the x86-64 calling convention a callee does not see arguments
    /// beyond those it declares. Null means no overrides.
    cpuid_apply_policy = "xc_cpuid_apply_policy":
        (*mut xc_interface, u32, bool, *const u32, c_uint, bool, bool, bool, *const c_void,
         *const c_void) -> c_int;
}
