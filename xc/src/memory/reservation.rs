//! Memory that domains are given and that is taken from them.
//!
//! Xen does these extent by extent and answers how many it has done. It does not say why it stopped,
//! and it answers 0 even for a domain that does not exist. So each call has two forms here: one that
//! returns how far it got, and an exact one for which anything less than all is an error that tells
//! how many ([`Error::done`]). What was done stays done in both. libxenctrl's own exact forms drop the
//! number and name a reason they do not know; they are not used.

use std::borrow::Cow;

use xen_types::{DomId, Gfn, Kind, Mfn};

use super::{Frames, PageOrder, Placement};
use crate::error::Cause;
use crate::{Error, Result, Xc};

/// How far a population got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "fewer extents than asked for may be populated"]
pub struct Populated {
    done: usize,
    /// As Xen left them.
    extents: Vec<u64>,
}

impl Populated {
    /// How many extents were asked for.
    pub fn asked(&self) -> usize {
        self.extents.len()
    }

    /// How many are populated: the first ones of the list.
    pub fn done(&self) -> usize {
        self.done
    }

    /// The first machine frame of each extent populated, for a PV domain. For HVM and PVH Xen does not
    /// tell them, and these are the guest frames asked for.
    pub fn pv_frames(&self) -> impl ExactSizeIterator<Item = Mfn> + '_ {
        self.extents[..self.done].iter().map(|&frame| Mfn(frame))
    }
}

/// How far an increase got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "fewer extents than asked for may be added"]
pub struct Increased {
    /// How many extents were asked for.
    pub asked: usize,
    /// How many were added.
    pub done: usize,
    /// The first machine frame of each extent added, for a PV domain; empty for others, of which Xen
    /// does not tell them.
    pub pv_frames: Vec<Mfn>,
}

impl Xc {
    /// Gives `dom` memory at guest frames: an extent of `order` at each of `gfns`, as far as there is
    /// memory below the domain's [ceiling](Xc::set_max_mem). On HVM and PVH a page that was there is
    /// replaced, and its memory stays the domain's, in no place.
    ///
    /// Page tables for it come out of the [paging pool](Xc::set_paging_pool), in HVM and PVH.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a list of more than 67108863 extents or a placement that cannot be. All
    /// else, a domain that is gone included, is [`Populated::done`] being less than asked.
    #[doc(alias = "xc_domain_populate_physmap")]
    pub fn populate_physmap(
        &self,
        dom: DomId,
        order: PageOrder,
        placement: Placement,
        gfns: &[Gfn],
    ) -> Result<Populated> {
        let fail = |cause| Error::on(populating("populate", order, gfns), dom, cause);
        let flags = placement.flags().map_err(fail)?;
        self.populate(dom, order, flags, gfns).map_err(fail)
    }

    /// The same for all of `gfns`.
    ///
    /// # Errors
    /// As [`Xc::populate_physmap`]. If fewer were populated, which stay: [`Kind::NotFound`] if `dom`
    /// is gone, else [`Kind::NoMemory`]: most likely nothing is free there, the ceiling is reached,
    /// the paging pool is used up, or the order is above the caller's limit.
    #[doc(alias = "xc_domain_populate_physmap_exact")]
    pub fn populate_physmap_exact(
        &self,
        dom: DomId,
        order: PageOrder,
        placement: Placement,
        gfns: &[Gfn],
    ) -> Result<Populated> {
        let populated = self.populate_physmap(dom, order, placement, gfns)?;
        let count = (populated.done, gfns.len());
        self.complete(dom, || populating("populate", order, gfns), count, Kind::NoMemory)?;
        Ok(populated)
    }

    /// Adds `count` extents to the memory of `dom` without a place in its address space, as far as
    /// there is memory. A PV domain maps them by their machine frames; for HVM and PVH
    /// [`Xc::populate_physmap`] is what makes memory usable.
    ///
    /// # Errors
    /// As [`Xc::populate_physmap`].
    #[doc(alias = "xc_domain_increase_reservation")]
    pub fn increase_reservation(
        &self,
        dom: DomId,
        order: PageOrder,
        placement: Placement,
        count: usize,
    ) -> Result<Increased> {
        let fail = |cause| Error::on(on_extents("add", order, count, None), dom, cause);
        let flags = placement.flags().map_err(fail)?;
        bounded(count).map_err(fail)?;
        let mut frames = vec![UNTOLD; count];
        let done = self
            .backend
            .domain_increase_reservation(dom, order.raw().into(), flags, &mut frames)
            .map_err(|e| fail(e.into()))?;
        let told = frames[..done].iter().take_while(|&&frame| frame != UNTOLD);
        Ok(Increased { asked: count, done, pv_frames: told.map(|&frame| Mfn(frame)).collect() })
    }

    /// The same for all `count` extents; returns the machine frames of a PV domain.
    ///
    /// # Errors
    /// As [`Xc::populate_physmap_exact`].
    #[doc(alias = "xc_domain_increase_reservation_exact")]
    pub fn increase_reservation_exact(
        &self,
        dom: DomId,
        order: PageOrder,
        placement: Placement,
        count: usize,
    ) -> Result<Vec<Mfn>> {
        let added = self.increase_reservation(dom, order, placement, count)?;
        let operation = || on_extents("add", order, count, None);
        self.complete(dom, operation, (added.done, count), Kind::NoMemory)?;
        Ok(added.pv_frames)
    }

    /// Takes memory from `dom`: the extents of `order` at `frames`, [`Gfn`]s of HVM and PVH, [`Mfn`]s
    /// of PV. Returns how many of the first ones are gone. Of the next one, a part may be gone too if
    /// it has more than one page.
    ///
    /// A page that is mapped elsewhere becomes free when the last mapping ends.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a list of more than 67108863 extents. All else, a domain that is gone
    /// included, is a smaller number.
    #[doc(alias = "xc_domain_decrease_reservation")]
    pub fn decrease_reservation<'a>(
        &self,
        dom: DomId,
        order: PageOrder,
        frames: impl Into<Frames<'a>>,
    ) -> Result<usize> {
        self.decrease(dom, order, &mut frames.into().to_raw())
    }

    /// The same for all of `frames`.
    ///
    /// # Errors
    /// As [`Xc::decrease_reservation`]. If fewer were taken, which are gone: [`Kind::NotFound`] if
    /// `dom` is gone, else [`Kind::Invalid`]: most likely it has no page at one of the frames.
    #[doc(alias = "xc_domain_decrease_reservation_exact")]
    pub fn decrease_reservation_exact<'a>(
        &self,
        dom: DomId,
        order: PageOrder,
        frames: impl Into<Frames<'a>>,
    ) -> Result<()> {
        let mut frames = frames.into().to_raw();
        let done = self.decrease(dom, order, &mut frames)?;
        let operation = || taking(order, &frames);
        self.complete(dom, operation, (done, frames.len()), Kind::Invalid)
    }

    fn decrease(&self, dom: DomId, order: PageOrder, frames: &mut [u64]) -> Result<usize> {
        let done = bounded(frames.len()).and_then(|()| {
            let order = order.raw().into();
            Ok(self.backend.domain_decrease_reservation(dom, order, frames)?)
        });
        done.map_err(|cause| Error::on(taking(order, frames), dom, cause))
    }

    pub(super) fn populate(
        &self,
        dom: DomId,
        order: PageOrder,
        flags: u32,
        gfns: &[Gfn],
    ) -> Result<Populated, Cause> {
        bounded(gfns.len())?;
        let mut extents = Frames::Guest(gfns).to_raw();
        let order = order.raw().into();
        let done = self.backend.domain_populate_physmap(dom, order, flags, &mut extents)?;
        Ok(Populated { done, extents })
    }

    /// Makes an error of `(done, asked)` that are not the same. Whether the domain is there is asked
    /// only then.
    pub(super) fn complete(
        &self,
        dom: DomId,
        operation: impl FnOnce() -> Cow<'static, str>,
        (done, asked): (usize, usize),
        kind: Kind,
    ) -> Result<()> {
        if done == asked {
            return Ok(());
        }
        let gone = self.info(dom).is_err_and(|e| e.kind() == Kind::NotFound);
        let cause =
            if gone { Cause::NoSuchDomain } else { Cause::Incomplete { done, asked, kind } };
        Err(Error::on(operation(), dom, cause))
    }
}

pub(super) fn populating(verb: &str, order: PageOrder, gfns: &[Gfn]) -> Cow<'static, str> {
    on_extents(verb, order, gfns.len(), gfns.first().map(|gfn| gfn.0))
}

fn taking(order: PageOrder, frames: &[u64]) -> Cow<'static, str> {
    on_extents("take", order, frames.len(), frames.first().copied())
}

fn on_extents(verb: &str, order: PageOrder, count: usize, at: Option<u64>) -> Cow<'static, str> {
    let at = at.map(|frame| format!(" from frame {frame:#x} on")).unwrap_or_default();
    format!("{verb} {count} extents of {order}{at}").into()
}

/// Xen answers 0 to a longer list (`MEMOP_EXTENT_SHIFT`, `xen/common/memory.c`).
fn bounded(count: usize) -> Result<(), Cause> {
    match count > MOST {
        true => Err(Cause::Argument("more than 67108863 extents at once")),
        false => Ok(()),
    }
}

const MOST: usize = (u32::MAX >> 6) as usize;

/// No frame has this number (`INVALID_PFN`, `tools/libs/ctrl/xc_private.h`).
const UNTOLD: u64 = u64::MAX;

#[cfg(test)]
#[path = "reservation_tests.rs"]
mod tests;
