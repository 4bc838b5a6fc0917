//! Dumps of a domain's memory.

use std::any::Any;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rustix::io::Errno;
use xen_types::DomId;
use xenguest_sys::{DomainInfo, XEN_DOMINF_HVM_GUEST, xc_interface};

use super::{LibXenGuest, handle};
use crate::MOST_PV_FRAMES;
use crate::backend::outcome::check;
use crate::backend::{CallError, DumpCalls};

impl DumpCalls for LibXenGuest {
    fn domain_dumpcore(&self, dom: DomId, path: &CStr) -> Result<(), CallError> {
        let before_4_16 = self.library.ctrl().functions().dump.domain_dumpcore;
        let function = self.library.functions().domain_dumpcore.or(before_4_16);
        let dump = self.function("xc_domain_dumpcore", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        self.can_be_dumped(handle, dom)?;
        check(|| {
            // SAFETY: the handle must be open and the path terminated: `interface` holds it open until
            // the end of this function, and CStr is. The domain must be one that it stays in
            // bounds with: see `can_be_dumped`.
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
        self.can_be_dumped(handle, dom)?;
        let mut receiver = Receiver { piece, panic: None };
        let argument = (&raw mut receiver).cast();
        let done = check(|| {
            // SAFETY: the argument must be what `take` expects, for as long as the call runs, which does
            // not keep it: it points to `receiver`, which nobody else uses meanwhile. libxc passes
            // memory of its own and, in one piece of a page, the shared info (xg_core.c). The domain must
            // be one that it stays in bounds with: see `can_be_dumped`.
            unsafe { dump(handle, dom.into(), argument, take) }
        });
        if let Some(panic) = receiver.panic {
            resume_unwind(panic);
        }
        done
    }
}

impl LibXenGuest {
    /// Refuses domains with which libxenguest leaves its bounds.
    ///
    /// Of one without virtual CPUs it would allocate room for the contexts of none and write those of 2^32
    /// there (`xc_domain_dumpcore_via_callback`, `tools/libs/guest/xg_core.c`). Of a PV domain it reads as
    /// many entries of a page as the guest says that it has frames for (`xc_core_arch_map_p2m_tree_rw`,
    /// `tools/libs/guest/xg_core_x86.c`). A domain keeps its virtual CPUs, and a paused one what it says;
    /// that another takes its number between this and the dump is what the
    /// caller of [`Xg::dump_core`](crate::Xg::dump_core) must not let happen.
    fn can_be_dumped(&self, handle: *mut xc_interface, dom: DomId) -> Result<(), CallError> {
        let functions = self.library.ctrl().functions();
        let list = self.function("xc_domain_getinfolist", functions.domain.domain_getinfolist)?;
        // The fields looked at stand in the same place in every release; the older structure is shorter.
        let mut info = DomainInfo::default();
        // SAFETY: one entry must be writable: `info` is the largest known.
        let found = unsafe { list(handle, dom.into(), 1, (&raw mut info).cast()) };
        if found != 1 || info.domain != dom.raw() {
            return Err(CallError::Failed { errno: Some(Errno::SRCH), said: Vec::new() });
        }
        if info.max_vcpu_id == u32::MAX {
            return Err(CallError::NoVcpu);
        }
        if info.flags & XEN_DOMINF_HVM_GUEST != 0 {
            return Ok(());
        }
        let frames = self.function("xc_domain_nr_gpfns", functions.memory.domain_nr_gpfns)?;
        let mut count = 0;
        // SAFETY: one number must be writable: `count` is.
        check(|| unsafe { frames(handle, dom.into(), &mut count) })?;
        if count > MOST_PV_FRAMES { Err(CallError::TooManyFrames(count)) } else { Ok(()) }
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
