//! The folder that the machine is made of, and how C is told of a failure.

use std::env;
use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The file `name` of the machine.
pub(crate) fn path(name: impl AsRef<Path>) -> PathBuf {
    PathBuf::from(env::var_os(FOLDER).unwrap_or_else(|| ".".into())).join(name)
}

/// What a library's `..._open` returns.
///
/// libxenctrl keeps the last error behind its handle, and oxenstored's bindings read it with the
/// real library's function after a failure: they must find zeroes, "none recorded".
pub(crate) fn handle() -> *mut c_void {
    static ZEROES: [u64; 1024] = [0; 1024];
    ZEROES.as_ptr().cast_mut().cast()
}

/// Sets `errno` and returns what most C functions return then.
pub(crate) fn failed(error: Errno) -> c_int {
    // SAFETY: the function takes nothing and returns this thread's own, always valid place.
    let place = unsafe { __errno_location() };
    // SAFETY: the place is this thread's own, so nobody else writes or reads it now.
    unsafe { *place = error.raw_os_error() };
    -1
}

/// A result in the way of C: 0, or -1 and `errno`.
pub(crate) fn status(result: rustix::io::Result<()>) -> c_int {
    result.map_or_else(failed, |()| 0)
}

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

/// The environment variable that names the folder.
pub(crate) const FOLDER: &str = "FAKEXEN_DIR";
