//! Writing a domain into a stream and reading it from one: libxenguest's two calls, in its format
//! (`docs/specs/libxc-migration-stream.pandoc` of Xen), with its callbacks in its order
//! (`tools/libs/guest/xg_sr_*.c`, 4.17).
//!
//! ```text
//!  head ─ policies ─ STATIC_DATA_END ─ PV: shape, map ─ pages ─ TSC ─ registers, parameters ─ END
//! ```
//! In it is what a domain of the machine has: pages with what is in them, and what a restore needs to make it
//! run. Registers and policies are no more than what a restore looks at. Frames without memory are named for
//! PV guests alone. Each thing that is written or read is a call of the process, `write` and `read`.
//!
//! Not done: checkpoints, and the second sending for comparison.

mod frames;
mod restore;
mod save;
mod stream;

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use xen_types::DomId;
use xenguest_sys::{XC_STREAM_PLAIN, XCFLAGS_LIVE};
use xg::backend::{CallError, Ends, Hypervisor as _, Restorer, SaveCalls, Saver};

use crate::builder::{Builder, failed};

impl SaveCalls for Builder {
    fn domain_save(
        &self,
        dom: DomId,
        to: BorrowedFd<'_>,
        flags: u32,
        stream: u32,
        callbacks: &mut dyn Saver,
    ) -> Result<(), CallError> {
        if stream != XC_STREAM_PLAIN || flags & !XCFLAGS_LIVE != 0 {
            return Err(CallError::Unsupported { call: "xc_domain_save", xen: self.release() });
        }
        let live = flags & XCFLAGS_LIVE != 0;
        let save = || save::Save::new(self, dom, to, callbacks).run(live);
        self.process.pass_in_time("xc_domain_save", failed, save)
    }

    fn domain_restore(
        &self,
        dom: DomId,
        from: BorrowedFd<'_>,
        ends: Ends,
        stream: u32,
        callbacks: &mut dyn Restorer,
    ) -> Result<(u64, u64), CallError> {
        if stream != XC_STREAM_PLAIN {
            return Err(CallError::Unsupported { call: "xc_domain_restore", xen: self.release() });
        }
        let restore = || restore::Restore::new(self, dom, from, ends).run(callbacks);
        self.process.pass_in_time("xc_domain_restore", failed, restore)
    }
}

/// A failure that sets no error number, with what is logged of it.
fn refused(why: &str) -> CallError {
    CallError::Failed { errno: None, said: vec![why.to_owned()] }
}

/// A failure of a call, with what is logged of it.
fn because(why: &'static str) -> impl Fn(CallError) -> CallError {
    move |error| match error {
        CallError::Failed { errno: Some(errno), .. } => {
            CallError::Failed { errno: Some(errno), said: vec![format!("{why}: {errno}")] }
        }
        other => other,
    }
}

/// Repeats a system call that a signal interrupted.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}
