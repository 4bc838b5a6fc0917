//! Where libxenctrl's and libxenguest's messages go: to [`tracing`], target `libxen`.
//!
//! Given no logger, libxc writes to stderr and, for the domain builder, to a file.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::Level;

/// A C `va_list` as a function parameter: on x86-64 a pointer to the list's state
/// (System V ABI, AMD64 supplement, section 3.5.7).
pub type VaList = *mut c_void;

/// `struct xentoollog_logger` of libxentoollog, a stable library: three callbacks.
#[repr(C)]
#[derive(Debug)]
#[allow(non_camel_case_types, clippy::use_self, reason = "as the C header writes it")]
#[allow(missing_docs, reason = "fields are those of tools/include/xentoollog.h")]
pub struct xentoollog_logger {
    pub vmessage: unsafe extern "C" fn(
        logger: *mut xentoollog_logger,
        level: c_uint,
        errnoval: c_int,
        context: *const c_char,
        format: *const c_char,
        al: VaList,
    ),
    pub progress: Option<
        unsafe extern "C" fn(
            logger: *mut xentoollog_logger,
            context: *const c_char,
            doing_what: *const c_char,
            percent: c_int,
            done: c_ulong,
            total: c_ulong,
        ),
    >,
    pub destroy: unsafe extern "C" fn(logger: *mut xentoollog_logger),
}

/// The logger to pass to `xc_interface_open`, for both of its logger arguments.
///
/// It lives as long as the program and has no state, so it may be shared by all handles and
/// threads. The libraries only read it.
pub fn logger() -> *mut xentoollog_logger {
    (&raw const LOGGER).cast_mut()
}

static LOGGER: xentoollog_logger =
    xentoollog_logger { vmessage, progress: Some(progress), destroy };

/// Prints one message. The caller, `xtl_logv`, keeps errno for the code that logs
/// (`tools/libs/toollog/xtl_core.c`, 4.17).
unsafe extern "C" fn vmessage(
    _logger: *mut xentoollog_logger,
    level: c_uint,
    errnoval: c_int,
    context: *const c_char,
    format: *const c_char,
    al: VaList,
) {
    let print = || {
        let level = tracing_level(level);
        if !enabled(level) {
            return;
        }
        // SAFETY: `format` and `al` must belong together: libxentoollog hands on what its caller,
        // checked by the C compiler's format attribute, wrote.
        let message = unsafe { format_message(format, al) };
        // SAFETY: a string or null, as xentoollog.h says of `context`.
        let context = unsafe { text(context) };
        emit(level, &context, errnoval, &message);
    };
    // A panic in a subscriber must not unwind into C. There is nobody left to tell.
    let _ = catch_unwind(AssertUnwindSafe(print));
}

unsafe extern "C" fn progress(
    _logger: *mut xentoollog_logger,
    context: *const c_char,
    doing_what: *const c_char,
    percent: c_int,
    _done: c_ulong,
    _total: c_ulong,
) {
    let print = || {
        // SAFETY: a string or null, as xentoollog.h says of `context`.
        let context = unsafe { text(context) };
        // SAFETY: a string, as xentoollog.h says of `doing_what`.
        let doing_what = unsafe { text(doing_what) };
        tracing::trace!(target: TARGET, context, percent, "{doing_what}");
    };
    let _ = catch_unwind(AssertUnwindSafe(print)); // as in `vmessage`
}

unsafe extern "C" fn destroy(_logger: *mut xentoollog_logger) {}

/// `xentoollog_level` starts with NONE 0, DEBUG 1, VERBOSE 2, DETAIL 3, PROGRESS 4, INFO 5,
/// NOTICE 6, WARN 7, ERROR 8, CRITICAL 9. libxc reports at ERROR what the caller gets as an error
/// and may well expect, so nothing of it is above debug except warnings and CRITICAL.
fn tracing_level(level: c_uint) -> Level {
    match level {
        0..=4 => Level::TRACE,
        5 | 6 | 8 => Level::DEBUG,
        7 => Level::WARN,
        _ => Level::ERROR,
    }
}

fn enabled(level: Level) -> bool {
    match level {
        Level::TRACE => tracing::enabled!(target: TARGET, Level::TRACE),
        Level::DEBUG => tracing::enabled!(target: TARGET, Level::DEBUG),
        Level::WARN => tracing::enabled!(target: TARGET, Level::WARN),
        _ => true,
    }
}

fn emit(level: Level, context: &str, errno: c_int, message: &str) {
    match level {
        Level::TRACE => tracing::trace!(target: TARGET, context, errno, "{message}"),
        Level::DEBUG => tracing::debug!(target: TARGET, context, errno, "{message}"),
        Level::WARN => tracing::warn!(target: TARGET, context, errno, "{message}"),
        _ => tracing::error!(target: TARGET, context, errno, "{message}"),
    }
}

/// # Safety
/// `format` must be a C string and `al` hold the arguments that it names.
unsafe fn format_message(format: *const c_char, al: VaList) -> String {
    let mut buffer = [0_u8; MESSAGE_BYTES];
    // SAFETY: at most the given number of bytes may be written, which is the buffer's size; the
    // caller promises the format and its arguments.
    let written = unsafe { vsnprintf(buffer.as_mut_ptr().cast(), buffer.len(), format, al) };
    if written < 0 {
        return "(a message that could not be formatted)".to_owned();
    }
    let text = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
    text.to_string_lossy().trim_end().to_owned()
}

/// # Safety
/// `string` must be null or a C string that lives until the return.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: a terminated string is needed: not null, so it is one, as the caller promises.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

unsafe extern "C" {
    fn vsnprintf(buffer: *mut c_char, size: usize, format: *const c_char, al: VaList) -> c_int;
}

const TARGET: &str = "libxen";
/// libxc's own messages are at most 1024 bytes (`XC_MAX_ERROR_MSG_LEN`); longer ones are cut.
const MESSAGE_BYTES: usize = 2048;

const _: () = assert!(size_of::<xentoollog_logger>() == 24);

#[cfg(test)]
#[path = "logger_tests.rs"]
mod tests;
