//! What a call of libxenguest came to: its return value, errno and what it said.

use std::ffi::c_int;

use rustix::io::Errno;
use xenguest_sys::Messages;

use super::CallError;

/// What a failure may be explained with.
pub(super) type Reason = (Option<Errno>, Messages);

/// Makes a call that returns 0 or fails.
pub(super) fn check(call: impl FnOnce() -> c_int) -> Result<(), CallError> {
    match listen(call) {
        (0, _) => Ok(()),
        (returned, messages) => Err(failed(returned, messages)),
    }
}

/// Makes a call and keeps what it left behind for an explanation.
pub(super) fn listen<R>(call: impl FnOnce() -> R) -> (R, Reason) {
    let ((result, errno), messages) = xenguest_sys::messages_of(|| {
        xenguest_sys::clear_errno();
        let result = call();
        (result, std::io::Error::last_os_error().raw_os_error())
    });
    (result, (errno.filter(|raw| *raw != 0).map(Errno::from_raw_os_error), messages))
}

/// Some calls return -1 and set errno, some return a negative error number, some do neither and
/// explain themselves in the log.
pub(super) fn failed(returned: c_int, (errno, messages): Reason) -> CallError {
    let negated = (-4095..-1).contains(&returned).then(|| Errno::from_raw_os_error(-returned));
    let said = if messages.problems.is_empty() {
        messages.last.into_iter().collect()
    } else {
        messages.problems
    };
    CallError::Failed { errno: negated.or(errno), said }
}
