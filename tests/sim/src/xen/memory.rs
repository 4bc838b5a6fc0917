//! The memory of domains: pages given and taken, ceilings and claims.
//!
//! ```text
//!   heap ──assign──▶ the domain's pages ──map──▶ its address space (HVM and PVH)
//!     ▲                   │  └──▶ the cache of populate-on-demand
//!     └──free── when nobody else has a page mapped
//! ```
//!
//! After `xen/common/memory.c` and `xen/common/page_alloc.c`.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;
use xen_types::{DomId, KiB};
use xenctrl_sys::{
    XENMEMF_EXACT_NODE_REQUEST, XENMEMF_NODE_0, XENMEMF_POPULATE_ON_DEMAND, XENMEMF_VNODE,
};

use super::physmap::Physmap;
use super::pod::Pod;
use super::pool::Pool;
use super::{Outcome, Xen};

/// What a domain has.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Machine frames, those of the cache for populate-on-demand included.
    pub(crate) pages: BTreeSet<u64>,
    /// Those that the domain has given up, or left at its end, while others have them mapped.
    pub(crate) leaving: BTreeSet<u64>,
    pub(crate) max_pages: u64,
    /// What is left of its claim.
    pub(crate) outstanding: u64,
    pub(crate) physmap: Physmap,
    pub(crate) pod: Pod,
    pub(crate) pool: Pool,
}

impl Memory {
    /// `domain_tot_pages`.
    pub(crate) fn total(&self) -> u64 {
        self.pages.len() as u64
    }
}

/// Frames that somebody other than their owner has mapped, and how often.
pub(crate) type Holds = BTreeMap<u64, u32>;

/// Where memory is to come from, of `XENMEMF_*`.
#[derive(Debug, Clone, Copy)]
struct Source {
    /// The first frame that is too high.
    limit: u64,
    node: Option<usize>,
    exactly: bool,
}

impl Source {
    /// `construct_memop_from_reservation`; `None` for what cannot be.
    fn of(flags: u32) -> Option<Self> {
        let bits = flags & 0xff;
        let limit = match bits {
            0 => u64::MAX,
            1..=12 => return None,
            bits => 1_u64.checked_shl(bits - 12).unwrap_or(u64::MAX),
        };
        // A virtual topology is not simulated, so that no domain has one.
        if flags & XENMEMF_VNODE != 0 {
            return None;
        }
        let node = ((flags / XENMEMF_NODE_0) & 0xff).checked_sub(1);
        let node = node.and_then(|node| usize::try_from(node).ok());
        if node.is_some_and(|node| node >= MAX_NUMNODES) {
            return None;
        }
        Some(Self { limit, node, exactly: flags & XENMEMF_EXACT_NODE_REQUEST != 0 })
    }

    const ANYWHERE: Self = Self { limit: u64::MAX, node: None, exactly: false };
}

impl Xen {
    /// `XEN_DOMCTL_max_mem`: a part of a page is dropped.
    pub(crate) fn set_max_mem(&mut self, dom: DomId, max: KiB) -> Outcome<()> {
        let most = u64::from(u32::MAX) - 1;
        self.dom(dom)?.memory.max_pages = max.to_pages_down().get().min(most);
        Ok(())
    }

    /// `XENMEM_claim_pages` (`domain_set_outstanding_pages`).
    pub(crate) fn claim(&mut self, dom: DomId, pages: u64) -> Outcome<()> {
        let available = self.heap.free() - self.claimed();
        let memory = &mut self.dom(dom).map_err(|_| Errno::INVAL)?.memory;
        if pages == 0 {
            memory.outstanding = 0;
            return Ok(());
        }
        let total = memory.total();
        if memory.outstanding != 0 || pages <= total || pages > memory.max_pages {
            return Err(Errno::INVAL);
        }
        if pages - total > available {
            return Err(Errno::NOMEM);
        }
        memory.outstanding = pages - total;
        Ok(())
    }

    /// What all domains have claimed and not taken.
    pub(crate) fn claimed(&self) -> u64 {
        self.domains.values().map(|domain| domain.memory.outstanding).sum()
    }

    /// `alloc_domheap_pages`: 2^order frames that become the domain's.
    pub(super) fn assign(&mut self, dom: DomId, order: u32) -> Option<u64> {
        self.assign_from(dom, order, Source::ANYWHERE)
    }

    fn assign_from(&mut self, dom: DomId, order: u32, source: Source) -> Option<u64> {
        let size = 1_u64.checked_shl(order)?;
        let domain = self.domains.get(&dom)?;
        let (memory, affinity) = (&domain.memory, domain.node_affinity);
        if self.claimed() + size > self.heap.free() && memory.outstanding < size {
            return None;
        }
        if domain.dead || memory.total().checked_add(size)? > memory.max_pages {
            return None;
        }
        let nodes = self.heap.nodes().len();
        let all = (0..nodes).filter(|node| affinity >> node & 1 != 0).chain(0..nodes);
        let others = all.filter(|_| !source.exactly || source.node.is_none());
        let wanted: Vec<_> = source.node.into_iter().chain(others).collect();
        let first = self.heap.take(order, source.limit, wanted)?;
        let memory = &mut self.domains.get_mut(&dom)?.memory;
        memory.pages.extend(first..first + size);
        memory.outstanding = memory.outstanding.saturating_sub(size);
        Some(first)
    }

    /// Takes a page from a domain; it is free when nobody has it mapped any more.
    pub(super) fn release(&mut self, dom: DomId, frame: u64) {
        let Some(domain) = self.domains.get_mut(&dom) else { return };
        if self.holds.contains_key(&frame) {
            domain.memory.leaving.insert(frame);
        } else if domain.memory.pages.remove(&frame) {
            domain.memory.leaving.remove(&frame);
            self.contents.remove(&frame);
            self.heap.give(frame);
        }
    }

    /// `XENMEM_populate_physmap`: how many extents were populated.
    pub(crate) fn populate(
        &mut self,
        dom: DomId,
        order: u32,
        flags: u32,
        extents: &mut [u64],
    ) -> usize {
        let Some(source) = Source::of(flags) else { return 0 };
        let on_demand = flags & XENMEMF_POPULATE_ON_DEMAND != 0;
        if order > MAX_ORDER || !self.domains.contains_key(&dom) {
            return 0;
        }
        let one = |extent: &mut u64| match on_demand {
            true => self.mark_on_demand(dom, *extent, order).ok(),
            false => self.populate_one(dom, order, source, extent),
        };
        extents.iter_mut().map_while(one).count()
    }

    fn populate_one(
        &mut self,
        dom: DomId,
        order: u32,
        source: Source,
        extent: &mut u64,
    ) -> Option<()> {
        let first = self.assign_from(dom, order, source)?;
        let domain = self.domains.get_mut(&dom)?;
        if domain.is_hvm() {
            // What fails here stays the domain's, without a place.
            return domain.memory.map_extent(*extent, first, order).ok();
        }
        *extent = first;
        Some(())
    }

    /// `XENMEM_increase_reservation`: how many extents were added.
    pub(crate) fn increase(
        &mut self,
        dom: DomId,
        order: u32,
        flags: u32,
        extents: &mut [u64],
    ) -> usize {
        let Some(source) = Source::of(flags) else { return 0 };
        if order > MAX_ORDER {
            return 0;
        }
        let told = self.domains.get(&dom).is_some_and(|domain| !domain.is_hvm());
        let one = |extent: &mut u64| {
            let first = self.assign_from(dom, order, source)?;
            if told {
                *extent = first;
            }
            Some(())
        };
        extents.iter_mut().map_while(one).count()
    }

    /// `XENMEM_decrease_reservation`: how many extents are gone.
    pub(crate) fn decrease(&mut self, dom: DomId, order: u32, extents: &[u64]) -> usize {
        if order > MAX_ORDER || !self.domains.contains_key(&dom) {
            return 0;
        }
        let one = |extent: &u64| self.decrease_one(dom, order, *extent).ok();
        extents.iter().map_while(one).count()
    }

    fn decrease_one(&mut self, dom: DomId, order: u32, first: u64) -> Outcome<()> {
        let size = 1_u64 << order;
        let mut on_demand = self.decrease_on_demand(dom, first, order);
        for frame in (first..).take(usize::try_from(size - on_demand).unwrap_or(usize::MAX)) {
            match self.remove_page(dom, frame) {
                Err(Errno::NOENT) if on_demand > 0 => on_demand -= 1,
                done => done?,
            }
        }
        Ok(())
    }

    /// `guest_remove_page`.
    pub(super) fn remove_page(&mut self, dom: DomId, frame: u64) -> Outcome<()> {
        let domain = self.dom(dom)?;
        if !domain.is_hvm() {
            // Its frames are machine frames.
            if !domain.memory.pages.contains(&frame) || domain.memory.leaving.contains(&frame) {
                return Err(Errno::NXIO);
            }
            self.release(dom, frame);
            return Ok(());
        }
        let page = domain.memory.unmap_page(frame)?;
        self.release(dom, page);
        Ok(())
    }

    /// Has a page of a domain mapped by somebody else: it outlives the domain's having it.
    pub(crate) fn hold(&mut self, dom: DomId, frame: u64) -> Outcome<u64> {
        let domain = self.dom(dom)?;
        let page = match domain.is_hvm() {
            true => domain.memory.physmap.page(frame).ok_or(Errno::INVAL)?,
            false => frame,
        };
        if !domain.memory.pages.contains(&page) || domain.memory.leaving.contains(&page) {
            return Err(Errno::INVAL);
        }
        *self.holds.entry(page).or_default() += 1;
        Ok(page)
    }

    /// How many pages somebody other than their owner has mapped.
    pub(crate) fn mapped(&self) -> usize {
        self.holds.len()
    }

    /// Ends a mapping; the last one frees a page that its domain has given up.
    pub(crate) fn let_go(&mut self, dom: DomId, page: u64) {
        let Some(count) = self.holds.get_mut(&page) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.holds.remove(&page);
        let leaves = self.domains.get(&dom).is_some_and(|d| d.memory.leaving.contains(&page));
        if leaves {
            self.release(dom, page);
            self.bury(dom);
        }
    }
}

/// `MAX_NUMNODES` of x86 (`xen/include/asm-x86/numa.h`).
const MAX_NUMNODES: usize = 64;
/// `CONFIG_PAGEALLOC_MAX_ORDER` of x86, which a control domain may use
/// (`xen/arch/x86/include/asm/config.h`).
const MAX_ORDER: u32 = 18;
