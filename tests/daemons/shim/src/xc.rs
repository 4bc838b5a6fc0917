//! libxenctrl 4.17: of its hundreds of functions, those that the daemons call.
//!
//! xenstored asks by `xc_domain_getinfo`, oxenstored by `xc_domain_getinfolist`. Both structures are
//! private to a release of Xen; the daemons that this is preloaded into are of 4.17.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::mem::MaybeUninit;
use std::slice;

use rustix::io::Errno;

use crate::domains::{self, Domain};
use crate::gnttab;
use crate::place::{self, failed};

/// `xc_dominfo_t` (tools/include/xenctrl.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct DomInfo {
    domid: u32,
    ssidref: u32,
    /// Bit fields, the first at the lowest bit: dying, crashed, shutdown, paused, blocked, running.
    state: u32,
    shutdown_reason: u32,
    nr_pages: u64,
    nr_outstanding_pages: u64,
    nr_shared_pages: u64,
    nr_paged_pages: u64,
    shared_info_frame: u64,
    cpu_time: u64,
    max_memkb: u64,
    nr_online_vcpus: u32,
    max_vcpu_id: u32,
    handle: [u8; 16],
    cpupool: u32,
    gpaddr_bits: u8,
    emulation_flags: u32,
    misc_flags: u32,
}

/// `xc_domaininfo_t`, which is `struct xen_domctl_getdomaininfo` (xen/include/public/domctl.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct DomainInfo {
    domain: u16,
    pad1: u16,
    flags: u32,
    tot_pages: u64,
    max_pages: u64,
    outstanding_pages: u64,
    shr_pages: u64,
    paged_pages: u64,
    shared_info_frame: u64,
    cpu_time: u64,
    nr_online_vcpus: u32,
    max_vcpu_id: u32,
    ssidref: u32,
    handle: [u8; 16],
    cpupool: u32,
    gpaddr_bits: u8,
    pad2: [u8; 7],
    emulation_flags: u32,
    misc_flags: u32,
}

// Measured with a C compiler on the headers of 4.17.
const _: () = assert!(size_of::<DomInfo>() == 112);
const _: () = assert!(size_of::<DomainInfo>() == 112);

impl From<Domain> for DomInfo {
    fn from(domain: Domain) -> Self {
        Self {
            domid: domain.id.into(),
            state: state(domain),
            shutdown_reason: domain.shutdown.unwrap_or_default().into(),
            ..Self::default()
        }
    }
}

impl From<Domain> for DomainInfo {
    fn from(domain: Domain) -> Self {
        const REASON_SHIFT: u32 = 16;
        let reason = u32::from(domain.shutdown.unwrap_or_default()) << REASON_SHIFT;
        Self { domain: domain.id, flags: state(domain) | reason, ..Self::default() }
    }
}

/// The bits that both structures happen to have in the same places.
fn state(domain: Domain) -> u32 {
    const DYING: u32 = 1;
    const SHUTDOWN: u32 = 1 << 2;
    const RUNNING: u32 = 1 << 5;
    let dying = if domain.dying { DYING } else { 0 };
    match domain.shutdown {
        Some(_) => dying | SHUTDOWN,
        None => dying | RUNNING,
    }
}

#[unsafe(no_mangle)]
extern "C" fn xc_interface_open(_: *mut c_void, _: *mut c_void, _flags: c_uint) -> *mut c_void {
    place::handle()
}

#[unsafe(no_mangle)]
extern "C" fn xc_interface_close(_interface: *mut c_void) -> c_int {
    0
}

/// Returns the number found; none at all is an error.
#[unsafe(no_mangle)]
unsafe extern "C" fn xc_domain_getinfo(
    _interface: *mut c_void,
    first: u32,
    limit: c_uint,
    info: *mut DomInfo,
) -> c_int {
    // SAFETY: the caller's `info` has room for `limit` entries (xenctrl.h).
    match unsafe { fill(first, limit, info) } {
        0 => failed(Errno::SRCH),
        found => found,
    }
}

/// Returns the number found, which may be none.
#[unsafe(no_mangle)]
unsafe extern "C" fn xc_domain_getinfolist(
    _interface: *mut c_void,
    first: u32,
    limit: c_uint,
    info: *mut DomainInfo,
) -> c_int {
    // SAFETY: the caller's `info` has room for `limit` entries (xenctrl.h).
    unsafe { fill(first, limit, info) }
}

/// oxenstored names the frame of the ring; there is one per domain, whatever the frame.
#[unsafe(no_mangle)]
extern "C" fn xc_map_foreign_range(
    _interface: *mut c_void,
    domain: u32,
    _size: c_int,
    _protection: c_int,
    _frame: c_ulong,
) -> *mut c_void {
    gnttab::ring(domain)
}

/// # Safety
/// `info` must have room for `limit` entries, of which the caller has no other reference.
unsafe fn fill<T: From<Domain>>(first: u32, limit: c_uint, info: *mut T) -> c_int {
    let domains = domains::from(first, limit as usize);
    let info = info.cast::<MaybeUninit<T>>();
    // SAFETY: there are at most `limit` domains, and the caller has room for so many.
    let info = unsafe { slice::from_raw_parts_mut(info, domains.len()) };
    for (entry, domain) in info.iter_mut().zip(&domains) {
        entry.write((*domain).into());
    }
    // Domain ids have 15 bits.
    domains.len() as c_int
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn the_list_entry_is_laid_out_as_the_toolstack_reads_it() {
        assert_eq!(size_of::<DomainInfo>(), size_of::<xenctrl_sys::DomainInfo>());
        assert_eq!(offset_of!(DomainInfo, flags), offset_of!(xenctrl_sys::DomainInfo, flags));
        assert_eq!(offset_of!(DomainInfo, handle), offset_of!(xenctrl_sys::DomainInfo, handle));
        let arch = offset_of!(xenctrl_sys::DomainInfo, arch_config);
        assert_eq!(offset_of!(DomainInfo, emulation_flags), arch);
    }

    #[test]
    fn the_fields_of_the_older_entry_lie_where_the_compiler_put_them() {
        assert_eq!(offset_of!(DomInfo, state), 8);
        assert_eq!(offset_of!(DomInfo, shutdown_reason), 12);
        assert_eq!(offset_of!(DomInfo, handle), 80);
        assert_eq!(offset_of!(DomInfo, emulation_flags), 104);
    }

    #[test]
    fn a_domain_that_shut_down_runs_no_more() {
        let ended = Domain { id: 7, dying: false, shutdown: Some(3) };
        assert_eq!(DomInfo::from(ended).state, 0b100);
        assert_eq!(DomInfo::from(ended).shutdown_reason, 3);
        assert_eq!(DomainInfo::from(ended).flags, 0x3_0004);
    }
}
