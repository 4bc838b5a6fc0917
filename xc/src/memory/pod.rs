//! Populate on demand: guest frames that get a page when the domain first touches them, out of a
//! cache that is smaller than the frames are many. So a domain can boot with less memory than it is
//! told it has, until its balloon driver gives the rest up.
//!
//! ```text
//! set_pod_target      cache filled: pages of the domain at no guest frame
//! populate_on_demand  entries: guest frames without a page
//! the domain runs     entries become pages of the cache; its balloon gives entries back
//! ```

use xen_types::{DomId, Gfn, Kind, PageCount};
use xenctrl_sys::XENMEMF_POPULATE_ON_DEMAND;

use super::PageOrder;
use super::reservation::populating;
use crate::error::Cause;
use crate::{Error, Result, Xc};

/// How populate-on-demand stands in a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodState {
    /// All pages of the domain.
    pub pages: PageCount,
    /// Those of them that wait in the cache.
    pub cached: PageCount,
    /// Guest frames that still have no page.
    pub outstanding: PageCount,
}

impl PodState {
    fn from_raw([pages, cached, outstanding]: [u64; 3]) -> Self {
        Self {
            pages: PageCount(pages),
            cached: PageCount(cached),
            outstanding: PageCount(outstanding),
        }
    }
}

impl Xc {
    /// Marks an extent of `order` at each of `gfns` in HVM or PVH `dom` as one to populate on demand.
    /// It needs page tables from the [paging pool](Xc::set_paging_pool), no memory.
    ///
    /// [`Xc::set_pod_target`] goes before. A domain that touches more than the cache holds is ended by
    /// Xen.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if `dom` is gone, [`Kind::Invalid`] for PV, of which Xen would say it is done
    /// and do nothing. If fewer were marked, which stay: [`Kind::Other`], most likely as a frame has
    /// memory or the paging pool is used up.
    #[doc(alias = "xc_domain_populate_physmap_exact")]
    #[doc(alias = "XENMEMF_populate_on_demand")]
    pub fn populate_on_demand(&self, dom: DomId, order: PageOrder, gfns: &[Gfn]) -> Result<()> {
        let operation = || populating("populate on demand", order, gfns);
        let fail = |cause: Cause| Error::on(operation(), dom, cause);
        if !self.info(dom)?.is_hvm() {
            return Err(fail(Cause::Argument("only HVM and PVH are populated on demand")));
        }
        let populated =
            self.populate(dom, order, XENMEMF_POPULATE_ON_DEMAND, gfns).map_err(fail)?;
        self.complete(dom, operation, (populated.done(), gfns.len()), Kind::Other)
    }

    /// Sets how many pages HVM or PVH `dom` shall have while frames of it are populated on demand, and
    /// returns how that stands then. The cache gets what is missing; a target below what the domain
    /// has changes nothing, the balloon driver is to meet it. Nothing changes either for a domain that
    /// has memory and no frame to populate on demand.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if `dom` is gone, [`Kind::Invalid`] for PV and above the domain's ceiling,
    /// [`Kind::NoMemory`] if so much is not free, [`Kind::Other`] with a device assigned. Before 4.17
    /// the library turns all of them into [`Kind::Denied`].
    #[doc(alias = "xc_domain_set_pod_target")]
    pub fn set_pod_target(&self, dom: DomId, pages: PageCount) -> Result<PodState> {
        self.backend
            .domain_set_pod_target(dom, pages.get())
            .map(PodState::from_raw)
            .map_err(|e| Error::on(format!("set a target of {pages} on demand"), dom, e))
    }

    /// How populate-on-demand stands in HVM or PVH `dom`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if `dom` is gone, [`Kind::Invalid`] for PV. Before 4.17 the library turns
    /// both into [`Kind::Denied`].
    #[doc(alias = "xc_domain_get_pod_target")]
    pub fn pod_state(&self, dom: DomId) -> Result<PodState> {
        self.backend
            .domain_get_pod_target(dom)
            .map(PodState::from_raw)
            .map_err(|e| Error::on("read how it is populated on demand", dom, e))
    }
}
