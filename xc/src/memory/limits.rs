//! How much memory a domain may have.

use rustix::io::Errno;
use xen_types::{Bytes, DomId, MiB, PageCount};
use xenctrl_sys::{XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION};

use crate::backend::CallError;
use crate::{Error, Result, Xc};

impl Xc {
    /// Sets the ceiling on memory that `dom` may hold, ballooned or not.
    ///
    /// The ceiling is rounded *up* to whole pages. It reserves nothing: see [`Xc::claim_pages`].
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone.
    #[doc(alias = "xc_domain_setmaxmem")]
    pub fn set_max_mem(&self, dom: DomId, ceiling: Bytes) -> Result<()> {
        self.backend
            .domain_setmaxmem(dom, ceiling.to_pages_up().to_kib()) // Xen drops a part of a page
            .map_err(|e| Error::on(format!("set the memory ceiling to {ceiling}"), dom, e))
    }

    /// Reserves free memory for `dom`: `pages` is what it shall have in all. What it allocates later
    /// comes off the claim; 0 gives the rest back, which goes before another claim.
    ///
    /// # Errors
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if that much is not free,
    /// [`Kind::Invalid`](crate::Kind::Invalid) above its ceiling, not above what it has, with another
    /// claim outstanding, or if `dom` is gone.
    #[doc(alias = "xc_domain_claim_pages")]
    pub fn claim_pages(&self, dom: DomId, pages: PageCount) -> Result<()> {
        self.backend
            .domain_claim_pages(dom, pages.get())
            .map_err(|e| Error::on(format!("claim {pages}"), dom, e))
    }

    /// Sets how much memory Xen may use for the page tables of HVM or PVH `dom`. Rounded *up* to
    /// whole pages, to whole MiB before 4.17.
    ///
    /// With a pool that is used up, populating stops and a running domain may be ended, so it is to be
    /// large enough for all page tables that the domain can come to need, before the domain gets
    /// memory. How large that is depends on what the domain is: libxl takes 256 pages for each virtual
    /// CPU and one for each MiB of memory with hardware-assisted paging, two with shadow paging
    /// (`libxl__get_required_paging_memory`, `tools/libs/light/libxl_create.c`). That is policy, and
    /// not decided here.
    ///
    /// # Errors
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if that much is not free,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone, another kind for PV.
    #[doc(alias = "xc_set_paging_mempool_size")]
    #[doc(alias = "xc_shadow_control")]
    pub fn set_paging_pool(&self, dom: DomId, size: Bytes) -> Result<()> {
        let pages = size.to_pages_up();
        let done = match self.backend.set_paging_mempool_size(dom, pages.to_bytes().get()) {
            Err(CallError::Unsupported { .. }) => u32::try_from(pages.to_mib_up().get())
                .map_err(|_| CallError::Errno(Errno::RANGE))
                .and_then(|mib| {
                    self.backend.shadow_control(dom, XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION, mib)
                })
                .map(drop),
            done => done,
        };
        done.map_err(|e| Error::on(format!("set the paging pool to {size}"), dom, e))
    }

    /// How much memory Xen may use for the page tables of HVM or PVH `dom`; before 4.17 in whole MiB.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone, another kind for PV.
    #[doc(alias = "xc_get_paging_mempool_size")]
    #[doc(alias = "xc_shadow_control")]
    pub fn paging_pool(&self, dom: DomId) -> Result<Bytes> {
        let size = match self.backend.get_paging_mempool_size(dom) {
            Err(CallError::Unsupported { .. }) => self
                .backend
                .shadow_control(dom, XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, 0)
                .map(|mib| MiB(mib.into()).to_bytes()),
            size => size.map(Bytes),
        };
        size.map_err(|e| Error::on("read the size of the paging pool", dom, e))
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
