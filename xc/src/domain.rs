//! A domain's life: destroy, pause, shut down, reset; who it is and what it may do.

use rustix::io::Errno;
use xen_types::{DomId, DomainUuid, Port, ShutdownReason};

use crate::backend::CallError;
use crate::{Error, Result, Xc};

impl Xc {
    /// Destroys `dom` and releases its memory.
    ///
    /// Returns when the hypervisor has released what it can; a large domain takes seconds. libxc makes
    /// one hypercall, which Xen interrupts and continues by itself (`xen/common/domctl.c`), so it is
    /// never to be repeated. Pages that another domain still maps stay, and the domain with them as
    /// [dying](crate::DomainFlags::DYING), until they are unmapped. Calling it again is harmless.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for the caller's own domain.
    #[doc(alias = "xc_domain_destroy")]
    pub fn destroy_domain(&self, dom: DomId) -> Result<()> {
        self.backend.domain_destroy(dom).map_err(|e| Error::on("destroy", dom, e))
    }

    /// Stops all virtual CPUs of `dom` until [`Xc::unpause`]. Pauses count.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for the caller's own domain.
    #[doc(alias = "xc_domain_pause")]
    pub fn pause(&self, dom: DomId) -> Result<()> {
        self.backend.domain_pause(dom).map_err(|e| Error::on("pause", dom, e))
    }

    /// Takes one pause of `dom` back; a new domain has one.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it is not paused.
    #[doc(alias = "xc_domain_unpause")]
    pub fn unpause(&self, dom: DomId) -> Result<()> {
        self.backend.domain_unpause(dom).map_err(|e| Error::on("unpause", dom, e))
    }

    /// Stops `dom` for good and records why, as if it had done so itself. It is not asked; to ask,
    /// write its `control/shutdown` node in the xenstore.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_domain_shutdown")]
    pub fn shutdown(&self, dom: DomId, reason: ShutdownReason) -> Result<()> {
        self.backend
            .domain_shutdown(dom, reason.raw().into())
            .map_err(|e| Error::on(format!("shut down with reason {reason}"), dom, e))
    }

    /// Gives `dom` another UUID.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone.
    #[doc(alias = "xc_domain_sethandle")]
    pub fn set_handle(&self, dom: DomId, uuid: DomainUuid) -> Result<()> {
        self.backend
            .domain_sethandle(dom, uuid.to_bytes())
            .map_err(|e| Error::on(format!("set the UUID to {uuid}"), dom, e))
    }

    /// Makes `dom`, which shut down for a [soft reset](ShutdownReason::SoftReset), as new and lets it
    /// run again: its memory stays, its ports are closed, its registrations with Xen are forgotten
    /// (kexec). Grants of it that others still map are a warning in Xen's log.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it has not shut down, is not
    /// [paused](Xc::pause), or is the caller's own; also for PV, which is crashed by it;
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) where Xen is built without.
    #[doc(alias = "xc_domain_soft_reset")]
    pub fn soft_reset(&self, dom: DomId) -> Result<()> {
        self.backend.domain_soft_reset(dom).map_err(|e| Error::on("reset it softly", dom, e))
    }

    /// Names the port of `dom` that is signalled when it has shut down to be saved. `port` is
    /// `dom`'s own end of the channel; the caller waits at the other.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone. The port is not checked.
    #[doc(alias = "xc_domain_subscribe_for_suspend")]
    pub fn subscribe_for_suspend(&self, dom: DomId, port: Port) -> Result<()> {
        self.backend
            .domain_subscribe_for_suspend(dom, port)
            .map_err(|e| Error::on(format!("have its suspension told through port {port}"), dom, e))
    }

    /// Lets `dom` do to `target` what a device model does: map its memory, set its parameters. For
    /// life, for one target only; `target` stays dying until `dom` is gone.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if either is gone,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) for PV `target`,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if `dom` has a target or is `target`,
    /// [`Kind::Denied`](crate::Kind::Denied) by the security policy.
    #[doc(alias = "xc_domain_set_target")]
    pub fn set_target(&self, dom: DomId, target: DomId) -> Result<()> {
        self.backend
            .domain_set_target(dom, target)
            .map_err(|e| Error::on(format!("make it the device model of domain {target}"), dom, e))
    }

    /// Has `dom` told of a virtual interrupt that Xen raises once on the host, such as that of
    /// domains' deaths for a xenstore of its own. `virq` is a `VIRQ_*` of `xen/include/public/xen.h`.
    /// When `dom` dies, the hardware domain gets it back.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it is dying, or for an interrupt that every domain or
    /// virtual CPU has of its own.
    #[doc(alias = "xc_domain_set_virq_handler")]
    pub fn set_virq_handler(&self, dom: DomId, virq: u32) -> Result<()> {
        i32::try_from(virq)
            .map_err(|_| CallError::Errno(Errno::INVAL))
            .and_then(|virq| self.backend.domain_set_virq_handler(dom, virq))
            .map_err(|e| Error::on(format!("give it virtual interrupt {virq}"), dom, e))
    }

    /// The bytes of a machine word of PV `dom`: 8, or 4 for a 32-bit kernel.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) for HVM and PVH, which change it as they run.
    #[doc(alias = "xc_domain_get_guest_width")]
    pub fn guest_width(&self, dom: DomId) -> Result<u32> {
        self.backend
            .domain_get_guest_width(dom)
            .map_err(|e| Error::on("read the width of a machine word", dom, e))
    }

    /// Sets whether a forbidden access to memory of `dom` needs a listener: if so and there is none,
    /// the virtual CPU waits for one, otherwise the page is opened (`xen/arch/x86/mm/mem_access.c`).
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Denied`](crate::Kind::Denied) for the caller's own domain,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) where Xen is built without.
    #[doc(alias = "xc_domain_set_access_required")]
    pub fn set_access_required(&self, dom: DomId, required: bool) -> Result<()> {
        self.backend
            .domain_set_access_required(dom, required)
            .map_err(|e| Error::on(format!("set access required to {required}"), dom, e))
    }
}
