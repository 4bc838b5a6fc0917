//! The machine: what it is made of, and who runs on it.

use std::sync::{Arc, Mutex, PoisonError};

use xc::Release;
use xen_types::{MiB, PageCount};

use crate::faults::{How, Plan, Which};
use crate::process::Process;
use crate::xen::Xen;

/// What a machine is made of.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Hardware {
    /// The release of Xen: 4.17 or later.
    pub release: Release,
    /// Processors, 1 to 63.
    pub cpus: u32,
    /// The memory of each node, one at least.
    pub nodes: Vec<PageCount>,
    /// What of it domain 0 has.
    pub dom0: PageCount,
}

impl Hardware {
    /// Two processors as in the lab, 1.5 GiB in one node, and a domain 0 of 64 MiB.
    pub fn new(release: Release) -> Self {
        let (memory, dom0) = (MiB(1536).to_pages(), MiB(64).to_pages());
        Self { release, cpus: 2, nodes: vec![memory], dom0 }
    }
}

/// A simulated machine; clones are the same one.
#[derive(Debug, Clone)]
pub struct Machine {
    xen: Arc<Mutex<Xen>>,
}

impl Machine {
    /// Starts a machine.
    ///
    /// # Panics
    /// If domain 0 would have more memory than there is.
    pub fn start(hardware: &Hardware) -> Self {
        Self { xen: Arc::new(Mutex::new(Xen::start(hardware))) }
    }

    /// Starts a program in domain 0, with which nothing goes wrong.
    pub fn process(&self) -> Arc<Process> {
        self.faulty_process(&[])
    }

    /// Starts a program in domain 0 some of whose calls go wrong.
    pub fn faulty_process(&self, faults: &[(Which, How)]) -> Arc<Process> {
        Arc::new(Process::new(self.clone(), Plan::new(faults)))
    }

    /// Does something in the hypervisor, which does one thing at a time.
    pub(crate) fn xen<T>(&self, call: impl FnOnce(&mut Xen) -> T) -> T {
        call(&mut self.xen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
