//! Structures that cross the library's boundary, the same in every release.

#![allow(
    unpredictable_function_pointer_comparisons,
    reason = "derived for every structure; nobody compares callbacks"
)]

use std::ffi::{c_int, c_uint, c_void};
use std::ptr::NonNull;

use xenctrl_sys::DeclaredLayout;

xenctrl_sys::c_structs! {
    /// `xen_cpuid_leaf_t` (`xen/include/public/arch-x86/xen.h`).
    pub struct CpuidLeaf = "xen_cpuid_leaf_t" [15, 22], 24 bytes {
        0: leaf: u32,
        4: subleaf: u32,
        8: a: u32,
        12: b: u32,
        16: c: u32,
        20: d: u32,
    }

    /// `xen_msr_entry_t` (`xen/include/public/arch-x86/xen.h`).
    pub struct MsrEntry = "xen_msr_entry_t" [15, 22], 16 bytes {
        0: idx: u32,
        4: flags: u32,
        8: val: u64,
    }

    /// `struct precopy_stats` (`tools/include/xenguest.h`), passed by value.
    pub struct PrecopyStats = "struct precopy_stats" [15, 22], 24 bytes {
        0: iteration: u32,
        8: total_written: u64,
        16: dirty_count: i64,
    }

    /// `struct save_callbacks` (`tools/include/xenguest.h`).
    pub struct SaveCallbacks = "struct save_callbacks" [15, 22], 56 bytes {
        0: suspend: Callback,
        8: precopy_policy: PrecopyPolicy,
        16: postcopy: Callback,
        24: checkpoint: Callback,
        32: wait_checkpoint: Callback,
        40: switch_qemu_logdirty: SwitchLogDirty,
        48: data: Option<NonNull<c_void>>,
    }

    /// `struct restore_callbacks` (`tools/include/xenguest.h`).
    pub struct RestoreCallbacks = "struct restore_callbacks" [15, 22], 56 bytes {
        0: static_data_done: StaticDataDone,
        8: suspend: Callback,
        16: postcopy: Callback,
        24: checkpoint: Callback,
        32: wait_checkpoint: Callback,
        40: restore_results: RestoreResults,
        48: data: Option<NonNull<c_void>>,
    }
}

/// Takes `data`. What it answers depends on the callback; none unwinds.
pub type Callback = Option<unsafe extern "C" fn(*mut c_void) -> c_int>;
/// Takes what was sent so far and `data`; answers with one of `XGS_POLICY_*`.
pub type PrecopyPolicy = Option<unsafe extern "C" fn(PrecopyStats, *mut c_void) -> c_int>;
/// Takes domain, whether writes are to be logged, `data`; answers 0, or anything else for a
/// failure.
pub type SwitchLogDirty = Option<unsafe extern "C" fn(u32, c_uint, *mut c_void) -> c_int>;
/// Takes `XGR_SDD_MISSING_*` and `data`; answers 0, or anything else for a failure.
pub type StaticDataDone = Option<unsafe extern "C" fn(c_uint, *mut c_void) -> c_int>;
/// Takes the frames of the store's and the console's rings and `data`.
pub type RestoreResults = Option<unsafe extern "C" fn(u64, u64, *mut c_void)>;

/// Every structure that is declared, but for the image.
pub fn declared_layouts() -> &'static [DeclaredLayout] {
    LAYOUTS
}

/// The subleaf of a leaf that has none (`XEN_CPUID_NO_SUBLEAF`).
pub const XEN_CPUID_NO_SUBLEAF: u32 = 0xffff_ffff;
