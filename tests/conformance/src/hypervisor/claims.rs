//! Claims: memory that is set aside for a domain.

use xc::{GuestKind, Kind};
use xen_types::{DomId, MiB, PageCount};

use super::memory::{give, roomy};
use super::{Ctx, Domain, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        a_claim_is_outstanding_until_given_back,
        a_claim_beyond_the_hosts_memory_is_refused,
        what_a_domain_gets_comes_off_its_claim,
        a_claim_counts_what_a_domain_has_already,
        a_claim_is_not_above_the_ceiling,
        a_claim_is_not_for_what_a_domain_has,
        a_second_claim_waits_for_the_first,
        a_claim_ends_with_its_domain,
        memory_that_is_claimed_is_free_and_for_nobody_else,
        an_absent_domain_claims_nothing,
    ]
    .into()
}

fn outstanding(dom: &Domain) -> xc::Result<PageCount> {
    Ok(dom.xc.info(dom.id)?.outstanding_pages)
}

fn a_claim_is_outstanding_until_given_back(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, MiB(4).to_bytes())?;
    dom.xc.claim_pages(dom.id, PageCount(512))?;
    assert_eq!(outstanding(&dom)?, PageCount(512));
    assert!(dom.xc.physinfo()?.outstanding >= PageCount(512));
    dom.xc.claim_pages(dom.id, PageCount(0))?;
    assert_eq!(outstanding(&dom)?, PageCount(0));
    Ok(())
}

fn a_claim_beyond_the_hosts_memory_is_refused(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, MiB(1 << 20).to_bytes())?;
    let error = dom.xc.claim_pages(dom.id, MiB(1 << 20).to_pages()).unwrap_err();
    assert_eq!(error.kind(), Kind::NoMemory);
    Ok(())
}

fn what_a_domain_gets_comes_off_its_claim(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    dom.xc.claim_pages(dom.id, PageCount(100))?;
    give(&dom, 0, 30)?;
    assert_eq!(outstanding(&dom)?, PageCount(70));
    give(&dom, 30, 90)?;
    assert_eq!(outstanding(&dom)?, PageCount(0));
    Ok(())
}

fn a_claim_counts_what_a_domain_has_already(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    give(&dom, 0, 30)?;
    dom.xc.claim_pages(dom.id, PageCount(100))?;
    assert_eq!(outstanding(&dom)?, PageCount(70));
    Ok(())
}

fn a_claim_is_not_above_the_ceiling(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pv)?;
    let error = dom.xc.claim_pages(dom.id, PageCount(4097)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    dom.xc.claim_pages(dom.id, PageCount(4096))?;
    Ok(())
}

fn a_claim_is_not_for_what_a_domain_has(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pvh)?;
    give(&dom, 0, 30)?;
    let error = dom.xc.claim_pages(dom.id, PageCount(30)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    dom.xc.claim_pages(dom.id, PageCount(31))?;
    Ok(())
}

fn a_second_claim_waits_for_the_first(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pv)?;
    dom.xc.claim_pages(dom.id, PageCount(10))?;
    let error = dom.xc.claim_pages(dom.id, PageCount(20)).unwrap_err();
    assert_eq!((error.kind(), outstanding(&dom)?), (Kind::Invalid, PageCount(10)));
    dom.xc.claim_pages(dom.id, PageCount(0))?;
    dom.xc.claim_pages(dom.id, PageCount(20))?;
    Ok(())
}

fn a_claim_ends_with_its_domain(ctx: &Ctx) -> Outcome {
    let before = ctx.xc().physinfo()?.outstanding;
    let dom = roomy(ctx, GuestKind::Pv)?;
    dom.xc.claim_pages(dom.id, PageCount(10))?;
    assert_eq!(ctx.xc().physinfo()?.outstanding, PageCount(before.0 + 10));
    dom.end()?;
    assert_eq!(ctx.xc().physinfo()?.outstanding, before);
    Ok(())
}

fn memory_that_is_claimed_is_free_and_for_nobody_else(ctx: &Ctx) -> Outcome {
    let (dom, other) = (ctx.empty(GuestKind::Pv)?, roomy(ctx, GuestKind::Pv)?);
    let free = super::reservation::free_at_rest(ctx.xc())?;
    dom.xc.set_max_mem(dom.id, PageCount(free).to_bytes())?;
    dom.xc.claim_pages(dom.id, PageCount(free - 5))?;
    assert_eq!(super::reservation::free_at_rest(ctx.xc())?, free);
    let error = give(&other, 0, 6).unwrap_err();
    assert_eq!((error.kind(), error.done()), (Kind::NoMemory, Some(5)));
    dom.xc.claim_pages(dom.id, PageCount(0))?;
    give(&other, 0, 1)?;
    Ok(())
}

fn an_absent_domain_claims_nothing(ctx: &Ctx) -> Outcome {
    let absent = DomId::new(0x7fef).ok_or("an id")?;
    let error = ctx.xc().claim_pages(absent, PageCount(1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    Ok(())
}
