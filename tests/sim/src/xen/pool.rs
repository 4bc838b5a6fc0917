//! The paging pool: memory that Xen uses for the page tables of an HVM or PVH domain.
//!
//! A table has 512 entries, each of a page or of a table of the level below. Where 512 pages that
//! fill a table came as one, the table is saved until one of them is taken out.

use std::collections::BTreeSet;

use rustix::io::Errno;

use super::Outcome;

/// The pool of a domain.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// All its frames, those in use included.
    pub(crate) frames: Vec<u64>,
    /// The tables there are, by level and number.
    tables: BTreeSet<(u32, u64)>,
}

impl Pool {
    /// How many frames are in use.
    pub(crate) fn used(&self) -> usize {
        self.tables.len()
    }

    /// Sees to it that there are tables to enter 2^order pages from a guest frame on.
    pub(super) fn take_tables(&mut self, gfn: u64, order: u32) -> Outcome<()> {
        let whole = order >= 9 && gfn.trailing_zeros() >= 9;
        let last = gfn + ((1_u64 << order) - 1);
        let lowest = if whole { 2 } else { 1 };
        let tables = (lowest..=LEVELS).flat_map(|level| {
            let number = |gfn: u64| gfn >> (9 * level);
            (number(gfn)..=number(last)).map(move |number| (level, number))
        });
        let missing: Vec<_> = tables.filter(|table| !self.tables.contains(table)).collect();
        if self.tables.len() + missing.len() > self.frames.len() {
            return Err(Errno::NOMEM);
        }
        self.tables.extend(missing);
        Ok(())
    }
}

/// Of page tables on x86-64.
const LEVELS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(frames: u64) -> Pool {
        Pool { frames: (0..frames).collect(), ..Pool::default() }
    }

    #[test]
    fn a_page_needs_a_table_of_each_level() {
        let mut pool = pool(4);
        assert_eq!(pool.take_tables(7, 0), Ok(()));
        assert_eq!((pool.used(), pool.take_tables(8, 0)), (4, Ok(())));
        assert_eq!(pool.take_tables(512, 0), Err(Errno::NOMEM));
    }

    #[test]
    fn pages_that_fill_a_table_save_it() {
        let mut pool = pool(4);
        assert_eq!((pool.take_tables(512, 9), pool.used()), (Ok(()), 3));
        assert_eq!((pool.take_tables(513, 0), pool.used()), (Ok(()), 4));
    }
}
