//! The calls we use, as a table of pointers filled from the library.

use std::ffi::{c_char, c_int, c_uint, c_void};

use xenctrl_sys::{dumpcore_rtn_t, xc_interface};

use crate::{CpuidLeaf, MsrEntry, RestoreCallbacks, SaveCallbacks};

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

/// What CPUID and model-specific registers tell a domain, `struct xc_cpu_policy`, known to the library
/// alone.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
#[derive(Debug)]
pub struct xc_cpu_policy_t {
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

    /// Makes an empty policy; null without memory. From 4.16, as all of its calls.
    cpu_policy_init = "xc_cpu_policy_init": () -> *mut xc_cpu_policy_t;
    /// Frees a policy.
    cpu_policy_destroy = "xc_cpu_policy_destroy": (*mut xc_cpu_policy_t);
    /// Reads one of the host's policies: index, policy.
    cpu_policy_get_system = "xc_cpu_policy_get_system":
        (*mut xc_interface, c_uint, *mut xc_cpu_policy_t) -> c_int;
    /// Reads a domain's policy.
    cpu_policy_get_domain = "xc_cpu_policy_get_domain":
        (*mut xc_interface, u32, *mut xc_cpu_policy_t) -> c_int;
    /// Gives a domain a policy, whose buffers it uses.
    cpu_policy_set_domain = "xc_cpu_policy_set_domain":
        (*mut xc_interface, u32, *mut xc_cpu_policy_t) -> c_int;
    /// Writes a policy out: leaves, room for them and then their number, the same for MSRs.
    cpu_policy_serialise = "xc_cpu_policy_serialise":
        (*mut xc_interface, *const xc_cpu_policy_t, *mut [CpuidLeaf; 0], *mut u32,
         *mut [MsrEntry; 0], *mut u32) -> c_int;
    /// Puts leaves into a policy: leaves, their number.
    cpu_policy_update_cpuid = "xc_cpu_policy_update_cpuid":
        (*mut xc_interface, *mut xc_cpu_policy_t, *const [CpuidLeaf; 0], u32) -> c_int;
    /// Puts MSRs into a policy: MSRs, their number.
    cpu_policy_update_msrs = "xc_cpu_policy_update_msrs":
        (*mut xc_interface, *mut xc_cpu_policy_t, *const [MsrEntry; 0], u32) -> c_int;
    /// Whether a guest with the second policy can run where the first is the most there is; explains
    /// itself in the log.
    cpu_policy_is_compatible = "xc_cpu_policy_is_compatible":
        (*mut xc_interface, *mut xc_cpu_policy_t, *mut xc_cpu_policy_t) -> bool;
    /// The most leaves and MSRs that a policy can have (both written).
    cpu_policy_get_size = "xc_cpu_policy_get_size":
        (*mut xc_interface, *mut u32, *mut u32) -> c_int;
    /// Changes a domain's policy by leaves and MSRs: number of leaves, leaves, the same for MSRs, and
    /// (all written) leaf, subleaf and MSR at fault, all ones for none.
    set_domain_cpu_policy = "xc_set_domain_cpu_policy":
        (*mut xc_interface, u32, u32, *mut [CpuidLeaf; 0], u32, *mut [MsrEntry; 0], *mut u32,
         *mut u32, *mut u32) -> c_int;

    /// The number of words of a featureset in this library.
    get_cpu_featureset_size = "xc_get_cpu_featureset_size": () -> u32;
    /// Reads one of the host's featuresets: index, room for words and then their number, words.
    get_cpu_featureset = "xc_get_cpu_featureset":
        (*mut xc_interface, u32, *mut u32, *mut [u32; 0]) -> c_int;
    /// A featureset that the library was built with, of its number of words; null for none.
    get_static_cpu_featuremask = "xc_get_static_cpu_featuremask": (c_uint) -> *const [u32; 0];

    /// Dumps a domain into a file, which it makes or empties. 4.15 has it in libxenctrl.
    domain_dumpcore = "xc_domain_dumpcore" [16, 22]:
        (*mut xc_interface, u32, *const c_char) -> c_int;
    /// Dumps a domain through a function: its argument, the function. 4.15 has it in libxenctrl.
    domain_dumpcore_via_callback = "xc_domain_dumpcore_via_callback" [16, 22]:
        (*mut xc_interface, u32, *mut c_void, dumpcore_rtn_t) -> c_int;

    /// Lets a domain that has suspended itself go on: domain, whether it can tell that it was not saved.
    /// 4.15 has it in libxenctrl.
    domain_resume = "xc_domain_resume" [16, 22]: (*mut xc_interface, u32, c_int) -> c_int;

    /// Writes a domain into a descriptor: descriptor, domain, `XCFLAGS_*`, callbacks, `XC_STREAM_*`,
    /// descriptor to read from for the one kind of stream that has answers.
    domain_save = "xc_domain_save":
        (*mut xc_interface, c_int, u32, u32, *mut SaveCallbacks, u32, c_int) -> c_int;
    /// Reads a domain from a descriptor into a new domain: descriptor, domain, port, frame (written) and
    /// server of the store, the same for the console, `XC_STREAM_*`, callbacks, descriptor for answers.
    domain_restore = "xc_domain_restore" [15, 21]:
        (*mut xc_interface, c_int, u32, c_uint, *mut u64, u32, c_uint, *mut u64, u32, u32,
         *mut RestoreCallbacks, c_int) -> c_int;
    /// The same, with `XENMEMF_*` for the domain's memory.
    domain_restore_memflags = "xc_domain_restore" [22, 22]:
        (*mut xc_interface, c_int, u32, c_uint, *mut u64, u32, c_uint, *mut u64, u32, u32,
         *mut RestoreCallbacks, c_int, c_uint) -> c_int;
}
