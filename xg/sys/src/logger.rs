//! What the library says during a call, kept for the error that the call ends in.
//!
//! libxenguest returns -1 and explains itself in its log: "kernel is not a bzImage", "no loader
//! found". It logs on the thread that called it, so the lines of one call are collected per thread.
//! Every line also goes where libxenctrl's go, to `tracing`.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong};
use std::panic::{AssertUnwindSafe, catch_unwind};

use xenctrl_sys::{VaList, xentoollog_logger};

use crate::progress;

/// What the library said during one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    /// Warnings and errors, oldest first; the last few if there were many.
    pub problems: Vec<String>,
    /// The last line of any other kind.
    pub last: Option<String>,
}

/// Runs `call` and returns with its result what the library said on this thread meanwhile.
///
/// Calls may nest: the outer one does not see what the inner one took.
pub fn messages_of<R>(call: impl FnOnce() -> R) -> (R, Messages) {
    let outer = Restore(COLLECTED.replace(Some(Messages::default())));
    let result = call();
    let messages = COLLECTED.take().unwrap_or_default();
    drop(outer);
    (result, messages)
}

/// Sets errno to 0, so that a call which fails without setting it is not blamed on an older error.
pub fn clear_errno() {
    // SAFETY: must be the calling thread's errno: that is what the function returns (glibc, musl).
    let errno = unsafe { __errno_location() };
    // SAFETY: must be writable: errno is.
    unsafe { errno.write(0) };
}

/// Puts back what an outer [`messages_of`] had collected, also when the call panics.
struct Restore(Option<Messages>);

impl Drop for Restore {
    fn drop(&mut self) {
        COLLECTED.set(self.0.take());
    }
}

/// The logger to pass to `xc_interface_open`, for both of its logger arguments. It has no state of
/// its own and lives as long as the program.
pub(crate) fn logger() -> *mut xentoollog_logger {
    (&raw const LOGGER).cast_mut()
}

static LOGGER: xentoollog_logger = xentoollog_logger { vmessage, progress: Some(report), destroy };

unsafe extern "C" fn vmessage(
    _logger: *mut xentoollog_logger,
    level: c_uint,
    errnoval: c_int,
    context: *const c_char,
    format: *const c_char,
    al: VaList,
) {
    // A panic must not unwind into C; what can panic here is the allocation of a line.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        COLLECTED.with_borrow_mut(|collected| {
            let Some(messages) = collected else { return };
            // SAFETY: a list whose format is `format`: libxentoollog hands on both together.
            let line = unsafe { format_line(format, al) };
            keep(messages, level, line);
        });
    }));
    let next = xenctrl_sys::logger();
    // SAFETY: must be a logger that lives: libxenctrl's lives as long as the program.
    let forward = unsafe { (*next).vmessage };
    // SAFETY: takes what this function was given, unused: `format_line` read a copy of the list.
    unsafe { forward(next, level, errnoval, context, format, al) };
}

unsafe extern "C" fn report(
    _logger: *mut xentoollog_logger,
    context: *const c_char,
    doing_what: *const c_char,
    percent: c_int,
    done: c_ulong,
    total: c_ulong,
) {
    // SAFETY: must be a C string: what xtl_progress takes (xentoollog.h).
    let doing = unsafe { CStr::from_ptr(doing_what) };
    progress::tell(doing, done, total);
    let next = xenctrl_sys::logger();
    // SAFETY: must be a logger that lives: libxenctrl's lives as long as the program.
    if let Some(forward) = unsafe { (*next).progress } {
        // SAFETY: takes what this function was given.
        unsafe { forward(next, context, doing_what, percent, done, total) };
    }
}

unsafe extern "C" fn destroy(_logger: *mut xentoollog_logger) {}

fn keep(messages: &mut Messages, level: c_uint, line: String) {
    if line.is_empty() {
        return;
    }
    if level < WARN {
        messages.last = Some(line);
        return;
    }
    if messages.problems.len() == MOST_PROBLEMS {
        messages.problems.remove(0);
    }
    messages.problems.push(line);
}

/// Formats one line from a copy of the list, so that the list itself can be read once more.
///
/// # Safety
/// `format` must be a C string and `al` hold the arguments that it names, none of them read yet.
unsafe fn format_line(format: *const c_char, al: VaList) -> String {
    // SAFETY: must point to the list's state: that is what a `va_list` parameter is on x86-64.
    let mut copy = unsafe { al.cast::<VaListState>().read() };
    let mut buffer = [0_u8; LINE_BYTES];
    // SAFETY: at most the given number of bytes may be written, which is the buffer's size; the
    // caller promises the format and its arguments, and the copy stands where the list stood.
    let written = unsafe {
        vsnprintf(buffer.as_mut_ptr().cast(), buffer.len(), format, (&raw mut copy).cast())
    };
    if written < 0 {
        return String::new();
    }
    let line = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
    line.to_string_lossy().trim().to_owned()
}

/// The state of a `va_list` (System V ABI, AMD64 supplement, figure 3.34); `va_copy` copies it.
#[repr(C)]
#[derive(Clone, Copy)]
struct VaListState {
    gp_offset: u32,
    fp_offset: u32,
    overflow_arg_area: *const u64,
    reg_save_area: *const u64,
}

unsafe extern "C" {
    fn vsnprintf(buffer: *mut c_char, size: usize, format: *const c_char, al: VaList) -> c_int;
    fn __errno_location() -> *mut c_int;
}

thread_local! {
    static COLLECTED: RefCell<Option<Messages>> = const { RefCell::new(None) };
}

/// `XTL_WARN` of `xentoollog.h`.
const WARN: c_uint = 7;
/// A failing build says a handful of things; a flood's end says more than its beginning.
const MOST_PROBLEMS: usize = 8;
/// libxc's own messages are at most 1024 bytes (`XC_MAX_ERROR_MSG_LEN`).
const LINE_BYTES: usize = 1536;

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    /// Logs as `xtl_logv` does, with one string as the argument of the format.
    fn log(level: c_uint, format: &CStr, argument: &str) {
        let argument = CString::new(argument).unwrap();
        let arguments = [argument.as_ptr() as u64];
        let mut list = VaListState {
            gp_offset: 48,
            fp_offset: 176,
            overflow_arg_area: arguments.as_ptr(),
            reg_save_area: std::ptr::null(),
        };
        // SAFETY: a format and a list with the argument that it names: made above.
        unsafe {
            vmessage(logger(), level, -1, c"xc".as_ptr(), format.as_ptr(), (&raw mut list).cast());
        }
    }

    #[test]
    fn problems_are_kept_in_order_and_of_the_rest_the_last() {
        let ((), messages) = messages_of(|| {
            log(3, c"trying %s loader", "bzImage");
            log(8, c"panic: %s\n", "no loader found");
            log(3, c"trying %s loader", "ELF");
        });
        assert_eq!(messages.problems, ["panic: no loader found"]);
        assert_eq!(messages.last.as_deref(), Some("trying ELF loader"));
    }

    #[test]
    fn of_a_flood_of_problems_the_last_are_kept() {
        let ((), messages) = messages_of(|| {
            (0..20).for_each(|n| log(8, c"%s", &n.to_string()));
        });
        assert_eq!(messages.problems, ["12", "13", "14", "15", "16", "17", "18", "19"]);
    }

    #[test]
    fn a_line_said_outside_a_call_is_not_kept() {
        log(8, c"%s", "before");
        let ((), messages) = messages_of(|| ());
        assert_eq!(messages, Messages::default());
    }

    #[test]
    fn an_inner_call_keeps_its_lines_from_the_outer() {
        let (inner, outer) = messages_of(|| {
            log(8, c"%s", "outer");
            messages_of(|| log(8, c"%s", "inner")).1
        });
        assert_eq!(inner.problems, ["inner"]);
        assert_eq!(outer.problems, ["outer"]);
    }

    #[test]
    fn an_overlong_line_is_cut() {
        let ((), messages) = messages_of(|| log(8, c"%s", &"x".repeat(5000)));
        assert_eq!(messages.problems, ["x".repeat(LINE_BYTES - 1)]);
    }

    #[test]
    fn a_cleared_errno_is_no_error() {
        let _ = std::fs::metadata("/nowhere").unwrap_err();
        clear_errno();
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(0));
    }
}
