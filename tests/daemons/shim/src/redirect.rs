//! The C library's functions by which the daemons reach what only dom0 or root has.
//!
//! Each goes to the kernel itself (rustix calls no libc), so that no one has to find the function
//! that it stands before.

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::fd::{BorrowedFd, IntoRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::slice;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use rustix::process::{Resource, Rlimit};

use crate::place::{self, failed, status};

/// Variadic in C, where the mode is there only for some flags; the third register is read alike.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: open(2) demands a C string of its caller.
    let path = unsafe { path_at(path) };
    let file = match path.to_str() {
        Some("/proc/xen/xsd_kva") => place::path("ring.0"),
        Some("/proc/xen/xsd_port") => place::path("port"),
        _ => path.to_owned(),
    };
    let flags = OFlags::from_bits_retain(flags.cast_unsigned());
    // Without these the register holds whatever was in it.
    let mode = if flags.intersects(OFlags::CREATE | OFlags::TMPFILE) { mode } else { 0 };
    match rustix::fs::open(file, flags, Mode::from_bits_retain(mode)) {
        Ok(fd) => fd.into_raw_fd(),
        Err(error) => failed(error),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the caller keeps the same contract; on x86-64 the two are one function.
    unsafe { open(path, flags, mode) }
}

/// oxenstored makes the folder of its socket, which only root may.
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: c_uint) -> c_int {
    // SAFETY: mkdir(2) demands a C string of its caller.
    let path = unsafe { path_at(path) };
    status(rustix::fs::mkdir(moved(path), Mode::from_bits_retain(mode)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: unlink(2) demands a C string of its caller.
    let path = unsafe { path_at(path) };
    status(rustix::fs::unlink(moved(path)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn chmod(path: *const c_char, mode: c_uint) -> c_int {
    // SAFETY: chmod(2) demands a C string of its caller.
    let path = unsafe { path_at(path) };
    status(rustix::fs::chmod(moved(path), Mode::from_bits_retain(mode)))
}

/// Of Unix sockets only: the daemons bind no other.
#[unsafe(no_mangle)]
unsafe extern "C" fn bind(fd: c_int, address: *const c_void, length: c_uint) -> c_int {
    // SAFETY: bind(2) demands `length` readable bytes of its caller.
    let address = unsafe { slice::from_raw_parts(address.cast::<u8>(), length as usize) };
    let Some(path) = unix_path(address) else { return failed(Errno::AFNOSUPPORT) };
    // SAFETY: the descriptor is the caller's, who keeps it open during the call.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let bound = SocketAddrUnix::new(moved(path)).and_then(|to| rustix::net::bind(fd, &to));
    status(bound)
}

/// oxenstored raises its limit on descriptors, and gives up when it may not.
#[unsafe(no_mangle)]
unsafe extern "C" fn setrlimit(resource: c_uint, limit: *const [u64; 2]) -> c_int {
    if resource != RLIMIT_NOFILE {
        return failed(Errno::INVAL);
    }
    // SAFETY: setrlimit(2) demands a `struct rlimit` of its caller: two 64-bit numbers.
    let [current, maximum] = unsafe { *limit };
    let limit = Rlimit { current: Some(current), maximum: Some(maximum) };
    // An ordinary user may not raise it; the tests need no more descriptors than there are.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
    0
}

/// # Safety
/// `path` must be a C string for as long as the result is used.
unsafe fn path_at<'a>(path: *const c_char) -> &'a Path {
    // SAFETY: the caller promises a C string.
    let path = unsafe { CStr::from_ptr(path) };
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

/// The path in a `struct sockaddr_un`, if it is one with a name in the file system.
fn unix_path(address: &[u8]) -> Option<&Path> {
    let (family, path) = address.split_first_chunk()?;
    let path = path.split(|byte| *byte == 0).next().filter(|path| !path.is_empty())?;
    (u16::from_ne_bytes(*family) == AF_UNIX).then(|| Path::new(OsStr::from_bytes(path)))
}

/// `path`, or where it belongs: the folder of the socket is compiled into oxenstored.
fn moved(path: &Path) -> PathBuf {
    const COMPILED_IN: [&str; 2] = ["/var/run/xenstored", "/run/xenstored"];
    let below = COMPILED_IN.iter().find_map(|known| path.strip_prefix(known).ok());
    below.map_or_else(|| path.to_owned(), place::path)
}

const AF_UNIX: u16 = 1;
const RLIMIT_NOFILE: c_uint = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_in_an_address_ends_at_its_nul() {
        assert_eq!(unix_path(b"\x01\x00/run/s\x00garbage"), Some(Path::new("/run/s")));
    }

    #[test]
    fn the_folder_of_the_socket_is_that_of_the_machine() {
        assert_eq!(moved(Path::new("/var/run/xenstored")), place::path(""));
        assert_eq!(moved(Path::new("/run/xenstored/socket")), place::path("socket"));
        assert_eq!(moved(Path::new("/run/xenstored.log")), Path::new("/run/xenstored.log"));
    }

    #[test]
    fn an_abstract_address_has_no_path() {
        assert_eq!(unix_path(b"\x01\x00\x00name"), None);
    }

    #[test]
    fn an_internet_address_has_no_path() {
        assert_eq!(unix_path(b"\x02\x00/run/s"), None);
    }
}
