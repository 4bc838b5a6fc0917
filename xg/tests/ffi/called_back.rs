//! What a library does with functions it is given: calls them, as C declares them.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xen_abi::{Call, Layout, Stub, layout};

/// `struct precopy_stats` as the header has it.
#[repr(C)]
pub(crate) struct Stats {
    iteration: c_uint,
    total_written: c_ulong,
    dirty_count: c_long,
}

/// A table of functions and the pointer that each is given.
pub(crate) struct Table {
    layout: &'static Layout,
    bytes: Vec<u8>,
}

impl Table {
    /// The table that argument `index` points to, of this type.
    pub(crate) fn of(call: &Call<'_>, index: usize, name: &str, minor: u16) -> Self {
        let layout = layout(name, minor).unwrap();
        Self { layout, bytes: call.read(index, layout.size) }
    }

    fn pointer(&self, field: &str) -> *mut c_void {
        self.layout.value(&self.bytes, field) as *mut c_void
    }

    /// Whether there is such a function.
    pub(crate) fn has(&self, field: &str) -> bool {
        !self.pointer(field).is_null()
    }

    /// Calls a function that takes nothing more.
    pub(crate) fn call(&self, field: &str) -> c_int {
        type Plain = unsafe extern "C" fn(*mut c_void) -> c_int;
        // SAFETY: must be a function of this type: xenguest.h declares it so.
        let function = unsafe { std::mem::transmute::<*mut c_void, Plain>(self.pointer(field)) };
        // SAFETY: must be given the table's own pointer.
        unsafe { function(self.pointer("data")) }
    }

    /// Calls `precopy_policy`.
    pub(crate) fn policy(&self, iteration: u32, total_written: u64, dirty_count: i64) -> c_int {
        type Policy = unsafe extern "C" fn(Stats, *mut c_void) -> c_int;
        let pointer = self.pointer("precopy_policy");
        // SAFETY: must be a function of this type: xenguest.h declares it so.
        let function = unsafe { std::mem::transmute::<*mut c_void, Policy>(pointer) };
        let stats = Stats { iteration, total_written, dirty_count };
        // SAFETY: must be given the table's own pointer.
        unsafe { function(stats, self.pointer("data")) }
    }

    /// Calls `switch_qemu_logdirty`.
    pub(crate) fn log_dirty(&self, dom: u32, enable: c_uint) -> c_int {
        type Switch = unsafe extern "C" fn(u32, c_uint, *mut c_void) -> c_int;
        let pointer = self.pointer("switch_qemu_logdirty");
        // SAFETY: must be a function of this type: xenguest.h declares it so.
        let function = unsafe { std::mem::transmute::<*mut c_void, Switch>(pointer) };
        // SAFETY: must be given the table's own pointer.
        unsafe { function(dom, enable, self.pointer("data")) }
    }

    /// Calls `static_data_done`.
    pub(crate) fn static_data_done(&self, missing: c_uint) -> c_int {
        type Done = unsafe extern "C" fn(c_uint, *mut c_void) -> c_int;
        let pointer = self.pointer("static_data_done");
        // SAFETY: must be a function of this type: xenguest.h declares it so.
        let function = unsafe { std::mem::transmute::<*mut c_void, Done>(pointer) };
        // SAFETY: must be given the table's own pointer.
        unsafe { function(missing, self.pointer("data")) }
    }
}

/// The logger of the handle that was opened last, by its address.
#[derive(Clone)]
pub(crate) struct Logger(Arc<AtomicU64>);

impl Logger {
    /// That of each handle which is opened from now on.
    pub(crate) fn of(stub: &Stub) -> Self {
        let logger = Self(Arc::default());
        let opened = logger.clone();
        stub.on("xc_interface_open", move |call| {
            opened.0.store(call.number(0), Ordering::Relaxed);
            0x1000
        });
        logger
    }

    /// Reports progress, as `xtl_progress` does: with the second function of the logger.
    pub(crate) fn report(&self, doing: &CStr, done: u64, total: u64) {
        type Report = unsafe extern "C" fn(
            *mut c_void,
            *const c_char,
            *const c_char,
            c_int,
            c_ulong,
            c_ulong,
        );
        let logger = self.0.load(Ordering::Relaxed) as *mut c_void;
        let place = logger.cast::<Report>().wrapping_add(1);
        // SAFETY: must be a logger, whose second function is of this type: xentoollog.h.
        let report = unsafe { place.read() };
        let context = c"xc".as_ptr();
        // SAFETY: must be given its logger and C strings.
        unsafe { report(logger, context, doing.as_ptr(), 0, done, total) };
    }
}
