//! The hypervisor as it is shared: one thing happens in it at a time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::time::Ticker;
use crate::xen::Xen;
use crate::xen::domain::Run;

/// The hypervisor, for everybody who runs on the machine.
#[derive(Debug)]
pub(crate) struct Hypervisor {
    xen: Mutex<Xen>,
    /// Something has been done in it.
    changed: Condvar,
    pub(crate) time: Ticker,
}

impl Hypervisor {
    pub(crate) fn new(xen: Xen, time: Ticker) -> Self {
        Self { xen: Mutex::new(xen), changed: Condvar::new(), time }
    }

    /// Does something in it.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&mut Xen) -> T) -> T {
        let done = call(&mut self.lock());
        self.time.note();
        self.changed.notify_all();
        done
    }

    /// Does something as a domain does it: when its virtual CPUs run. `None` if they never will
    /// again.
    pub(crate) fn call_by<T>(&self, run: Run, call: impl FnOnce(&mut Xen) -> T) -> Option<T> {
        let mut xen = self.lock();
        loop {
            if xen.is_over(run) {
                return None;
            }
            if xen.dom(run.dom).ok()?.runs() {
                break;
            }
            xen = self.changed.wait(xen).unwrap_or_else(PoisonError::into_inner);
        }
        let done = call(&mut xen);
        self.time.note();
        self.changed.notify_all();
        Some(done)
    }

    fn lock(&self) -> MutexGuard<'_, Xen> {
        self.xen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
