//! What is told of domains.

use xc::{DomainFlags, GuestKind, Kind};
use xen_types::{DomId, PageCount};

use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        domains_are_listed_in_order_of_their_ids,
        domain_0_comes_first_runs_and_has_memory,
        hardware_domains_are_told_from_paravirtual_ones,
        a_domain_has_no_virtual_cpus_until_they_are_created,
        a_virtual_cpu_that_was_not_started_is_not_online,
        an_unpaused_domain_without_virtual_cpus_neither_runs_nor_waits,
        a_new_domain_may_have_no_memory,
        a_domain_is_in_the_first_cpu_pool,
        a_handle_serves_many_threads_beside_a_second_handle,
    ]
    .into()
}

fn domains_are_listed_in_order_of_their_ids(ctx: &Ctx) -> Outcome {
    let doms = [ctx.empty(GuestKind::Pv)?, ctx.empty(GuestKind::Pvh)?, ctx.empty(GuestKind::Pv)?];
    let listed: Vec<DomId> = ctx.xc().domains()?.iter().map(|info| info.id).collect();
    assert!(listed.is_sorted());
    assert_eq!(listed[listed.len() - 3..], doms.each_ref().map(|dom| dom.id));
    Ok(())
}

fn domain_0_comes_first_runs_and_has_memory(ctx: &Ctx) -> Outcome {
    let listed = ctx.xc().domains()?;
    let dom0 = listed.first().ok_or("no domains")?;
    assert_eq!((dom0.id, dom0.is_paused(), dom0.shutdown), (DomId::DOM0, false, None));
    assert!(dom0.flags.contains(DomainFlags::RUNNING), "{:?}", dom0.flags);
    assert!(dom0.current_pages > PageCount(0) && dom0.online_vcpus > 0);
    Ok(())
}

fn hardware_domains_are_told_from_paravirtual_ones(ctx: &Ctx) -> Outcome {
    let pvh = ctx.empty(GuestKind::Pvh)?;
    let hvm = ctx.empty(GuestKind::Hvm)?;
    let flags = pvh.xc.info(pvh.id)?.flags;
    assert!(flags.contains(DomainFlags::HVM | DomainFlags::HAP), "{flags:?}");
    assert!(hvm.xc.info(hvm.id)?.is_hvm());
    Ok(())
}

fn a_domain_has_no_virtual_cpus_until_they_are_created(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    assert_eq!(dom.xc.info(dom.id)?.max_vcpu_id, None);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.info(dom.id)?.max_vcpu_id, Some(1));
    Ok(())
}

fn a_virtual_cpu_that_was_not_started_is_not_online(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(dom.xc.info(dom.id)?.online_vcpus, 0);
    Ok(())
}

fn an_unpaused_domain_without_virtual_cpus_neither_runs_nor_waits(ctx: &Ctx) -> Outcome {
    const STATE: DomainFlags = DomainFlags::RUNNING
        .union(DomainFlags::BLOCKED)
        .union(DomainFlags::PAUSED)
        .union(DomainFlags::SHUTDOWN)
        .union(DomainFlags::DYING);
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(dom.xc.info(dom.id)?.flags & STATE, DomainFlags::empty());
    Ok(())
}

fn a_new_domain_may_have_no_memory(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    let info = dom.xc.info(dom.id)?;
    assert_eq!((info.max_pages, info.outstanding_pages), (PageCount(0), PageCount(0)));
    let error = super::memory::give(&dom, 0, 1).unwrap_err();
    assert_eq!(error.kind(), Kind::NoMemory);
    Ok(())
}

fn a_domain_is_in_the_first_cpu_pool(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    let info = dom.xc.info(dom.id)?;
    assert_eq!((info.cpupool, info.ssidref), (0, 0));
    Ok(())
}

fn a_handle_serves_many_threads_beside_a_second_handle(ctx: &Ctx) -> Outcome {
    let (one, other) = (ctx.another_xc()?, ctx.another_xc()?);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(one.info(DomId::DOM0).unwrap().id, DomId::DOM0);
                    let absent = DomId::new(0x7fef).unwrap();
                    assert_eq!(other.pause(absent).unwrap_err().kind(), Kind::NotFound);
                }
            });
        }
    });
    drop(one);
    assert_eq!(other.info(DomId::DOM0)?.id, DomId::DOM0);
    assert!(ctx.since(4, 15));
    Ok(())
}
