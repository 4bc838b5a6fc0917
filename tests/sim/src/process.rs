//! A program of domain 0: what it has open, and what goes wrong with its calls.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventchn::EventChannels;
use rustix::io::Errno;
use xc::Xc;
use xen_types::DomId;

use crate::calls::Handle;
use crate::evtchn::Device;
use crate::faults::{How, Plan};
use crate::machine::Machine;

/// A page of a domain, mapped by a program until this is dropped.
#[derive(Debug)]
pub struct Mapping {
    machine: Machine,
    dom: DomId,
    page: u64,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.machine.xen(|xen| xen.let_go(self.dom, self.page));
    }
}

/// A program that runs in domain 0. Its handles are those of the product, over this machine.
#[derive(Debug)]
pub struct Process {
    machine: Machine,
    plan: Mutex<Plan>,
    killed: AtomicBool,
}

impl Process {
    pub(crate) fn new(machine: Machine, plan: Plan) -> Self {
        Self { machine, plan: Mutex::new(plan), killed: AtomicBool::new(false) }
    }

    /// A handle to the hypervisor.
    pub fn xc(self: &Arc<Self>) -> Xc {
        Xc::with_backend(Arc::new(Handle::open(Arc::clone(self))))
    }

    /// The event-channel device, opened anew.
    ///
    /// # Errors
    /// If this, the real, process has no descriptor left.
    pub fn event_channels(self: &Arc<Self>) -> io::Result<EventChannels> {
        Ok(EventChannels::with_backend(Box::new(Device::open(Arc::clone(self))?)))
    }

    /// Maps a page of a domain, as a back-end or a daemon does: of HVM and PVH by its guest frame, of PV
    /// by its machine frame.
    ///
    /// # Errors
    /// [`Errno::SRCH`] if there is no such domain, [`Errno::INVAL`] if it has no page there.
    pub fn map_page(&self, dom: DomId, frame: u64) -> Result<Mapping, Errno> {
        let page = self.machine.xen(|xen| xen.hold(dom, frame))?;
        Ok(Mapping { machine: self.machine.clone(), dom, page })
    }

    /// The machine it runs on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Kills it: nothing that it has open does anything any more. What runs it here runs on, with
    /// errors, but without effect on the machine.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
    }

    /// The call that went wrong last, if one did.
    pub fn failed(&self) -> Option<String> {
        self.plan().failed()
    }

    /// The names of all calls that it has made, in order.
    pub fn calls(&self) -> Vec<String> {
        self.plan().made().to_vec()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call, unless it is one to go wrong.
    pub(crate) fn pass<T, E>(
        &self,
        name: &'static str,
        failure: impl Fn(Errno) -> E,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.killed.load(Ordering::SeqCst) {
            return Err(failure(Errno::BADF));
        }
        let verdict = self.plan().verdict(name);
        match verdict {
            None => call(),
            Some(How::Undone) => Err(failure(Errno::IO)),
            Some(How::Unheard) => call().and(Err(failure(Errno::IO))),
            Some(How::DeathBefore) => {
                self.kill();
                Err(failure(Errno::BADF))
            }
            Some(How::DeathAfter) => {
                let done = call();
                self.kill();
                done.and(Err(failure(Errno::BADF)))
            }
        }
    }
}
