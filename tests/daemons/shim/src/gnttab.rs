//! libxengnttab, of which xenstored maps one page per domain.

use std::ffi::{c_int, c_uint, c_void};
use std::fs::File;
use std::ptr::null_mut;

use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags};

use crate::domains::Domain;
use crate::place::{self, failed, status};

#[unsafe(no_mangle)]
extern "C" fn xengnttab_open(_logger: *mut c_void, _flags: c_uint) -> *mut c_void {
    place::handle()
}

#[unsafe(no_mangle)]
extern "C" fn xengnttab_close(_handle: *mut c_void) -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn xengnttab_set_max_grants(_handle: *mut c_void, _count: u32) -> c_int {
    0
}

/// Of all grants of a domain only the reserved one for the store is asked for.
#[unsafe(no_mangle)]
extern "C" fn xengnttab_map_grant_ref(
    _handle: *mut c_void,
    domain: u32,
    _reference: u32,
    _protection: c_int,
) -> *mut c_void {
    ring(domain)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn xengnttab_unmap(_: *mut c_void, address: *mut c_void, pages: u32) -> c_int {
    // SAFETY: the caller gives up what `xengnttab_map_grant_ref` gave it, and its size.
    status(unsafe { rustix::mm::munmap(address, PAGE * pages as usize) })
}

/// Maps the ring of a domain, or fails as Xen does for one that is not there.
pub(crate) fn ring(domain: u32) -> *mut c_void {
    map(domain).unwrap_or_else(|error| {
        failed(error);
        null_mut()
    })
}

fn map(domain: u32) -> Result<*mut c_void> {
    let id = u16::try_from(domain).ok().filter(|id| Domain::exists(*id)).ok_or(Errno::SRCH)?;
    let file = File::options().read(true).write(true).open(place::path(format!("ring.{id}")));
    let file = file.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel chooses a free place, so no mapping is replaced; the tests never shorten
    // the file below a page.
    unsafe { rustix::mm::mmap(null_mut(), PAGE, access, MapFlags::SHARED, &file, 0) }
}

const PAGE: usize = 4096;
