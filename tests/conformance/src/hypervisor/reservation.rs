//! Memory given and taken, extent by extent.

use xc::{GuestKind, Kind, NodeChoice, NodeId, PageOrder, Placement, Xc};
use xen_types::{Gfn, Mfn, PageCount};

use super::ctx::until;
use super::memory::roomy;
use super::{Ctx, Domain, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        no_page_is_lost_between_the_host_and_a_pv_domain,
        no_page_is_lost_between_the_host_and_a_pvh_domain,
        a_population_stops_at_the_ceiling_and_says_how_far_it_got,
        a_domain_that_is_gone_gets_nothing_and_is_named,
        an_increase_tells_a_pv_domains_frames_and_no_others,
        a_decrease_stops_where_there_is_no_page,
        memory_comes_from_where_it_shall,
        a_node_that_the_host_lacks_has_no_memory,
        a_page_that_is_replaced_stays_the_domains,
    ]
    .into()
}

const ANYWHERE: Placement = Placement { node: NodeChoice::Any, address_bits: None };

fn gfns(first: u64, count: u64, step: usize) -> Vec<Gfn> {
    (first..).step_by(step).take(count as usize).map(Gfn).collect()
}

fn free(xc: &Xc) -> xc::Result<u64> {
    Ok(xc.physinfo()?.free.get())
}

fn pages(dom: &Domain) -> xc::Result<PageCount> {
    Ok(dom.xc.info(dom.id)?.current_pages)
}

/// What is free once the remains of earlier domains are: Xen releases them in its own time.
pub(super) fn free_at_rest(xc: &Xc) -> xc::Result<u64> {
    let (mut last, mut same) = (free(xc)?, 0);
    until("the host's free memory is at rest", || {
        let now = free(xc).unwrap_or_default();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same == 50
    });
    Ok(last)
}

/// What is free and what the domain has, together.
fn together(dom: &Domain) -> xc::Result<u64> {
    Ok(free(&dom.xc)? + pages(dom)?.get())
}

fn no_page_is_lost_between_the_host_and_a_pv_domain(ctx: &Ctx) -> Outcome {
    let before = free_at_rest(ctx.xc())?;
    let dom = roomy(ctx, GuestKind::Pv)?;
    let sum = together(&dom)?;

    let list = gfns(0, 600, 1);
    let populated = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, ANYWHERE, &list)?;
    assert_eq!((pages(&dom)?, together(&dom)?), (PageCount(600), sum));

    let frames: Vec<Mfn> = populated.pv_frames().collect();
    dom.xc.decrease_reservation_exact(dom.id, PageOrder::KB4, &frames[..100])?;
    assert_eq!((pages(&dom)?, together(&dom)?), (PageCount(500), sum));

    dom.xc.destroy_domain(dom.id)?;
    until("the host has its pages back", || free(&dom.xc).is_ok_and(|now| now >= before));
    Ok(())
}

fn no_page_is_lost_between_the_host_and_a_pvh_domain(ctx: &Ctx) -> Outcome {
    let before = free_at_rest(ctx.xc())?;
    let dom = roomy(ctx, GuestKind::Pvh)?;
    let sum = together(&dom)?;

    let list = gfns(0x200, 2, 512);
    let populated = dom.xc.populate_physmap_exact(dom.id, PageOrder::MB2, ANYWHERE, &list)?;
    assert_eq!((populated.done(), populated.asked()), (2, 2));
    assert_eq!((pages(&dom)?, together(&dom)?), (PageCount(1024), sum));
    assert_eq!(dom.xc.maximum_gfn(dom.id)?, Gfn(0x5ff));
    assert_eq!(dom.xc.nr_gfns(dom.id)?, PageCount(0x600));
    ctx.observe(&["xl", "list", &dom.id.to_string()], |xl| {
        let row = xl.lines().last().unwrap_or_default();
        assert_eq!(row.split_whitespace().nth(2), Some("4"), "{xl}");
    });

    dom.xc.decrease_reservation_exact(dom.id, PageOrder::MB2, &list[1..])?;
    assert_eq!((pages(&dom)?, together(&dom)?), (PageCount(512), sum));

    dom.xc.destroy_domain(dom.id)?;
    until("the host has its pages back", || free(&dom.xc).is_ok_and(|now| now >= before));
    Ok(())
}

fn a_population_stops_at_the_ceiling_and_says_how_far_it_got(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    dom.xc.set_max_mem(dom.id, PageCount(1100).to_bytes())?;
    let list = gfns(0, 5, 512);
    let populated = dom.xc.populate_physmap(dom.id, PageOrder::MB2, ANYWHERE, &list)?;
    assert_eq!((populated.done(), populated.asked()), (2, 5));

    let more = gfns(0x1000, 100, 1);
    let error = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, ANYWHERE, &more).unwrap_err();
    assert_eq!((error.kind(), error.done()), (Kind::NoMemory, Some(76)));
    let text = format!("domain {}: populate 100 extents of order 0 from frame 0x1000 on", dom.id);
    assert_eq!(error.to_string(), text);
    assert_eq!(pages(&dom)?, PageCount(1100));
    Ok(())
}

fn a_domain_that_is_gone_gets_nothing_and_is_named(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pv)?;
    dom.end()?;
    let list = gfns(0, 2, 1);
    let populated = dom.xc.populate_physmap(dom.id, PageOrder::KB4, ANYWHERE, &list)?;
    assert_eq!((populated.done(), populated.asked()), (0, 2));
    let error = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, ANYWHERE, &list).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    Ok(())
}

fn an_increase_tells_a_pv_domains_frames_and_no_others(ctx: &Ctx) -> Outcome {
    let pv = roomy(ctx, GuestKind::Pv)?;
    let frames = pv.xc.increase_reservation_exact(pv.id, PageOrder::KB4, ANYWHERE, 7)?;
    assert_eq!((frames.len(), pages(&pv)?), (7, PageCount(7)));
    let gone = pv.xc.decrease_reservation(pv.id, PageOrder::KB4, &frames[..])?;
    assert_eq!((gone, pages(&pv)?), (7, PageCount(0)));

    let pvh = roomy(ctx, GuestKind::Pvh)?;
    let added = pvh.xc.increase_reservation(pvh.id, PageOrder::MB2, ANYWHERE, 2)?;
    assert_eq!((added.done, added.pv_frames), (2, Vec::new()));
    assert_eq!(pages(&pvh)?, PageCount(1024));
    Ok(())
}

fn a_decrease_stops_where_there_is_no_page(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    let _ = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, ANYWHERE, &gfns(0, 3, 1))?;
    let list = [Gfn(0), Gfn(9), Gfn(1)];
    let error = dom.xc.decrease_reservation_exact(dom.id, PageOrder::KB4, &list[..]).unwrap_err();
    assert_eq!((error.kind(), error.done()), (Kind::Invalid, Some(1)));
    assert_eq!(pages(&dom)?, PageCount(2));
    Ok(())
}

fn memory_comes_from_where_it_shall(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pv)?;
    let list = gfns(0, 20, 1);
    let low = Placement { node: NodeChoice::Prefer(NodeId(0)), address_bits: Some(28) };
    let populated = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, low, &list)?;
    assert!(populated.pv_frames().all(|frame| frame < Mfn(0x1_0000)), "{populated:?}");

    let high = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, ANYWHERE, &gfns(20, 1, 1))?;
    assert!(high.pv_frames().all(|frame| frame > Mfn(0x1_0000)), "{high:?}");
    Ok(())
}

fn a_node_that_the_host_lacks_has_no_memory(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pv)?;
    let elsewhere = Placement { node: NodeChoice::Exactly(NodeId(5)), address_bits: None };
    let none = dom.xc.populate_physmap(dom.id, PageOrder::KB4, elsewhere, &[Gfn(0)])?;
    assert_eq!((none.done(), pages(&dom)?), (0, PageCount(0)));
    let here = Placement { node: NodeChoice::Exactly(NodeId(0)), address_bits: None };
    let one = dom.xc.populate_physmap(dom.id, PageOrder::KB4, here, &[Gfn(0)])?;
    assert_eq!((one.done(), pages(&dom)?), (1, PageCount(1)));
    Ok(())
}

fn a_page_that_is_replaced_stays_the_domains(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    let _ = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, ANYWHERE, &[Gfn(1), Gfn(1)])?;
    assert_eq!(pages(&dom)?, PageCount(2));
    assert_eq!(dom.xc.decrease_reservation(dom.id, PageOrder::KB4, &[Gfn(1), Gfn(1)][..])?, 1);
    assert_eq!(pages(&dom)?, PageCount(1));
    Ok(())
}
