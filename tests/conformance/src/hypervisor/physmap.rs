//! Where in its address space a domain has which page.

use xc::{GuestKind, Kind, PageOrder, PhysmapBatch, PhysmapPage, Placement};
use xen_types::{Gfn, PageCount};

use super::memory::roomy;
use super::{Ctx, Domain, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        a_page_moves_to_where_it_is_put_and_stays_the_domains,
        memory_that_another_page_is_put_over_is_freed,
        pages_shared_with_xen_can_be_put_anywhere,
        a_status_frame_is_one_only_with_grants_of_version_2,
        a_batch_tells_what_became_of_each,
        another_domains_page_is_not_for_a_domain_without_rights_over_it,
        pv_domains_have_no_such_map,
    ]
    .into()
}

/// A PVH domain with a page at each of the guest frames.
fn with_pages(ctx: &Ctx, gfns: &[Gfn]) -> xc::Result<Domain> {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    let anywhere = Placement::default();
    let _ = dom.xc.populate_physmap_exact(dom.id, PageOrder::KB4, anywhere, gfns)?;
    Ok(dom)
}

/// Whether a page was there; it is not, afterwards.
fn took(dom: &Domain, at: u64) -> Result<bool, Kind> {
    match dom.xc.remove_from_physmap(dom.id, Gfn(at)) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == Kind::NotFound => Ok(false),
        Err(e) => Err(e.kind()),
    }
}

fn a_page_moves_to_where_it_is_put_and_stays_the_domains(ctx: &Ctx) -> Outcome {
    let dom = with_pages(ctx, &[Gfn(0x10), Gfn(0x11)])?;
    dom.xc.add_to_physmap(dom.id, PhysmapPage::Memory(Gfn(0x10)), Gfn(0x30))?;
    assert_eq!(
        (took(&dom, 0x10), took(&dom, 0x30), took(&dom, 0x30)),
        (Ok(false), Ok(true), Ok(false))
    );
    assert_eq!(dom.xc.info(dom.id)?.current_pages, PageCount(2));
    Ok(())
}

fn memory_that_another_page_is_put_over_is_freed(ctx: &Ctx) -> Outcome {
    let dom = with_pages(ctx, &[Gfn(0x10), Gfn(0x11)])?;
    dom.xc.add_to_physmap(dom.id, PhysmapPage::Memory(Gfn(0x10)), Gfn(0x11))?;
    assert_eq!(dom.xc.info(dom.id)?.current_pages, PageCount(1));
    Ok(())
}

fn pages_shared_with_xen_can_be_put_anywhere(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    dom.xc.add_to_physmap(dom.id, PhysmapPage::SharedInfo, Gfn(0x20))?;
    dom.xc.add_to_physmap(dom.id, PhysmapPage::GrantFrame(0), Gfn(0x21))?;
    assert_eq!(
        (took(&dom, 0x20), took(&dom, 0x21), took(&dom, 0x22)),
        (Ok(true), Ok(true), Ok(false))
    );
    Ok(())
}

fn a_status_frame_is_one_only_with_grants_of_version_2(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    let status = PhysmapPage::GrantStatusFrame(0);
    let error = dom.xc.add_to_physmap(dom.id, status, Gfn(0x21)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    Ok(())
}

fn a_batch_tells_what_became_of_each(ctx: &Ctx) -> Outcome {
    let dom = with_pages(ctx, &[Gfn(0x10), Gfn(0x11)])?;
    let moves = [(Gfn(0x10), Gfn(0x30)), (Gfn(0x99), Gfn(0x31)), (Gfn(0x11), Gfn(0x32))];
    let outcomes = dom.xc.add_to_physmap_batch(dom.id, PhysmapBatch::Memory(&moves))?;
    let kinds: Vec<_> = outcomes.iter().map(|o| o.err().map(|e| e.kind())).collect();
    let absent = if ctx.since(4, 19) { Kind::Denied } else { Kind::Invalid };
    assert_eq!(kinds, [None, Some(absent), None]);
    assert_eq!(
        (took(&dom, 0x30), took(&dom, 0x31), took(&dom, 0x32)),
        (Ok(true), Ok(false), Ok(true))
    );

    let grants = PhysmapBatch::GrantFrames(&[(0, Gfn(0x40)), (1, Gfn(0x41))]);
    let outcomes = dom.xc.add_to_physmap_batch(dom.id, grants)?;
    assert_eq!(outcomes, [Ok(()), Ok(())]);
    assert_eq!((took(&dom, 0x40), took(&dom, 0x41)), (Ok(true), Ok(true)));
    Ok(())
}

fn another_domains_page_is_not_for_a_domain_without_rights_over_it(ctx: &Ctx) -> Outcome {
    let (dom, other) = (roomy(ctx, GuestKind::Pvh)?, with_pages(ctx, &[Gfn(0x10)])?);
    let pages = [(Gfn(0x10), Gfn(0x50))];
    let outcomes = dom.xc.add_to_physmap_batch(dom.id, PhysmapBatch::Foreign(other.id, &pages))?;
    assert_eq!(outcomes[0].err().map(|e| e.kind()), Some(Kind::Denied));
    assert_eq!(took(&dom, 0x50), Ok(false));
    Ok(())
}

fn pv_domains_have_no_such_map(ctx: &Ctx) -> Outcome {
    let pv = roomy(ctx, GuestKind::Pv)?;
    let put = pv.xc.add_to_physmap(pv.id, PhysmapPage::SharedInfo, Gfn(0)).unwrap_err();
    let batch = PhysmapBatch::Memory(&[(Gfn(0), Gfn(1))]);
    let batch = pv.xc.add_to_physmap_batch(pv.id, batch).unwrap_err();
    let taken = pv.xc.remove_from_physmap(pv.id, Gfn(0)).unwrap_err();
    assert_eq!([put.kind(), batch.kind(), taken.kind()], [Kind::Denied; 3]);
    assert_eq!(pv.xc.maximum_gfn(pv.id)?, Gfn(0));
    Ok(())
}
