//! The address space of HVM and PVH domains: what is at which guest frame.

use std::collections::BTreeMap;

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::{
    Release, XENMAPIDX_GRANT_TABLE_STATUS, XENMAPSPACE_GMFN, XENMAPSPACE_GMFN_FOREIGN,
    XENMAPSPACE_GRANT_TABLE, XENMAPSPACE_SHARED_INFO,
};

use super::memory::Memory;
use super::{Outcome, Xen};

/// What is where.
#[derive(Debug, Default)]
pub(crate) struct Physmap {
    entries: BTreeMap<u64, Entry>,
    /// Where there ever was something.
    highest: Option<u64>,
}

/// What a guest frame has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A page of the domain: a machine frame.
    Page(u64),
    /// A page that Xen shares with it.
    Special(Special),
    /// A page when it is first touched.
    OnDemand,
}

/// A page that Xen shares with a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    SharedInfo,
    GrantFrame(u64),
}

impl Physmap {
    pub(crate) fn entry(&self, gfn: u64) -> Option<Entry> {
        self.entries.get(&gfn).copied()
    }

    /// The machine frame of a page of the domain.
    pub(crate) fn page(&self, gfn: u64) -> Option<u64> {
        match self.entry(gfn)? {
            Entry::Page(frame) => Some(frame),
            Entry::Special(_) | Entry::OnDemand => None,
        }
    }

    /// The guest frames that have something, in order.
    pub(crate) fn gfns(&self) -> impl Iterator<Item = u64> + '_ {
        self.entries.keys().copied()
    }

    /// The highest guest frame that ever had something, 0 if none had.
    pub(crate) fn highest(&self) -> u64 {
        self.highest.unwrap_or(0)
    }

    pub(super) fn set(&mut self, gfn: u64, entry: Entry) -> Option<Entry> {
        self.highest = self.highest.max(Some(gfn));
        self.entries.insert(gfn, entry)
    }

    pub(super) fn clear(&mut self, gfn: u64) -> Option<Entry> {
        self.entries.remove(&gfn)
    }

    /// Where a page is.
    fn place(&self, of: Entry) -> Option<u64> {
        self.entries.iter().find(|(_, entry)| **entry == of).map(|(&gfn, _)| gfn)
    }
}

impl Memory {
    /// `guest_physmap_add_page`: puts 2^order pages at guest frames. A page that was there stays
    /// the domain's, in no place.
    pub(super) fn map_extent(&mut self, gfn: u64, first: u64, order: u32) -> Outcome<()> {
        self.pool.take_tables(gfn, order)?;
        for offset in 0..1_u64 << order {
            let before = self.physmap.set(gfn + offset, Entry::Page(first + offset));
            self.pod.replaced(before);
        }
        Ok(())
    }

    /// The page that was at a guest frame, which has none now.
    pub(super) fn unmap_page(&mut self, gfn: u64) -> Outcome<u64> {
        match self.physmap.entry(gfn) {
            Some(Entry::Page(frame)) => {
                self.pool.take_tables(gfn, 0)?;
                self.physmap.clear(gfn);
                Ok(frame)
            }
            // The domain's frames only: `guest_remove_page` takes no reference to one of Xen's.
            Some(Entry::Special(_)) => Err(Errno::NXIO),
            Some(Entry::OnDemand) | None => Err(Errno::NOENT),
        }
    }
}

impl Xen {
    /// `XENMEM_add_to_physmap`.
    pub(crate) fn add_to_physmap(
        &mut self,
        dom: DomId,
        space: u32,
        index: u64,
        gfn: u64,
    ) -> Outcome<()> {
        if space == XENMAPSPACE_GMFN_FOREIGN {
            return Err(Errno::NOSYS);
        }
        if !self.dom(dom)?.is_hvm() {
            return Err(Errno::ACCESS);
        }
        self.add_one(dom, space, index, gfn)
    }

    /// `XENMEM_add_to_physmap_batch`: what became of each.
    pub(crate) fn add_to_physmap_batch(
        &mut self,
        dom: DomId,
        space: u32,
        places: impl Iterator<Item = (u64, u64)>,
    ) -> Outcome<Vec<i32>> {
        if !self.dom(dom)?.is_hvm() {
            return Err(Errno::ACCESS);
        }
        let one = |(index, gfn)| match self.add_one(dom, space, index, gfn) {
            Ok(()) => 0,
            Err(errno) => -errno.raw_os_error(),
        };
        Ok(places.map(one).collect())
    }

    /// `xenmem_add_to_physmap_one` (`xen/arch/x86/mm/p2m.c`).
    fn add_one(&mut self, dom: DomId, space: u32, index: u64, gfn: u64) -> Outcome<()> {
        let since_4_19 = self.release >= Release::new(4, 19);
        let domain = self.dom(dom)?;
        let entry = match space {
            XENMAPSPACE_SHARED_INFO if index == 0 => Entry::Special(Special::SharedInfo),
            XENMAPSPACE_GRANT_TABLE => {
                let limit = u64::try_from(domain.config.max_grant_frames).unwrap_or(GRANT_FRAMES);
                // Grants are of version 1 until the guest says otherwise.
                if index & XENMAPIDX_GRANT_TABLE_STATUS != 0 || index >= limit {
                    return Err(Errno::INVAL);
                }
                Entry::Special(Special::GrantFrame(index))
            }
            XENMAPSPACE_GMFN => match domain.memory.physmap.page(index) {
                Some(frame) => Entry::Page(frame),
                // Observed on 4.20.
                None if since_4_19 => return Err(Errno::PERM),
                None => return Err(Errno::INVAL),
            },
            // Without a right over the other domain; before 4.19 nobody who is not a hardware
            // domain.
            XENMAPSPACE_GMFN_FOREIGN => return Err(Errno::PERM),
            _ => return Err(Errno::INVAL),
        };
        let there = domain.memory.physmap.entry(gfn);
        if there == Some(entry) {
            return Ok(());
        }
        if let Some(Entry::Page(_)) = there {
            self.remove_page(dom, gfn)?;
        }
        let memory = &mut self.dom(dom)?.memory;
        if let Some(old) = memory.physmap.place(entry) {
            memory.pool.take_tables(old, 0)?;
            memory.physmap.clear(old);
        }
        memory.pool.take_tables(gfn, 0)?;
        let before = memory.physmap.set(gfn, entry);
        memory.pod.replaced(before);
        Ok(())
    }

    /// `XENMEM_remove_from_physmap`: the page stays the domain's.
    pub(crate) fn remove_from_physmap(&mut self, dom: DomId, gfn: u64) -> Outcome<()> {
        let domain = self.dom(dom)?;
        if !domain.is_hvm() {
            return Err(Errno::ACCESS);
        }
        if domain.memory.physmap.entry(gfn) == Some(Entry::OnDemand) {
            self.touch(dom, gfn)?; // looking for the page is touching it
        }
        let memory = &mut self.dom(dom)?.memory;
        match memory.physmap.entry(gfn) {
            Some(Entry::Page(_) | Entry::Special(_)) => {
                memory.pool.take_tables(gfn, 0)?;
                memory.physmap.clear(gfn);
                Ok(())
            }
            Some(Entry::OnDemand) | None => Err(Errno::NOENT),
        }
    }
}

/// `opt_max_grant_frames` (`xen/common/grant_table.c`).
const GRANT_FRAMES: u64 = 64;
