//! Where in its address space a domain has which page. For HVM and PVH; PV domains keep such a map
//! themselves.

use rustix::io::Errno;
use xen_types::{DomId, Gfn, PageCount};
use xenctrl_sys::{
    XENMAPIDX_GRANT_TABLE_STATUS, XENMAPSPACE_GMFN, XENMAPSPACE_GMFN_FOREIGN,
    XENMAPSPACE_GRANT_TABLE, XENMAPSPACE_SHARED_INFO,
};

use crate::backend::CallError;
use crate::{Error, Result, Xc};

/// A page that a domain can have in its address space (`XENMAPSPACE_*`,
/// `xen/include/public/memory.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhysmapPage {
    /// The page it shares with Xen.
    SharedInfo,
    /// A frame of its grant table, counted from 0. The table grows up to it.
    GrantFrame(u32),
    /// A status frame of its grant table of version 2, counted from 0.
    GrantStatusFrame(u32),
    /// A page of its memory that is at another guest frame, from where it moves.
    Memory(Gfn),
}

impl PhysmapPage {
    fn to_raw(self) -> (u32, u64) {
        match self {
            Self::SharedInfo => (XENMAPSPACE_SHARED_INFO, 0),
            Self::GrantFrame(index) => (XENMAPSPACE_GRANT_TABLE, index.into()),
            Self::GrantStatusFrame(index) => {
                (XENMAPSPACE_GRANT_TABLE, u64::from(index) | XENMAPIDX_GRANT_TABLE_STATUS)
            }
            Self::Memory(gfn) => (XENMAPSPACE_GMFN, gfn.0),
        }
    }
}

/// Pages of one sort, each with the guest frame where it shall be.
#[derive(Debug, Clone, Copy)]
pub enum PhysmapBatch<'a> {
    /// Frames of the domain's grant table, as [`PhysmapPage::GrantFrame`].
    GrantFrames(&'a [(u32, Gfn)]),
    /// Pages of the domain's memory, as [`PhysmapPage::Memory`].
    Memory(&'a [(Gfn, Gfn)]),
    /// Pages of another domain, given by its guest frames; both domains have them then. The receiving
    /// domain must have a right over the other, as its device model or a control domain has; before
    /// 4.19 only a PVH hardware domain can receive them.
    Foreign(DomId, &'a [(Gfn, Gfn)]),
}

impl PhysmapBatch<'_> {
    /// The space, the other domain, indexes, guest frames.
    fn to_raw(self) -> (u32, DomId, Vec<u64>, Vec<u64>) {
        // In spaces but the last the domain is a field that must be 0.
        let dom0 = DomId::DOM0;
        let (space, foreign, pairs): (_, _, Vec<(u64, u64)>) = match self {
            Self::GrantFrames(list) => {
                let pairs = list.iter().map(|(index, at)| (u64::from(*index), at.0));
                (XENMAPSPACE_GRANT_TABLE, dom0, pairs.collect())
            }
            Self::Memory(list) => (XENMAPSPACE_GMFN, dom0, numbers(list)),
            Self::Foreign(dom, list) => (XENMAPSPACE_GMFN_FOREIGN, dom, numbers(list)),
        };
        let (indexes, gfns) = pairs.into_iter().unzip();
        (space, foreign, indexes, gfns)
    }
}

fn numbers(list: &[(Gfn, Gfn)]) -> Vec<(u64, u64)> {
    list.iter().map(|(from, at)| (from.0, at.0)).collect()
}

impl Xc {
    /// Puts `page` at guest frame `at` of HVM or PVH `dom`. Memory that was there is freed; from where
    /// the page was it is gone.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Denied`](crate::Kind::Denied) for PV,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if there is no such page, which from 4.19 on is
    /// [`Kind::Denied`](crate::Kind::Denied) for [`PhysmapPage::Memory`],
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if the paging pool is used up.
    #[doc(alias = "xc_domain_add_to_physmap")]
    pub fn add_to_physmap(&self, dom: DomId, page: PhysmapPage, at: Gfn) -> Result<()> {
        let (space, index) = page.to_raw();
        self.backend
            .domain_add_to_physmap(dom, space, index, at.0)
            .map_err(|e| Error::on(format!("put {page:?} at {at:?}"), dom, e))
    }

    /// Puts several pages into the address space of HVM or PVH `dom`, each as [`Xc::add_to_physmap`]
    /// does, and returns what became of each. At most 65535.
    ///
    /// # Errors
    /// Of the whole: [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Denied`](crate::Kind::Denied) for PV, [`Kind::Invalid`](crate::Kind::Invalid) for too
    /// many. Of one page: those of [`Xc::add_to_physmap`].
    #[doc(alias = "xc_domain_add_to_physmap_batch")]
    pub fn add_to_physmap_batch(
        &self,
        dom: DomId,
        pages: PhysmapBatch<'_>,
    ) -> Result<Vec<Result<(), CallError>>> {
        let (space, foreign, indexes, gfns) = pages.to_raw();
        let fail = |e| {
            let first = gfns.first().copied().unwrap_or_default();
            Error::on(format!("put {} pages from gfn {first:#x} on", gfns.len()), dom, e)
        };
        let errors = self
            .backend
            .domain_add_to_physmap_batch(dom, foreign, space, &indexes, &gfns)
            .map_err(fail)?;
        Ok(errors.into_iter().map(outcome).collect())
    }

    /// Takes the page at `at` out of the address space of HVM or PVH `dom`. It still belongs to the
    /// domain: [`Xc::decrease_reservation`] frees a page.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone or nothing is there,
    /// [`Kind::Denied`](crate::Kind::Denied) for PV.
    #[doc(alias = "xc_domain_remove_from_physmap")]
    pub fn remove_from_physmap(&self, dom: DomId, at: Gfn) -> Result<()> {
        self.backend
            .domain_remove_from_physmap(dom, at.0)
            .map_err(|e| Error::on(format!("take away the page at {at:?}"), dom, e))
    }

    /// The highest guest frame that `dom` has had anything at; 0 also if there was none. A PV domain
    /// says itself how large it is.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone.
    #[doc(alias = "xc_domain_maximum_gpfn")]
    pub fn maximum_gfn(&self, dom: DomId) -> Result<Gfn> {
        self.backend
            .domain_maximum_gpfn(dom)
            .map(Gfn)
            .map_err(|e| Error::on("read its highest guest frame", dom, e))
    }

    /// How many guest frames the address space of `dom` spans: one more than [`Xc::maximum_gfn`]. What
    /// `xc_get_pfn_list` told of each of them is no longer told: Xen removed that call in 4.11.
    ///
    /// # Errors
    /// As [`Xc::maximum_gfn`].
    #[doc(alias = "xc_domain_nr_gpfns")]
    pub fn nr_gfns(&self, dom: DomId) -> Result<PageCount> {
        self.backend
            .domain_nr_gpfns(dom)
            .map(PageCount)
            .map_err(|e| Error::on("read how many guest frames it spans", dom, e))
    }
}

/// 0, or a negative error number.
fn outcome(answer: i32) -> Result<(), CallError> {
    match answer {
        0 => Ok(()),
        error => Err(Errno::from_raw_os_error(error.saturating_neg()).into()),
    }
}
