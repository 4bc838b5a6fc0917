//! How much memory a domain costs the host, and where each part goes. Pure arithmetic.
//!
//! ```text
//!   need ┬ guest memory           populated at build
//!        ├ paging pool            HAP/p2m tables of a guest with hardware virtualisation
//!        └ overhead               vcpu structures, grant tables, page tables of the domain itself
//!   ceiling = guest memory + slack     what Xen lets the domain hold (set_max_mem)
//! ```
//!
//! The formulas are libxl's (`libxl_mem.c`, `libxl_create.c`), but for one: libxl also asks for room
//! for a paging pool of a PV guest, which it then never sets, and which is left out here. What is
//! needed rounds up; what is free rounds down.

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
///
/// `hap` says whether the host has hardware-assisted paging; without it a PVH guest is shadowed.
pub fn footprint(kind: GuestKind, memory: MiB, vcpus: u32, hap: bool) -> Footprint {
    let guest = memory.to_kib();
    let (paging_pool, overhead) = match kind {
        GuestKind::Pv => (KiB(0), KiB(1024)),
        GuestKind::Pvh => (paging_pool(memory, vcpus, hap), KiB(2048)),
    };
    let sum = guest.0.saturating_add(paging_pool.0).saturating_add(overhead.0);
    Footprint {
        guest,
        paging_pool,
        ceiling: KiB(guest.0.saturating_add(CEILING_SLACK.0)),
        need: MiB(KiB(sum).to_mib_up().0.next_multiple_of(2)),
    }
}

/// 256 pages for each vcpu, and for each MiB one, or two where the tables are shadowed.
fn paging_pool(memory: MiB, vcpus: u32, hap: bool) -> KiB {
    let per_mib = if hap { 1 } else { 2 };
    let pages = memory.0.saturating_mul(per_mib).saturating_add(256 * u64::from(vcpus));
    PageCount(pages).to_kib()
}

/// `LIBXL_MAXMEM_CONSTANT`: room for pages that are the domain's but not the guest's RAM.
const CEILING_SLACK: KiB = KiB(1024);

#[cfg(test)]
mod tests {
    use super::*;

    // libxl's figures for the same guest.
    #[test]
    fn a_pvh_guest_of_4_gib_and_4_vcpus_needs_what_libxl_says() {
        let figures = footprint(GuestKind::Pvh, MiB(4096), 4, true);
        assert_eq!(figures.paging_pool, KiB(20480));
        assert_eq!(figures.need.to_kib(), KiB(4_216_832));
    }

    #[test]
    fn a_shadowed_guest_of_1_gib_and_2_vcpus_gets_the_pool_of_libxl() {
        let figures = footprint(GuestKind::Pvh, MiB(1024), 2, false);
        assert_eq!(figures.paging_pool, KiB(10240));
    }

    #[test]
    fn a_pv_guest_has_no_paging_pool() {
        let figures = footprint(GuestKind::Pv, MiB(1024), 2, true);
        assert_eq!(figures.paging_pool, KiB(0));
        assert_eq!(figures.need, MiB(1026));
    }

    #[test]
    fn the_need_of_an_odd_size_rounds_up() {
        assert_eq!(footprint(GuestKind::Pv, MiB(16), 1, true).need, MiB(18));
        assert_eq!(footprint(GuestKind::Pv, MiB(17), 1, true).need, MiB(18));
    }

    #[test]
    fn an_absurd_size_saturates() {
        assert_eq!(footprint(GuestKind::Pvh, MiB(u64::MAX), 1, true).guest, KiB(u64::MAX));
    }
}
