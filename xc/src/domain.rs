//! A domain's life: destroy, pause, shutdown, identity, time.

use xen_types::{DomId, DomainUuid, ShutdownReason};

use crate::{Error, Result, Xc};

impl Xc {
    /// Destroys `dom` and releases its memory.
    ///
    /// Returns when the hypervisor has released what it can; a large domain takes seconds. Pages
    /// that another domain still maps stay, and the domain with them as
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

    /// Sets how `dom` reads the time-stamp counter. Before its virtual CPUs first run.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for the caller's own domain.
    #[doc(alias = "xc_domain_set_tsc_info")]
    pub fn set_tsc_mode(&self, dom: DomId, mode: TscMode) -> Result<()> {
        self.backend
            .domain_set_tsc_info(dom, mode as u32, 0, 0, 0)
            .map_err(|e| Error::on(format!("set the TSC mode to {mode:?}"), dom, e))
    }
}

/// How a domain reads the time-stamp counter (`XEN_CPUID_TSC_MODE_*`,
/// `xen/arch/x86/include/asm/time.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum TscMode {
    /// Native while that is sound on this host, emulated otherwise.
    #[default]
    Default = 0,
    /// Every read is emulated.
    AlwaysEmulate = 1,
    /// Never emulated: fast, and wrong after a migration to a host of another frequency.
    Native = 2,
}
