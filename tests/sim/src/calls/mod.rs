//! The calls of libxenctrl, made to the machine: what the C library does between its caller and the
//! hypercall, and nothing more.

mod domain;
mod event;
mod host;
mod hvm;
mod memory;
mod vcpu;

use std::sync::Arc;

use rustix::io::Errno;
use xc::backend::{CallError, DeviceCalls, FlaskCalls, Hypervisor, Release, SchedulerCalls};

use crate::process::{OpenDevice, Process};
use crate::xen::Xen;

/// An open handle of a process.
#[derive(Debug)]
pub(crate) struct Handle {
    process: Arc<Process>,
    _device: OpenDevice,
    release: Release,
}

type Answer<T> = Result<T, CallError>;

impl Handle {
    pub(crate) fn open(process: Arc<Process>) -> Self {
        let release = process.machine().xen(|xen| xen.release);
        let _device = OpenDevice::of(&process, "/dev/xen/privcmd");
        Self { process, _device, release }
    }

    /// Makes a call.
    fn call<T>(
        &self,
        name: &'static str,
        call: impl FnOnce(&mut Xen) -> Result<T, Errno>,
    ) -> Answer<T> {
        let call = || {
            self.process.machine().xen(|xen| {
                xen.tick();
                call(xen).map_err(CallError::from)
            })
        };
        self.process.pass(name, CallError::from, call)
    }

    /// Asks what is always answered.
    fn ask<T>(&self, name: &'static str, ask: impl FnOnce(&mut Xen) -> T) -> Answer<T> {
        self.call(name, |xen| Ok(ask(xen)))
    }
}

impl Hypervisor for Handle {
    fn release(&self) -> Release {
        self.release
    }
}

impl SchedulerCalls for Handle {}
impl DeviceCalls for Handle {}
impl FlaskCalls for Handle {}
