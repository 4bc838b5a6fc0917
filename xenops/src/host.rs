//! The handles of one host.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use xc::Xc;
use xen_types::{Deadline, DomId, MiB};
use xg::{KernelCache, Xg};
use xs::Client;

use crate::error::{Cause, Error, Problem, Result, Subject};
use crate::hotplug::Linux;
use crate::hotplug::system::System;
use crate::limits::Limits;
use crate::lock::Locks;

/// A Xen host, seen from its control domain. Cheap to clone, to share and to send to threads.
#[derive(Debug, Clone)]
pub struct Host {
    pub(crate) store: Client,
    /// The same connection without the deadline of an operation: what an operation undoes has a time
    /// of its own.
    lasting: Client,
    pub(crate) xc: Xc,
    pub(crate) kernels: Arc<KernelCache>,
    builder: Arc<OnceLock<Xg>>,
    pub(crate) locks: Arc<Locks>,
    /// What does the host's part of devices; `None` if that would be another machine's.
    system: Option<Arc<dyn System>>,
}

impl Host {
    /// Connects to the hypervisor and to the local xenstored.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] when this is not the control domain of a Xen host, when the
    /// libraries of the running Xen are missing, or when xenstored does not answer;
    /// [`crate::Kind::Denied`] without the rights.
    pub fn open() -> Result<Self> {
        let fail = |cause: Cause| Error::new("open the Xen host", Subject::Host, cause);
        let xc = Xc::open().map_err(|error| fail(error.into()))?;
        let store = Client::open().map_err(|error| fail(error.into()))?;
        let kernels = Arc::new(KernelCache::new().in_folder(KernelCache::FOLDER, Self::KERNELS));
        Ok(Self {
            lasting: store.clone(),
            store,
            xc,
            kernels,
            builder: Arc::default(),
            locks: Arc::new(Locks::of_this_machine()),
            system: Some(Arc::new(Linux)),
        })
    }

    /// A host of handles that the caller opened, in its control domain; elsewhere, see
    /// [`Host::of_another_machine`]. It keeps no unpacked kernels.
    pub fn from_parts(store: Client, xc: Xc, builder: Xg) -> Self {
        let builder = Arc::new(OnceLock::from(builder));
        Self {
            lasting: store.clone(),
            store,
            xc,
            kernels: Arc::default(),
            builder,
            locks: Arc::new(Locks::of_this_machine()),
            system: Some(Arc::new(Linux)),
        }
    }

    /// How much of unpacked kernels is kept in [`KernelCache::FOLDER`] unless
    /// [another cache](Host::with_kernel_cache) is chosen: some eight of distributions.
    pub const KERNELS: MiB = MiB(512);

    /// The same host, whose creations have their kernels unpacked by `cache`. An empty
    /// [`KernelCache::new`] keeps nothing.
    #[must_use]
    pub fn with_kernel_cache(&self, cache: KernelCache) -> Self {
        Self { kernels: Arc::new(cache), ..self.clone() }
    }

    /// The same host, which is not the machine that this runs on: a simulated one. Its locks between
    /// processes are files in `folder`, not where this machine has its own, and no device that the
    /// control domain serves is attached or detached, as loop devices, bridges and scripts would be those
    /// of this machine: unless the other one [has a system](Host::with_system) too.
    #[must_use]
    pub fn of_another_machine(&self, folder: &Path) -> Self {
        let locks = Arc::new(Locks::in_folder(folder));
        Self { locks, system: None, ..self.clone() }
    }

    /// The same host, in whose control domain `system` does the host's part of devices.
    #[must_use]
    pub fn with_system(&self, system: Arc<dyn System>) -> Self {
        Self { system: Some(system), ..self.clone() }
    }

    /// Fails if the host's part of a device that `server` serves would be done to another machine.
    pub(crate) fn check_machine(&self, server: DomId) -> Result<(), Problem> {
        if server == DomId::DOM0 { self.system().map(drop) } else { Ok(()) }
    }

    /// What does the host's part of devices.
    pub(crate) fn system(&self) -> Result<&dyn System, Problem> {
        self.system.as_deref().ok_or(Problem::OtherMachine)
    }

    /// The connection to the xenstore.
    pub fn store(&self) -> &Client {
        &self.store
    }

    /// The hypervisor handle.
    pub fn xc(&self) -> &Xc {
        &self.xc
    }

    /// Limits of an operation on this host that gives up after `timeout`, on the clock of its
    /// connection to the store.
    pub fn limits(&self, timeout: Duration) -> Limits {
        let clock = self.store.clock();
        Limits { clock: clock.clone(), ..Limits::until(clock.after(timeout)) }
    }

    /// The same host, whose every request to the store ends at `deadline`.
    ///
    /// Without it a request may take 30 s. Operations with [`Limits`] bound their requests by
    /// themselves; this is for looking things up.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        let (store, lasting) =
            (self.store.with_deadline(deadline), self.lasting.with_deadline(deadline));
        Self { store, lasting, ..self.clone() }
    }

    /// The same host within the limits of an operation, or of a part of one that has a time of its
    /// own: whatever the limits were before, these count.
    pub(crate) fn within(&self, limits: &Limits) -> Self {
        Self { store: self.lasting.with_deadline(limits.deadline), ..self.clone() }
    }

    /// The domain builder. Its library is loaded with the first creation only, so that everything
    /// else works on a host that lacks it.
    pub(crate) fn builder(&self) -> Result<&Xg, xg::Error> {
        if let Some(builder) = self.builder.get() {
            return Ok(builder);
        }
        let opened = Xg::open(&self.xc)?;
        Ok(self.builder.get_or_init(|| opened))
    }
}
