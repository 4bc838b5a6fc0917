//! The calls we use, as a table of pointers filled from the library.

use std::ffi::{c_int, c_uint, c_ulong, c_void};

use crate::layout::E820Entry;
use crate::logger::xentoollog_logger;

/// An open handle, known to the library alone.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
#[derive(Debug)]
pub struct xc_interface {
    _opaque: [u8; 0],
}

macro_rules! functions {
    ($($(#[$doc:meta])* $field:ident = $symbol:literal: ($($arg:ty),*) -> $ret:ty;)*) => {
        /// One pointer per call; `None` where the loaded library does not have it.
        ///
        /// A call may be made with a handle that [`Functions::interface_open`] of the same library
        /// gave and that is not closed, and with pointers to as much memory of the given layout as
        /// the C header asks for. Structures whose layout differs between releases are passed as
        /// `*mut c_void`: [`Profile`](crate::Profile) says which one the library reads.
        #[derive(Debug, Clone, Copy)]
        #[non_exhaustive]
        pub struct Functions {
            $($(#[$doc])* #[doc(alias = $symbol)]
              pub $field: Option<unsafe extern "C" fn($($arg),*) -> $ret>,)*
        }

        impl Functions {
            /// Looks every call up in `library`.
            ///
            /// # Safety
            /// `library` must be libxenctrl of a release with a known profile, and must never be
            /// unloaded.
            pub(crate) unsafe fn load(library: &libloading::os::unix::Library) -> Self {
                Self {
                    $(
                    // SAFETY: the symbol must have the type declared for it: the caller promises
                    // libxenctrl, whose prototypes the table below repeats.
                    $field: unsafe { library.get($symbol) }.ok().map(|symbol| *symbol),
                    )*
                }
            }
        }
    };
}

functions! {
    /// Opens a handle; null and errno on failure.
    interface_open = "xc_interface_open":
        (*mut xentoollog_logger, *mut xentoollog_logger, c_uint) -> *mut xc_interface;
    /// Closes a handle.
    interface_close = "xc_interface_close": (*mut xc_interface) -> c_int;
    /// Asks for version information; the command decides what the last argument points to.
    version = "xc_version": (*mut xc_interface, c_int, *mut c_void) -> c_int;
    /// Reads facts about the host into a [`PhysInfo`](crate::PhysInfo).
    physinfo = "xc_physinfo": (*mut xc_interface, *mut c_void) -> c_int;

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
    domain_sethandle = "xc_domain_sethandle": (*mut xc_interface, u32, *mut u8) -> c_int;

    /// Sets the ceiling of a domain's memory, in KiB.
    domain_setmaxmem = "xc_domain_setmaxmem": (*mut xc_interface, u32, u64) -> c_int;
    /// Sets the size of the pseudo-physical map a PV domain is told, in KiB.
    domain_set_memmap_limit = "xc_domain_set_memmap_limit":
        (*mut xc_interface, u32, c_ulong) -> c_int;
    /// Sets the memory map a domain is told.
    domain_set_memory_map = "xc_domain_set_memory_map":
        (*mut xc_interface, u32, *mut E820Entry, u32) -> c_int;
    /// Reserves free pages for a domain, or gives the rest of a reservation back.
    domain_claim_pages = "xc_domain_claim_pages": (*mut xc_interface, u32, c_ulong) -> c_int;
    /// Reads the size of the paging pool, in bytes; from 4.17.
    get_paging_mempool_size = "xc_get_paging_mempool_size":
        (*mut xc_interface, u32, *mut u64) -> c_int;
    /// Sets the size of the paging pool, in bytes; from 4.17.
    set_paging_mempool_size = "xc_set_paging_mempool_size":
        (*mut xc_interface, u32, u64) -> c_int;

    /// Creates a domain's virtual CPUs.
    domain_max_vcpus = "xc_domain_max_vcpus": (*mut xc_interface, u32, c_uint) -> c_int;
    /// Sets how a domain sees the time-stamp counter: mode, ns elapsed, kHz, incarnation.
    domain_set_tsc_info = "xc_domain_set_tsc_info":
        (*mut xc_interface, u32, u32, u64, u32, u32) -> c_int;

    /// Allocates a port in a domain for another to bind; returns the port.
    evtchn_alloc_unbound = "xc_evtchn_alloc_unbound": (*mut xc_interface, u32, u32) -> c_int;
    /// Reads a parameter of an HVM or PVH domain.
    hvm_param_get = "xc_hvm_param_get": (*mut xc_interface, u32, u32, *mut u64) -> c_int;
    /// Sets a parameter of an HVM or PVH domain.
    hvm_param_set = "xc_hvm_param_set": (*mut xc_interface, u32, u32, u64) -> c_int;

    /// Shadow and HAP pool operations of 4.16 and later: operation, MiB, mode.
    shadow_control = "xc_shadow_control":
        (*mut xc_interface, u32, c_uint, *mut c_uint, c_uint) -> c_int;
    /// The same symbol as 4.15 declares it: operation, dirty bitmap, pages, MiB, mode, statistics.
    shadow_control_4_15 = "xc_shadow_control":
        (*mut xc_interface, u32, c_uint, *mut c_void, c_ulong, *mut c_ulong, u32, *mut c_void)
        -> c_int;
}
