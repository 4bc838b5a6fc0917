//! How much memory a domain may have, the memory maps of domains, and the paging pool.

use xc::{E820Entry, E820Kind, GuestKind, Kind, PageOrder, Placement};
use xen_types::{Bytes, DomId, Gfn, KiB, MiB, PageCount, Sbdf};

use super::{Ctx, Domain, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        a_memory_ceiling_rounds_up_to_a_page,
        a_ceiling_below_what_a_domain_has_takes_nothing,
        a_paging_pool_has_the_size_it_was_given,
        a_paging_pool_is_of_the_hosts_memory,
        pv_domains_have_no_paging_pool,
        a_population_stops_when_the_paging_pool_is_used_up,
        a_host_without_an_iommu_reserves_nothing_for_devices,
        a_domain_is_told_at_most_1024_ranges_of_memory,
        a_domain_that_is_absent_is_told_no_memory_map,
    ]
    .into()
}

/// A domain that may have 4096 pages, with a paging pool if it is to have page tables of Xen's.
pub(super) fn roomy(ctx: &Ctx, kind: GuestKind) -> xc::Result<Domain> {
    let dom = ctx.empty(kind)?;
    dom.xc.set_max_mem(dom.id, MiB(16).to_bytes())?;
    if kind != GuestKind::Pv {
        dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    }
    Ok(dom)
}

/// Gives a domain pages at guest frames from `first` on.
pub(super) fn give(dom: &Domain, first: u64, count: usize) -> xc::Result<()> {
    let gfns: Vec<Gfn> = (first..).take(count).map(Gfn).collect();
    let given = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, Placement::default(), &gfns);
    given.map(drop)
}

fn a_memory_ceiling_rounds_up_to_a_page(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, Bytes(4097))?;
    assert_eq!(dom.xc.info(dom.id)?.max_pages, PageCount(2));
    Ok(())
}

fn a_ceiling_below_what_a_domain_has_takes_nothing(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    give(&dom, 0, 10)?;
    dom.xc.set_max_mem(dom.id, PageCount(5).to_bytes())?;
    let info = dom.xc.info(dom.id)?;
    assert_eq!((info.current_pages, info.max_pages), (PageCount(10), PageCount(5)));
    assert_eq!(give(&dom, 10, 1).unwrap_err().kind(), Kind::NoMemory);
    Ok(())
}

fn a_paging_pool_has_the_size_it_was_given(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(5).to_bytes())?;
    assert_eq!(dom.xc.paging_pool(dom.id)?, MiB(5).to_bytes());
    dom.xc.set_paging_pool(dom.id, Bytes(MiB(3).to_bytes().0 + 1))?;
    assert_eq!(dom.xc.paging_pool(dom.id)?, PageCount(769).to_bytes());
    Ok(())
}

fn a_paging_pool_is_of_the_hosts_memory(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    let before = super::reservation::free_at_rest(ctx.xc())?;
    dom.xc.set_paging_pool(dom.id, MiB(66).to_bytes())?;
    let after = super::reservation::free_at_rest(ctx.xc())?;
    // The last remains of an earlier domain, a few MiB, may become free meanwhile.
    assert!((14_000..=16_384).contains(&(before - after)), "{}", before - after);
    assert_eq!(dom.xc.info(dom.id)?.current_pages, PageCount(0));
    Ok(())
}

fn pv_domains_have_no_paging_pool(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    let size = dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes()).unwrap_err();
    let asked = dom.xc.paging_pool(dom.id).unwrap_err();
    assert_eq!([size.kind(), asked.kind()], [Kind::Unavailable; 2]);
    Ok(())
}

fn a_population_stops_when_the_paging_pool_is_used_up(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    dom.xc.set_max_mem(dom.id, MiB(16).to_bytes())?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    // Each needs page tables of its own: of 2 MiB, and of 1 GiB.
    let gfns: Vec<Gfn> = (1..=400).map(|place| Gfn(place << 18)).collect();
    let populate =
        |gfns: &[Gfn]| dom.xc.populate_physmap(dom.id, PageOrder::KB4, Placement::default(), gfns);
    let first = populate(&gfns)?;
    assert!((150..=256).contains(&first.done()), "{}", first.done());
    dom.xc.set_paging_pool(dom.id, MiB(8).to_bytes())?;
    let rest = &gfns[first.done()..];
    assert_eq!(populate(rest)?.done(), rest.len());
    Ok(())
}

fn a_host_without_an_iommu_reserves_nothing_for_devices(ctx: &Ctx) -> Outcome {
    let xc = ctx.xc();
    assert_eq!(xc.reserved_device_memory(None)?, []);
    assert_eq!(xc.reserved_device_memory(Sbdf::new(0, 0, 3, 0))?, []);
    Ok(())
}

fn a_domain_is_told_at_most_1024_ranges_of_memory(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    let range = E820Entry { start: 0, size: MiB(64).to_bytes(), kind: E820Kind::Ram };
    dom.xc.set_memory_map(dom.id, &[range; 1024])?; // E820MAX, xen/arch/x86/include/asm/e820.h
    let more = dom.xc.set_memory_map(dom.id, &[range; 1025]).unwrap_err();
    assert_eq!(more.kind(), Kind::Invalid);
    Ok(())
}

fn a_domain_that_is_absent_is_told_no_memory_map(ctx: &Ctx) -> Outcome {
    let pv = ctx.empty(GuestKind::Pv)?;
    pv.xc.set_memory_map_limit(pv.id, KiB(65536))?;
    let absent = DomId::new(0x7fef).ok_or("an id")?;
    let limited = pv.xc.set_memory_map_limit(absent, KiB(65536)).unwrap_err();
    let mapped = pv.xc.set_memory_map(absent, &[]).unwrap_err();
    assert_eq!([limited.kind(), mapped.kind()], [Kind::NotFound; 2]);
    Ok(())
}
