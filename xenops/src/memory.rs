//! How much memory a domain costs the host, and where each part goes. Pure arithmetic.
//!
//! ```text
//!   need ┬ guest memory           populated at build
//!        ├ paging pool            HAP/p2m tables of a guest with hardware virtualisation
//!        └ overhead               vcpu structures, grant tables, page tables of the domain itself
//!   ceiling = guest memory + slack     what Xen lets the domain hold (set_max_mem)
//! ```
//!
//! The formulas are libxl's (`libxl_mem.c`, `libxl_x86.c`), so that a guest which fits under xl fits
//! here. What is needed rounds up; what is free rounds down.

use xen_types::{KiB, MiB, PageCount};

use crate::GuestKind;

/// The memory figures of one domain to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// What the guest itself gets.
    pub guest: KiB,
    /// The pool for its second-level page tables; zero for a PV guest.
    pub paging_pool: KiB,
    /// The ceiling set in Xen.
    pub ceiling: KiB,
    /// What must be free on the host before the domain is created, in steps of 2 MiB.
    pub need: MiB,
}

/// The figures of a guest with this much memory and this many vcpus.
pub fn footprint(kind: GuestKind, memory: MiB, vcpus: u32) -> Footprint {
    let guest = memory.to_kib();
    let (paging_pool, overhead) = match kind {
        GuestKind::Pv => (KiB(0), KiB(1024)),
        GuestKind::Pvh => (paging_pool(memory, vcpus), KiB(2048)),
    };
    let sum = guest.0.saturating_add(paging_pool.0).saturating_add(overhead.0);
    Footprint {
        guest,
        paging_pool,
        ceiling: KiB(guest.0.saturating_add(CEILING_SLACK.0)),
        need: MiB(KiB(sum).to_mib_up().0.next_multiple_of(2)),
    }
}

/// With hardware-assisted paging: 256 pages for each vcpu and one for each MiB.
fn paging_pool(memory: MiB, vcpus: u32) -> KiB {
    PageCount(memory.0.saturating_add(256 * u64::from(vcpus))).to_kib()
}

/// `LIBXL_MAXMEM_CONSTANT`: room for pages that are the domain's but not the guest's RAM.
const CEILING_SLACK: KiB = KiB(1024);

#[cfg(test)]
mod tests {
    use super::*;

    // The figures of the first two tests are libxl's for the same guests.
    #[test]
    fn a_pvh_guest_of_4_gib_and_4_vcpus_needs_what_libxl_says() {
        let figures = footprint(GuestKind::Pvh, MiB(4096), 4);
        assert_eq!(figures.paging_pool, KiB(20480));
        assert_eq!(figures.need.to_kib(), KiB(4_216_832));
    }

    #[test]
    fn a_pv_guest_has_no_paging_pool() {
        let figures = footprint(GuestKind::Pv, MiB(1024), 2);
        assert_eq!(figures.paging_pool, KiB(0));
        assert_eq!(figures.need, MiB(1026));
    }

    #[test]
    fn the_need_of_an_odd_size_rounds_up() {
        assert_eq!(footprint(GuestKind::Pv, MiB(16), 1).need, MiB(18));
        assert_eq!(footprint(GuestKind::Pv, MiB(17), 1).need, MiB(18));
    }

    #[test]
    fn an_absurd_size_saturates() {
        assert_eq!(footprint(GuestKind::Pvh, MiB(u64::MAX), 1).guest, KiB(u64::MAX));
    }
}
