//! Populate on demand (`xen/arch/x86/mm/p2m-pod.c`): guest frames that get a page out of a cache
//! when they are first touched.

use std::collections::BTreeSet;

use rustix::io::Errno;
use xen_types::DomId;

use super::physmap::Entry;
use super::{Outcome, Xen};

/// How it stands in a domain.
#[derive(Debug, Default)]
pub(crate) struct Pod {
    /// Frames of the domain that wait.
    cache: BTreeSet<u64>,
    /// Guest frames without a page.
    entries: u64,
}

impl Pod {
    /// An entry that another one took the place of.
    pub(super) fn replaced(&mut self, before: Option<Entry>) {
        if before == Some(Entry::OnDemand) {
            self.entries -= 1;
        }
    }

    fn cached(&self) -> u64 {
        self.cache.len() as u64
    }
}

impl Xen {
    /// `XENMEM_get_pod_target`: pages, of them in the cache, entries.
    pub(crate) fn pod_target(&mut self, dom: DomId) -> Outcome<[u64; 3]> {
        let domain = self.dom(dom)?;
        if !domain.is_hvm() {
            return Err(Errno::INVAL);
        }
        let memory = &domain.memory;
        Ok([memory.total(), memory.pod.cached(), memory.pod.entries])
    }

    /// `XENMEM_set_pod_target` (`p2m_pod_set_mem_target`).
    pub(crate) fn set_pod_target(&mut self, dom: DomId, target: u64) -> Outcome<[u64; 3]> {
        let domain = self.dom(dom)?;
        let (memory, pod) = (&domain.memory, &domain.memory.pod);
        if !domain.is_hvm() || target > memory.max_pages {
            return Err(Errno::INVAL);
        }
        let populated = memory.total() - pod.cached();
        let nothing_to_do = (populated > 0 && pod.entries == 0) || domain.dead;
        if !nothing_to_do && target >= memory.total() {
            let wanted = target - populated;
            let cache = if populated > 0 { wanted.min(pod.entries) } else { wanted };
            self.resize_cache(dom, cache)?;
        }
        self.pod_target(dom)
    }

    /// `p2m_pod_set_cache_target`.
    fn resize_cache(&mut self, dom: DomId, target: u64) -> Outcome<()> {
        while self.dom(dom)?.memory.pod.cached() < target {
            let missing = target - self.dom(dom)?.memory.pod.cached();
            let large = if missing >= 512 { self.assign(dom, 9) } else { None };
            let (first, size) = match large {
                Some(first) => (first, 512),
                None => (self.assign(dom, 0).ok_or(Errno::NOMEM)?, 1),
            };
            self.dom(dom)?.memory.pod.cache.extend(first..first + size);
        }
        while self.dom(dom)?.memory.pod.cached() > target {
            let Some(frame) = self.dom(dom)?.memory.pod.cache.pop_first() else { break };
            self.release(dom, frame);
        }
        Ok(())
    }

    /// `guest_physmap_mark_populate_on_demand`. For PV nothing is done, and that is no error.
    pub(super) fn mark_on_demand(&mut self, dom: DomId, gfn: u64, order: u32) -> Outcome<()> {
        let domain = self.dom(dom)?;
        if !domain.is_hvm() {
            return Ok(());
        }
        let memory = &mut domain.memory;
        let frames = gfn..gfn + (1 << order);
        let taken = |gfn| !matches!(memory.physmap.entry(gfn), None | Some(Entry::OnDemand));
        if frames.clone().any(taken) {
            return Err(Errno::BUSY);
        }
        memory.pool.take_tables(gfn, order)?;
        for gfn in frames {
            let before = memory.physmap.set(gfn, Entry::OnDemand);
            memory.pod.entries += 1;
            memory.pod.replaced(before);
        }
        Ok(())
    }

    /// `p2m_pod_decrease_reservation`: how many frames of the extent it has seen to. Pages fill the
    /// cache while that has less than there are entries.
    pub(super) fn decrease_on_demand(&mut self, dom: DomId, first: u64, order: u32) -> u64 {
        let Ok(domain) = self.dom(dom) else { return 0 };
        let memory = &mut domain.memory;
        if memory.pod.entries == 0 {
            return 0;
        }
        let mut done = 0;
        for gfn in first..first + (1 << order) {
            let wanting = memory.pod.entries > memory.pod.cached();
            match memory.physmap.entry(gfn) {
                Some(Entry::OnDemand) => memory.pod.entries -= 1,
                Some(Entry::Page(frame)) if wanting => drop(memory.pod.cache.insert(frame)),
                _ => continue,
            }
            memory.physmap.clear(gfn);
            done += 1;
        }
        let (entries, cached) = (memory.pod.entries, memory.pod.cached());
        if entries < cached {
            // It shrinks: nothing can be missing.
            self.resize_cache(dom, entries).unwrap_or_default();
        }
        done
    }

    /// A domain touches a guest frame. If the cache is empty, the domain is ended.
    pub(crate) fn touch(&mut self, dom: DomId, gfn: u64) -> Outcome<()> {
        let memory = &mut self.dom(dom)?.memory;
        if memory.physmap.entry(gfn) != Some(Entry::OnDemand) {
            return Ok(());
        }
        let Some(frame) = memory.pod.cache.pop_first() else {
            self.shut_down(dom, CRASH)?;
            return Err(Errno::NOMEM);
        };
        memory.pool.take_tables(gfn, 0)?;
        let before = memory.physmap.set(gfn, Entry::Page(frame));
        memory.pod.replaced(before);
        Ok(())
    }
}

/// `SHUTDOWN_crash` (`xen/include/public/sched.h`).
const CRASH: u8 = 3;
