//! The machine's frames that nobody has.
//!
//! As in Xen's allocator memory is given in runs of 2^order frames whose first is a multiple of
//! their number, from the highest place that is allowed (`get_free_buddy`,
//! `xen/common/page_alloc.c`).

use std::collections::BTreeMap;
use std::ops::Range;

/// Runs of free frames, and which frames each node has.
#[derive(Debug)]
pub(crate) struct Heap {
    /// First frame to the one behind the last; no two touch.
    free: BTreeMap<u64, u64>,
    nodes: Vec<Range<u64>>,
}

impl Heap {
    /// Nodes with so many frames each, one behind the other, from frame 1 on: Xen never gives frame
    /// 0.
    pub(crate) fn new(nodes: &[u64]) -> Self {
        let mut start = 1;
        let ranges = nodes.iter().map(|&frames| {
            let range = start..start + frames;
            start = range.end;
            range
        });
        let nodes: Vec<_> = ranges.collect();
        let free = if start > 1 { BTreeMap::from([(1, start)]) } else { BTreeMap::new() };
        Self { free, nodes }
    }

    pub(crate) fn nodes(&self) -> &[Range<u64>] {
        &self.nodes
    }

    /// One more than the highest frame.
    pub(crate) fn end(&self) -> u64 {
        self.nodes.last().map_or(1, |node| node.end)
    }

    pub(crate) fn total(&self) -> u64 {
        self.nodes.iter().map(|node| node.end - node.start).sum()
    }

    pub(crate) fn free(&self) -> u64 {
        self.free.iter().map(|(start, end)| end - start).sum()
    }

    pub(crate) fn free_on(&self, node: usize) -> u64 {
        let Some(node) = self.nodes.get(node) else { return 0 };
        let within =
            |(&start, &end): (&u64, &u64)| end.min(node.end).saturating_sub(start.max(node.start));
        self.free.iter().map(within).sum()
    }

    /// Takes 2^order frames below frame `limit`, from the first of the nodes that has them.
    pub(crate) fn take(
        &mut self,
        order: u32,
        limit: u64,
        nodes: impl IntoIterator<Item = usize>,
    ) -> Option<u64> {
        let size = 1_u64.checked_shl(order)?;
        let place = nodes.into_iter().find_map(|node| self.place(size, limit, node))?;
        self.cut(place, size);
        Some(place)
    }

    fn place(&self, size: u64, limit: u64, node: usize) -> Option<u64> {
        let node = self.nodes.get(node)?;
        let runs = self.free.range(..node.end.min(limit)).rev();
        runs.take_while(|(_, end)| **end > node.start).find_map(|(&start, &end)| {
            let (start, end) = (start.max(node.start), end.min(node.end).min(limit));
            let place = end.checked_sub(size)? & !(size - 1);
            (place >= start).then_some(place)
        })
    }

    fn cut(&mut self, place: u64, size: u64) {
        let Some((&start, &end)) = self.free.range(..=place).next_back() else { return };
        self.free.remove(&start);
        if start < place {
            self.free.insert(start, place);
        }
        if place + size < end {
            self.free.insert(place + size, end);
        }
    }

    /// Gives a frame back.
    pub(crate) fn give(&mut self, frame: u64) {
        let (mut start, mut end) = (frame, frame + 1);
        if let Some(after) = self.free.remove(&end) {
            end = after;
        }
        if let Some((&before, &touching)) = self.free.range(..start).next_back()
            && touching == start
        {
            start = before;
        }
        self.free.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANYWHERE: u64 = u64::MAX;

    #[test]
    fn a_run_is_aligned_and_as_high_as_may_be() {
        let mut heap = Heap::new(&[1030]);
        assert_eq!(heap.take(9, ANYWHERE, [0]), Some(512));
        assert_eq!(heap.take(0, ANYWHERE, [0]), Some(1030));
        assert_eq!(heap.take(9, ANYWHERE, [0]), None);
        assert_eq!(heap.take(2, 16, [0]), Some(12));
        assert_eq!(heap.free(), 1030 - 512 - 1 - 4);
    }

    #[test]
    fn the_second_node_helps_out_if_it_may() {
        let mut heap = Heap::new(&[2, 8]);
        assert_eq!(heap.take(0, ANYWHERE, [0, 1]), Some(2));
        assert_eq!(heap.take(2, ANYWHERE, [0]), None);
        assert_eq!(heap.take(2, ANYWHERE, [0, 1]), Some(4));
        assert_eq!((heap.free_on(0), heap.free_on(1)), (1, 4));
    }

    #[test]
    fn what_is_given_back_grows_together() {
        let mut heap = Heap::new(&[4]);
        let taken = [(); 4].map(|()| heap.take(0, ANYWHERE, [0]));
        assert_eq!(taken, [Some(4), Some(3), Some(2), Some(1)]);
        [1, 3, 2, 4].into_iter().for_each(|frame| heap.give(frame));
        assert_eq!(heap.take(1, ANYWHERE, [0]), Some(2));
        assert_eq!(heap.free(), 2);
    }
}
