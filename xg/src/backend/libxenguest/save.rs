//! Writing a domain into a stream, and reading it from one.
//!
//! libxenguest gets a table of functions and one pointer for all of them. The pointer leads to a
//! [`Link`], which is on the stack of the call. No panic crosses the library: it is kept until the
//! call is over.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{c_int, c_uint, c_void};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use rustix::fs::{Mode, OFlags};
use rustix::io::{DupFlags, Errno};
use xen_types::DomId;
use xenguest_sys::{
    PrecopyStats, RestoreCallbacks, SaveCallbacks, XGR_CHECKPOINT_ERROR, XGS_POLICY_ABORT,
    observe_progress,
};

use super::{LibXenGuest, handle};
use crate::backend::outcome::check;
use crate::backend::{CallError, Ends, Restorer, SaveCalls, Saver};

impl SaveCalls for LibXenGuest {
    fn domain_save(
        &self,
        dom: DomId,
        to: BorrowedFd<'_>,
        flags: u32,
        stream: u32,
        callbacks: &mut dyn Saver,
    ) -> Result<(), CallError> {
        let save = self.function("xc_domain_save", self.library.functions().domain_save)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let mut to = Stream::of(to)?;
        let (descriptor, link) = (to.0.as_raw_fd(), Link::new(callbacks));
        let mut table = SaveCallbacks {
            suspend: Some(suspend),
            precopy_policy: Some(precopy_policy),
            postcopy: Some(postcopy),
            checkpoint: Some(checkpoint),
            wait_checkpoint: None, // of streams with answers alone
            switch_qemu_logdirty: Some(switch_qemu_logdirty),
            data: link.as_data(),
        };
        let done = observe_progress(
            &mut |progress| {
                if !link.call(true, |saver| saver.progress(progress)) || link.panicked() {
                    to.take_away();
                }
            },
            || {
                check(|| {
                    // SAFETY: the handle must be open, the descriptor too, and the table and what
                    // it points to live until the call returns, which keeps none of them
                    // (xg_sr_save.c): `interface`, `to`, `table` and `link` live to the end of this
                    // function. The functions must be of these types: the table's fields have them.
                    unsafe { save(handle, descriptor, dom.into(), flags, &mut table, stream, NONE) }
                })
            },
        );
        link.finish(done)
    }

    fn domain_restore(
        &self,
        dom: DomId,
        from: BorrowedFd<'_>,
        ends: Ends,
        stream: u32,
        callbacks: &mut dyn Restorer,
    ) -> Result<(u64, u64), CallError> {
        let functions = self.library.functions();
        let call = "xc_domain_restore";
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let link = Link::new(callbacks);
        let mut table = RestoreCallbacks {
            static_data_done: Some(static_data_done),
            checkpoint: Some(restore_checkpoint),
            data: link.as_data(),
            ..RestoreCallbacks::default() // the others are of streams with answers alone
        };
        let (from, dom) = (from.as_raw_fd(), dom.into());
        let (store, console) = (ends.store.0, ends.console.0);
        let (store_dom, console_dom) = (ends.store_domain.into(), ends.console_domain.into());
        let (mut store_ring, mut console_ring) = (0, 0);
        let rings = (&mut store_ring, &mut console_ring);
        let done = if let Some(restore) = functions.domain_restore_memflags {
            let restore = self.function(call, Some(restore))?;
            check(|| {
                // SAFETY: the handle must be open, the descriptor too, and the table, what it
                // points to and the frames live until the call returns, which keeps none of them
                // (xg_sr_restore.c): `interface`, the caller and this function's variables do. The
                // functions must be of these types: the table's fields have them.
                unsafe {
                    restore(
                        handle,
                        from,
                        dom,
                        store,
                        rings.0,
                        store_dom,
                        console,
                        rings.1,
                        console_dom,
                        stream,
                        &mut table,
                        NONE,
                        ANY_MEMORY,
                    )
                }
            })
        } else {
            let restore = self.function(call, functions.domain_restore)?;
            check(|| {
                // SAFETY: handle, descriptor, table and frames must be as for the longer prototype
                // above, and are the same ones; only releases with this prototype have the function
                // here.
                unsafe {
                    restore(
                        handle,
                        from,
                        dom,
                        store,
                        rings.0,
                        store_dom,
                        console,
                        rings.1,
                        console_dom,
                        stream,
                        &mut table,
                        NONE,
                    )
                }
            })
        };
        link.finish(done).map(|()| (store_ring, console_ring))
    }
}

/// The descriptor that the library writes to: a copy of the caller's, so that it can be taken away.
struct Stream(OwnedFd);

impl Stream {
    fn of(to: BorrowedFd<'_>) -> Result<Self, CallError> {
        let copy = rustix::io::fcntl_dupfd_cloexec(to, 3).map_err(failure)?;
        Ok(Self(copy))
    }

    /// Puts something in the descriptor's place that nobody can write to. The caller's own stays as
    /// it is.
    fn take_away(&mut self) {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let replaced = rustix::fs::open("/dev/null", flags, Mode::empty())
            .and_then(|nothing| rustix::io::dup3(nothing, &mut self.0, DupFlags::CLOEXEC));
        if let Err(error) = replaced {
            tracing::warn!(%error, "the save goes on: its stream could not be taken away");
        }
    }
}

fn failure(errno: Errno) -> CallError {
    CallError::Failed { errno: Some(errno), said: Vec::new() }
}

/// What the pointer leads to that callbacks are given. Shared, because a callback may itself call
/// what reports progress on this thread.
struct Link<'a, C: ?Sized> {
    callbacks: RefCell<&'a mut C>,
    /// What one of them panicked with.
    panic: RefCell<Option<Box<dyn Any + Send>>>,
}

impl<'a, C: ?Sized> Link<'a, C> {
    fn new(callbacks: &'a mut C) -> Self {
        Self { callbacks: RefCell::new(callbacks), panic: RefCell::default() }
    }

    fn as_data(&self) -> Option<NonNull<c_void>> {
        Some(NonNull::from(self).cast())
    }

    /// Calls one of them; `otherwise` is the answer inside of another, if this one panics, and from
    /// then on.
    fn call<R>(&self, otherwise: R, callback: impl FnOnce(&mut C) -> R) -> R {
        if self.panicked() {
            return otherwise;
        }
        let Ok(mut callbacks) = self.callbacks.try_borrow_mut() else { return otherwise };
        match catch_unwind(AssertUnwindSafe(|| callback(&mut callbacks))) {
            Ok(answer) => answer,
            Err(panic) => {
                *self.panic.borrow_mut() = Some(panic);
                otherwise
            }
        }
    }

    fn panicked(&self) -> bool {
        self.panic.borrow().is_some()
    }

    /// Goes on with a panic, if there was one.
    fn finish<R>(self, done: R) -> R {
        if let Some(panic) = self.panic.into_inner() {
            resume_unwind(panic);
        }
        done
    }
}

type Saving<'a> = Link<'a, dyn Saver + 'a>;
type Restoring<'a> = Link<'a, dyn Restorer + 'a>;

/// # Safety
/// `data` must point to a [`Saving`] that lives.
unsafe extern "C" fn suspend(data: *mut c_void) -> c_int {
    // SAFETY: must be such a link: the caller's promise.
    unsafe { &*data.cast::<Saving<'_>>() }.call(0, |saver| saver.suspend())
}

/// # Safety
/// As for [`suspend`].
unsafe extern "C" fn precopy_policy(stats: PrecopyStats, data: *mut c_void) -> c_int {
    // SAFETY: must be such a link: the caller's promise.
    unsafe { &*data.cast::<Saving<'_>>() }
        .call(XGS_POLICY_ABORT, |saver| saver.precopy_policy(stats))
}

/// # Safety
/// As for [`suspend`].
unsafe extern "C" fn postcopy(data: *mut c_void) -> c_int {
    // SAFETY: must be such a link: the caller's promise.
    unsafe { &*data.cast::<Saving<'_>>() }.call(-1, |saver| saver.postcopy())
}

/// # Safety
/// As for [`suspend`].
unsafe extern "C" fn checkpoint(data: *mut c_void) -> c_int {
    // SAFETY: must be such a link: the caller's promise.
    unsafe { &*data.cast::<Saving<'_>>() }.call(-1, |saver| saver.checkpoint())
}

/// # Safety
/// As for [`suspend`].
unsafe extern "C" fn switch_qemu_logdirty(dom: u32, enable: c_uint, data: *mut c_void) -> c_int {
    // SAFETY: must be such a link: the caller's promise.
    let link = unsafe { &*data.cast::<Saving<'_>>() };
    link.call(-1, |saver| match DomId::try_from(dom) {
        Ok(dom) => saver.switch_qemu_logdirty(dom, enable != 0),
        Err(_) => -1,
    })
}

/// # Safety
/// `data` must point to a [`Restoring`] that lives.
unsafe extern "C" fn static_data_done(missing: c_uint, data: *mut c_void) -> c_int {
    // SAFETY: must be such a link: the caller's promise.
    unsafe { &*data.cast::<Restoring<'_>>() }.call(-1, |r| r.static_data_done(missing))
}

/// # Safety
/// As for [`static_data_done`].
unsafe extern "C" fn restore_checkpoint(data: *mut c_void) -> c_int {
    // SAFETY: must be such a link: the caller's promise.
    unsafe { &*data.cast::<Restoring<'_>>() }.call(XGR_CHECKPOINT_ERROR, |r| r.checkpoint())
}

/// No descriptor: streams with answers are not offered.
const NONE: c_int = -1;
/// `XENMEMF_*`: memory from wherever there is some.
const ANY_MEMORY: c_uint = 0;
