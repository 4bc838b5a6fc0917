//! Populate on demand.

use xc::{GuestKind, Kind, PageOrder, PodState};
use xen_types::{Gfn, PageCount};

use super::memory::roomy;
use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        frames_on_demand_outnumber_the_pages_that_wait_for_them,
        a_frame_that_has_memory_is_not_populated_on_demand,
        a_target_above_the_ceiling_is_refused_and_pv_has_none,
    ]
    .into()
}

fn state(pages: u64, cached: u64, outstanding: u64) -> PodState {
    PodState {
        pages: PageCount(pages),
        cached: PageCount(cached),
        outstanding: PageCount(outstanding),
    }
}

fn frames_on_demand_outnumber_the_pages_that_wait_for_them(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    assert_eq!(dom.xc.set_pod_target(dom.id, PageCount(512))?, state(512, 512, 0));
    dom.xc.populate_on_demand(dom.id, PageOrder::MB2, &[Gfn(0x200), Gfn(0x400)])?;
    assert_eq!(dom.xc.pod_state(dom.id)?, state(512, 512, 1024));
    assert_eq!(dom.xc.info(dom.id)?.current_pages, PageCount(512));
    ctx.observe_key("q", |printed| {
        assert!(printed.contains("PoD entries=1024 cachesize=512"), "{printed}");
    });

    assert_eq!(dom.xc.set_pod_target(dom.id, PageCount(700))?, state(700, 700, 1024));
    dom.xc.decrease_reservation_exact(dom.id, PageOrder::MB2, &[Gfn(0x400)][..])?;
    assert_eq!(dom.xc.pod_state(dom.id)?.outstanding, PageCount(512));
    Ok(())
}

fn a_frame_that_has_memory_is_not_populated_on_demand(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    let list = [Gfn(0x200), Gfn(0x400)];
    let anywhere = Default::default();
    let _ = dom.xc.populate_physmap_exact(dom.id, PageOrder::MB2, anywhere, &list[1..])?;
    let error = dom.xc.populate_on_demand(dom.id, PageOrder::MB2, &list).unwrap_err();
    assert_eq!((error.kind(), error.done()), (Kind::Other, Some(1)));
    let text =
        format!("domain {}: populate on demand 2 extents of order 9 from frame 0x200 on", dom.id);
    assert_eq!(error.to_string(), text);
    Ok(())
}

fn a_target_above_the_ceiling_is_refused_and_pv_has_none(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    let error = dom.xc.set_pod_target(dom.id, PageCount(4097)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let pv = roomy(ctx, GuestKind::Pv)?;
    assert_eq!(pv.xc.pod_state(pv.id).unwrap_err().kind(), Kind::Invalid);
    let error = pv.xc.populate_on_demand(pv.id, PageOrder::KB4, &[Gfn(0)]).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    Ok(())
}
