//! Reading a domain from a stream.

use std::os::fd::BorrowedFd;

use xc::GuestKind;
use xen_types::{DomId, Gfn, Mfn, Port};
use xenguest_sys::{XGR_CHECKPOINT_ERROR, XGR_CHECKPOINT_SUCCESS, XGR_SDD_MISSING_CPUID};

use crate::backend::{Backend, CallError, Ends, Restorer};
use crate::{CpuOptions, Error, Result, RingFrame, StreamFailure, StreamKind, Xg};

/// What a domain is restored with.
///
/// [`RestoreOptions::new`] takes what has no default; the rest are public fields.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// How the guest is virtualised, as the domain was created.
    pub kind: GuestKind,
    /// The guest's port to xenstored.
    pub store: Port,
    /// The guest's port to xenconsoled.
    pub console: Port,
    /// The domain in which xenstored runs.
    pub store_domain: DomId,
    /// The domain in which xenconsoled runs.
    pub console_domain: DomId,
    /// What the stream holds.
    pub stream: StreamKind,
    /// What CPUID tells the guest, if the stream does not say it: those of Xen before 4.14.
    pub cpu: CpuOptions,
}

impl RestoreOptions {
    /// A guest served by domain 0, from a plain stream.
    pub const fn new(kind: GuestKind, store: Port, console: Port) -> Self {
        Self {
            kind,
            store,
            console,
            store_domain: DomId::DOM0,
            console_domain: DomId::DOM0,
            stream: StreamKind::Plain,
            cpu: CpuOptions::DEFAULT,
        }
    }
}

/// A guest that is ready to be introduced to xenstored and unpaused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The ring to xenstored.
    pub store: RingFrame,
    /// The ring to xenconsoled.
    pub console: RingFrame,
    /// Whether the stream had no CPUID policy, so that the guest has got that of the options.
    pub without_policy: bool,
    /// How many checkpoints arrived whole.
    pub checkpoints: u32,
}

impl Xg {
    /// Reads the state of a domain from `from` into the new domain `dom`, whose memory it
    /// populates.
    ///
    /// The domain must be new, and what precedes in the [order of calls](crate) done, but for the
    /// CPU policy, which is in the stream: of the same kind, with at least as many virtual CPUs and
    /// as much memory as the saved one. It stays paused. A restore that failed leaves a domain that
    /// is good for nothing but to be destroyed.
    ///
    /// libxenguest is made for streams that nobody trusts, and checks their structure, not their
    /// content: a bit that flipped in a page is restored as it is.
    ///
    /// `go_on` is asked before anything is done and once the head of the stream has been read, with
    /// each checkpoint too. Between these, whoever writes to a pipe or socket ends the restore by
    /// closing it.
    ///
    /// # Errors
    /// [`Error::Restore`]: [`Kind::Cancelled`](crate::Kind::Cancelled) if the caller stopped it,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if the host or the domain's ceiling has not
    /// enough, or another kind with libxenguest's words, for a stream that cannot be or that ends
    /// too early, say. [`Error::CpuPolicy`] if the policy of the options was refused.
    ///
    /// # Panics
    /// If `go_on` does, once libxenguest has cleaned up.
    #[doc(alias = "xc_domain_restore")]
    pub fn restore(
        &self,
        dom: DomId,
        from: BorrowedFd<'_>,
        options: &RestoreOptions,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Restored> {
        let ends = Ends {
            store: options.store,
            store_domain: options.store_domain,
            console: options.console,
            console_domain: options.console_domain,
        };
        let backend = &*self.backend;
        let mut steps = Steps {
            backend,
            dom,
            cpu: options.cpu,
            go_on,
            stopped: false,
            policy: None,
            checkpoints: 0,
        };
        let fail = |source| Error::Restore { dom, source };
        if steps.stops() {
            return Err(fail(StreamFailure::Stopped));
        }
        let done = backend.domain_restore(dom, from, ends, options.stream.raw(), &mut steps);
        match (done, steps.policy) {
            (_, Some(Err(source))) => Err(Error::CpuPolicy { dom, source }),
            _ if steps.stopped => Err(fail(StreamFailure::Stopped)),
            (Err(source), _) => Err(fail(source.into())),
            (Ok((store, console)), policy) => Ok(Restored {
                store: ring(options.kind, store),
                console: ring(options.kind, console),
                without_policy: policy.is_some(),
                checkpoints: steps.checkpoints,
            }),
        }
    }
}

/// A restore under way.
struct Steps<'a> {
    backend: &'a dyn Backend,
    dom: DomId,
    cpu: CpuOptions,
    go_on: &'a mut dyn FnMut() -> bool,
    stopped: bool,
    /// How giving the domain a policy went, if the stream has none.
    policy: Option<Result<(), CallError>>,
    checkpoints: u32,
}

impl Steps<'_> {
    fn stops(&mut self) -> bool {
        self.stopped = self.stopped || !(self.go_on)();
        self.stopped
    }
}

impl Restorer for Steps<'_> {
    fn static_data_done(&mut self, missing: u32) -> i32 {
        if self.stops() {
            return -1;
        }
        // Registers alone may be missing: as in libxl, the policy that came is not replaced for that
        // (`libxl__srm_callout_callback_static_data_done`, libxl_create.c).
        if missing & XGR_SDD_MISSING_CPUID == 0 {
            return 0;
        }
        let CpuOptions { invariant_tsc, nested_virt } = self.cpu;
        let given = self.backend.cpuid_apply_policy(self.dom, true, invariant_tsc, nested_virt);
        let failed = given.is_err();
        self.policy = Some(given);
        if failed { -1 } else { 0 }
    }

    fn checkpoint(&mut self) -> i32 {
        if self.stops() {
            return XGR_CHECKPOINT_ERROR;
        }
        self.checkpoints += 1;
        XGR_CHECKPOINT_SUCCESS
    }
}

/// PV guests share machine frames, the others guest frames, as after a build.
fn ring(kind: GuestKind, frame: u64) -> RingFrame {
    match kind {
        GuestKind::Pv => RingFrame::Machine(Mfn(frame)),
        GuestKind::Hvm | GuestKind::Pvh => RingFrame::Guest(Gfn(frame)),
    }
}
