//! libxenevtchn: ports are numbers in a FIFO.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_uint, c_void};
use std::os::fd::{BorrowedFd, IntoRawFd as _, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

use crate::domains::Domain;
use crate::place::{self, failed};

/// The FIFO by which ports are raised towards the daemon. The process keeps it open.
static RAISED: AtomicI32 = AtomicI32::new(-1);

/// Whether there are bindings that an earlier program made.
static INHERITED: AtomicBool = AtomicBool::new(false);

/// The FIFOs towards the domains, by the daemon's port.
static BOUND: Mutex<BTreeMap<u32, OwnedFd>> = Mutex::new(BTreeMap::new());

#[unsafe(no_mangle)]
extern "C" fn xenevtchn_open(_logger: *mut c_void, flags: c_uint) -> *mut c_void {
    let inherited = if flags & NO_CLOEXEC == 0 { OFlags::CLOEXEC } else { OFlags::empty() };
    match fifo("evtchn", inherited) {
        Ok(fd) => {
            RAISED.store(fd.into_raw_fd(), Ordering::Relaxed);
            place::handle()
        }
        Err(error) => {
            failed(error);
            null_mut()
        }
    }
}

/// Takes over a descriptor that was kept across exec, in a live update. In Xen the bindings stay with
/// it, so the daemon does not make them again.
#[unsafe(no_mangle)]
extern "C" fn xenevtchn_fdopen(_logger: *mut c_void, fd: c_int, _flags: c_uint) -> *mut c_void {
    RAISED.store(fd, Ordering::Relaxed);
    INHERITED.store(true, Ordering::Relaxed);
    place::handle()
}

#[unsafe(no_mangle)]
extern "C" fn xenevtchn_close(_handle: *mut c_void) -> c_int {
    bound().clear();
    0
}

#[unsafe(no_mangle)]
extern "C" fn xenevtchn_fd(_handle: *mut c_void) -> c_int {
    RAISED.load(Ordering::Relaxed)
}

/// The new port is raised at once, as Xen does (`xen/common/event_channel.c`): what the domain
/// notified before went to nobody.
#[unsafe(no_mangle)]
extern "C" fn xenevtchn_bind_interdomain(_: *mut c_void, domain: u32, _remote: u32) -> c_int {
    let port = towards(domain).and_then(|fd| {
        let port = FIRST_OF_DOMAINS + domain;
        bound().insert(port, fd);
        rustix::io::write(raised()?, &port.to_ne_bytes())?;
        Ok(port.cast_signed())
    });
    port.unwrap_or_else(failed)
}

#[unsafe(no_mangle)]
extern "C" fn xenevtchn_bind_virq(_handle: *mut c_void, _virq: c_uint) -> c_int {
    DOMAIN_EXCEPTION
}

#[unsafe(no_mangle)]
extern "C" fn xenevtchn_unbind(_handle: *mut c_void, port: u32) -> c_int {
    bound().remove(&port);
    0
}

#[unsafe(no_mangle)]
extern "C" fn xenevtchn_notify(_handle: *mut c_void, port: u32) -> c_int {
    let mut bound = bound();
    if !bound.contains_key(&port)
        && INHERITED.load(Ordering::Relaxed)
        && let Some(domain) = port.checked_sub(FIRST_OF_DOMAINS)
        && let Ok(fd) = towards(domain)
    {
        bound.insert(port, fd);
    }
    match bound.get(&port) {
        // A full FIFO is readable already, which is all that a notification says.
        Some(fd) => match rustix::io::write(fd, &[1]) {
            Ok(_) | Err(Errno::AGAIN) => 0,
            Err(error) => failed(error),
        },
        None => failed(Errno::INVAL),
    }
}

#[unsafe(no_mangle)]
extern "C" fn xenevtchn_pending(_handle: *mut c_void) -> c_int {
    let mut port = [0; 4];
    match raised().and_then(|fd| rustix::io::read(fd, &mut port)) {
        Ok(4) => i32::from_ne_bytes(port),
        // Ports are written whole (pipe(7): up to 4096 bytes are).
        Ok(_) => failed(Errno::IO),
        Err(error) => failed(error),
    }
}

/// Nothing masks a port here, so it can be raised again at once.
#[unsafe(no_mangle)]
extern "C" fn xenevtchn_unmask(_handle: *mut c_void, _port: u32) -> c_int {
    0
}

/// Opens the FIFO towards a domain, which must be there.
fn towards(domain: u32) -> Result<OwnedFd> {
    let id = u16::try_from(domain).ok().filter(|id| Domain::exists(*id)).ok_or(Errno::SRCH)?;
    fifo(&format!("evtchn.{id}"), OFlags::CLOEXEC)
}

/// Opens a FIFO, which the tests may have open already; neither end ever finds it hung up.
fn fifo(name: &str, more: OFlags) -> Result<OwnedFd> {
    let path = place::path(name);
    match rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => (),
        Err(error) => return Err(error),
    }
    rustix::fs::open(&path, OFlags::RDWR | OFlags::NONBLOCK | more, Mode::empty())
}

/// The FIFO by which ports are raised, once it is open.
fn raised() -> Result<BorrowedFd<'static>> {
    let raised = RAISED.load(Ordering::Relaxed);
    if raised < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the descriptor is open for ever: whoever stored it in RAISED left it to this module,
    // which never closes it.
    Ok(unsafe { BorrowedFd::borrow_raw(raised) })
}

fn bound() -> MutexGuard<'static, BTreeMap<u32, OwnedFd>> {
    BOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `XENEVTCHN_NO_CLOEXEC` (tools/include/xenevtchn.h): live update hands the descriptor on.
const NO_CLOEXEC: c_uint = 1;

const DOMAIN_EXCEPTION: c_int = 1;
const FIRST_OF_DOMAINS: u32 = 1000;
