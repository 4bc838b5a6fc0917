//! Dumps of a domain's memory.

use std::any::Any;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rustix::io::Errno;
use xen_types::DomId;
use xenguest_sys::{DomainInfo, xc_interface};

use super::{LibXenGuest, handle};
use crate::backend::outcome::check;
use crate::backend::{CallError, DumpCalls};

impl DumpCalls for LibXenGuest {
    fn domain_dumpcore(&self, dom: DomId, path: &CStr) -> Result<(), CallError> {
        let before_4_16 = self.library.ctrl().functions().dump.domain_dumpcore;
        let function = self.library.functions().domain_dumpcore.or(before_4_16);
        let dump = self.function("xc_domain_dumpcore", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        self.has_vcpus(handle, dom)?;
        check(|| {
            // SAFETY: the handle must be open and the path terminated: `interface` holds it open until
            // the end of this function, and CStr is. The domain must have virtual CPUs: see `has_vcpus`.
            unsafe { dump(handle, dom.into(), path.as_ptr()) }
        })
    }

    fn domain_dumpcore_via_callback(
        &self,
        dom: DomId,
        piece: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), CallError> {
        let before_4_16 = self.library.ctrl().functions().dump.domain_dumpcore_via_callback;
        let function = self.library.functions().domain_dumpcore_via_callback.or(before_4_16);
        let dump = self.function("xc_domain_dumpcore_via_callback", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        self.has_vcpus(handle, dom)?;
        let mut receiver = Receiver { piece, panic: None };
        let argument = (&raw mut receiver).cast();
        let done = check(|| {
            // SAFETY: the argument must be what `take` expects, for as long as the call runs, which does
            // not keep it: it points to `receiver`, which nobody else uses meanwhile. libxc passes
            // memory of its own and, in one piece of a page, the shared info (xg_core.c). The domain must
            // have virtual CPUs: see `has_vcpus`.
            unsafe { dump(handle, dom.into(), argument, take) }
        });
        if let Some(panic) = receiver.panic {
            resume_unwind(panic);
        }
        done
    }
}

impl LibXenGuest {
    /// Refuses a domain without virtual CPUs: libxenguest would allocate room for the contexts of none
    /// and write those of 2^32 there (`xc_domain_dumpcore_via_callback`, `tools/libs/guest/xg_core.c`).
    /// A domain keeps its virtual CPUs; that another takes its number between this and the dump is what
    /// whoever destroys domains must not let happen.
    fn has_vcpus(&self, handle: *mut xc_interface, dom: DomId) -> Result<(), CallError> {
        let list = self.library.ctrl().functions().domain.domain_getinfolist;
        let list = self.function("xc_domain_getinfolist", list)?;
        // The fields looked at stand in the same place in every release; the older structure is shorter.
        let mut info = DomainInfo::default();
        // SAFETY: one entry must be writable: `info` is the largest known.
        let found = unsafe { list(handle, dom.into(), 1, (&raw mut info).cast()) };
        let gone = found != 1 || info.domain != dom.raw();
        match (gone, info.max_vcpu_id) {
            (true, _) => Err(CallError::Failed { errno: Some(Errno::SRCH), said: Vec::new() }),
            (false, u32::MAX) => Err(CallError::NoVcpu),
            (false, _) => Ok(()),
        }
    }
}

/// Who gets the pieces.
struct Receiver<'a> {
    piece: &'a mut dyn FnMut(&[u8]) -> bool,
    /// What it panicked with: not to unwind into C, kept until the call is over.
    panic: Option<Box<dyn Any + Send>>,
}

/// # Safety
/// `argument` must point to a [`Receiver`] that nobody else uses, and `length` bytes at `buffer` be
/// readable during the call; unless they are a page, nobody may write them.
unsafe extern "C" fn take(
    _handle: *mut xc_interface,
    argument: *mut c_void,
    buffer: *mut c_char,
    length: c_uint,
) -> c_int {
    // SAFETY: must be a receiver that nobody else uses: the caller's promise.
    let receiver = unsafe { &mut *argument.cast::<Receiver<'_>>() };
    let (buffer, length) = (buffer.cast::<u8>(), length as usize);
    let mut page = [0; PAGE];
    let bytes = if length == PAGE {
        // It may be the domain's shared info, which the domain writes; all else libxc has copied.
        for (at, byte) in page.iter_mut().enumerate() {
            let place = buffer.wrapping_add(at);
            // SAFETY: must be readable: within the page that the caller promises.
            *byte = unsafe { place.read_volatile() };
        }
        &page[..]
    } else {
        // SAFETY: must be so many readable bytes that nobody writes: the caller's promise.
        unsafe { std::slice::from_raw_parts(buffer, length) }
    };
    match catch_unwind(AssertUnwindSafe(|| (receiver.piece)(bytes))) {
        Ok(true) => 0,
        Ok(false) => STOPPED,
        Err(panic) => {
            receiver.panic = Some(panic);
            STOPPED
        }
    }
}

const PAGE: usize = 4096;
/// A negated errno, as libxc's own callback returns.
const STOPPED: c_int = -Errno::CANCELED.raw_os_error();
