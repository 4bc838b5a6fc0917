//! The life and identity of domains.

use xc::{GuestKind, Kind};
use xen_types::{DomId, MiB, PageCount, ShutdownReason};

use super::ctx::{fresh_uuid, shortly, soon, until};
use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        a_new_domain_is_paused_and_listed_with_its_uuid_until_destroyed,
        an_absent_domain_is_not_found_although_a_later_one_exists,
        ids_go_on_from_the_one_given_last,
        a_uuid_can_be_replaced,
        pauses_count,
        ones_own_domain_is_neither_paused_nor_destroyed,
        the_reason_of_a_shutdown_is_seen,
        the_first_reason_of_a_shutdown_counts,
        a_domain_without_virtual_cpus_shuts_down_too,
        a_reason_that_nobody_knows_is_kept,
        a_shutdown_leaves_the_pauses_as_they_are,
        a_domain_whose_page_is_mapped_stays_dying_until_it_is_unmapped,
        the_memory_of_a_dying_domain_is_what_others_have_mapped,
        a_dying_domain_is_destroyed_again_without_harm,
        a_dying_domain_keeps_its_id_and_uuid,
        a_dying_domain_gets_no_memory,
        a_device_models_target_stays_dying_until_the_device_model_is_gone,
        a_soft_reset_takes_a_shut_down_domain_back_to_life,
        a_soft_reset_closes_ports_and_is_for_paused_domains,
        a_subscriber_is_signalled_when_the_domain_suspends,
        a_machine_word_of_pv_has_eight_bytes_and_that_of_pvh_is_not_fixed,
        only_interrupts_of_the_whole_host_can_be_given_away,
        a_dead_domain_has_no_interrupt_of_the_host,
        access_can_be_required_of_every_domain_but_ones_own,
        a_debugger_is_seen,
    ]
    .into()
}

fn a_new_domain_is_paused_and_listed_with_its_uuid_until_destroyed(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    let listed = dom.xc.domains()?;
    let info = listed.iter().find(|d| d.uuid == dom.uuid).ok_or("not listed")?;
    assert_eq!((info.id, info.is_paused(), info.is_hvm()), (dom.id, true, false));
    assert_eq!((info.current_pages, info.max_vcpu_id), (PageCount(0), None));
    let uuid = dom.uuid.to_string();
    ctx.observe(&["xl", "list", "-v", &dom.id.to_string()], |xl| assert!(xl.contains(&uuid)));

    dom.end()?;
    assert!(dom.xc.domains()?.iter().all(|d| d.uuid != dom.uuid));
    assert_eq!(dom.xc.destroy_domain(dom.id).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

fn an_absent_domain_is_not_found_although_a_later_one_exists(ctx: &Ctx) -> Outcome {
    let gone = ctx.empty(GuestKind::Pv)?;
    let later = ctx.empty(GuestKind::Pv)?;
    gone.end()?;
    assert_eq!(later.xc.info(later.id)?.uuid, later.uuid);
    assert_eq!(gone.xc.pause(gone.id).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

fn ids_go_on_from_the_one_given_last(ctx: &Ctx) -> Outcome {
    let one = ctx.empty(GuestKind::Pv)?;
    let other = ctx.empty(GuestKind::Pv)?;
    other.end()?;
    let next = ctx.empty(GuestKind::Pv)?;
    assert_eq!([other.id, next.id].map(DomId::raw), [one.id.raw() + 1, one.id.raw() + 2]);
    Ok(())
}

fn a_uuid_can_be_replaced(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    let other = fresh_uuid();
    dom.xc.set_handle(dom.id, other)?;
    assert_eq!(dom.xc.info(dom.id)?.uuid, other);
    Ok(())
}

fn pauses_count(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.pause(dom.id)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(dom.xc.unpause(dom.id).err().map(|e| e.kind()), None);
    assert!(!dom.xc.info(dom.id)?.is_paused());
    assert_eq!(dom.xc.unpause(dom.id).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

fn ones_own_domain_is_neither_paused_nor_destroyed(ctx: &Ctx) -> Outcome {
    let xc = ctx.xc();
    assert_eq!(xc.pause(DomId::DOM0).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(xc.destroy_domain(DomId::DOM0).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(xc.set_max_vcpus(DomId::DOM0, 2).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

fn the_reason_of_a_shutdown_is_seen(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, None);
    dom.xc.shutdown(dom.id, ShutdownReason::Reboot)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::Reboot));
    Ok(())
}

fn the_first_reason_of_a_shutdown_counts(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    dom.xc.shutdown(dom.id, ShutdownReason::Reboot)?;
    dom.xc.shutdown(dom.id, ShutdownReason::Crash)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::Reboot));
    Ok(())
}

fn a_domain_without_virtual_cpus_shuts_down_too(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    dom.xc.shutdown(dom.id, ShutdownReason::Poweroff)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::Poweroff));
    Ok(())
}

fn a_reason_that_nobody_knows_is_kept(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.shutdown(dom.id, ShutdownReason::Unknown(77))?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::Unknown(77)));
    Ok(())
}

fn a_shutdown_leaves_the_pauses_as_they_are(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.unpause(dom.id)?;
    dom.xc.shutdown(dom.id, ShutdownReason::Poweroff)?;
    assert!(!dom.xc.info(dom.id)?.is_paused());
    assert_eq!(dom.xc.unpause(dom.id).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

/// A PVH domain with pages at guest frames 0 to 2.
fn with_three_pages(ctx: &Ctx) -> Result<super::Domain, Box<dyn std::error::Error>> {
    let dom = super::memory::roomy(ctx, GuestKind::Pvh)?;
    super::memory::give(&dom, 0, 3)?;
    Ok(dom)
}

fn a_domain_whose_page_is_mapped_stays_dying_until_it_is_unmapped(ctx: &Ctx) -> Outcome {
    let dom = with_three_pages(ctx)?;
    let mapped = ctx.map(dom.id, 1)?;
    dom.xc.destroy_domain(dom.id)?;
    assert!(dom.xc.info(dom.id)?.is_dying());
    assert!(!dom.xc.info(DomId::DOM0)?.is_dying());
    drop(mapped);
    until("the domain is gone", || dom.is_gone());
    Ok(())
}

fn the_memory_of_a_dying_domain_is_what_others_have_mapped(ctx: &Ctx) -> Outcome {
    let dom = with_three_pages(ctx)?;
    let _mapped = ctx.map(dom.id, 1)?;
    dom.xc.destroy_domain(dom.id)?;
    assert_eq!(dom.xc.info(dom.id)?.current_pages, PageCount(1));
    Ok(())
}

fn a_dying_domain_is_destroyed_again_without_harm(ctx: &Ctx) -> Outcome {
    let dom = with_three_pages(ctx)?;
    let _mapped = ctx.map(dom.id, 0)?;
    dom.xc.destroy_domain(dom.id)?;
    dom.xc.destroy_domain(dom.id)?;
    assert!(dom.xc.info(dom.id)?.is_dying());
    Ok(())
}

fn a_dying_domain_keeps_its_id_and_uuid(ctx: &Ctx) -> Outcome {
    let dom = with_three_pages(ctx)?;
    let _mapped = ctx.map(dom.id, 0)?;
    dom.xc.destroy_domain(dom.id)?;
    assert_eq!(dom.xc.info(dom.id)?.uuid, dom.uuid);
    assert_ne!(ctx.empty(GuestKind::Pv)?.id, dom.id);
    Ok(())
}

fn a_dying_domain_gets_no_memory(ctx: &Ctx) -> Outcome {
    let dom = with_three_pages(ctx)?;
    let _mapped = ctx.map(dom.id, 0)?;
    dom.xc.destroy_domain(dom.id)?;
    let error = super::memory::give(&dom, 7, 1).unwrap_err();
    assert_eq!((error.kind(), error.done()), (Kind::NoMemory, Some(0)));
    Ok(())
}

fn a_device_models_target_stays_dying_until_the_device_model_is_gone(ctx: &Ctx) -> Outcome {
    let (model, target) = (ctx.empty(GuestKind::Pv)?, ctx.empty(GuestKind::Pvh)?);
    let xc = ctx.xc();
    assert_eq!(xc.set_target(model.id, model.id).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(xc.set_target(target.id, model.id).unwrap_err().kind(), Kind::Unavailable);
    xc.set_target(model.id, target.id)?;
    assert_eq!(xc.set_target(model.id, target.id).unwrap_err().kind(), Kind::Invalid);
    xc.destroy_domain(target.id)?;
    assert!(xc.info(target.id)?.is_dying());
    xc.destroy_domain(model.id)?;
    until("the target is gone", || target.is_gone());
    Ok(())
}

fn a_soft_reset_takes_a_shut_down_domain_back_to_life(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.soft_reset(dom.id).unwrap_err().kind(), Kind::Invalid);
    dom.xc.shutdown(dom.id, ShutdownReason::SoftReset)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::SoftReset));
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    dom.xc.subscribe_for_suspend(dom.id, port)?;
    dom.xc.soft_reset(dom.id)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, None);
    Ok(())
}

fn a_soft_reset_closes_ports_and_is_for_paused_domains(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    dom.xc.shutdown(dom.id, ShutdownReason::SoftReset)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(dom.xc.soft_reset(dom.id).unwrap_err().kind(), Kind::Invalid);
    dom.xc.pause(dom.id)?;
    dom.xc.soft_reset(dom.id)?;
    assert_eq!(dom.xc.port_status(dom.id, port)?.binding, xc::PortBinding::Closed);
    Ok(())
}

fn a_subscriber_is_signalled_when_the_domain_suspends(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let channels = ctx.channels()?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    let ours = channels.bind_interdomain(dom.id, port)?;
    ours.wait(soon())?; // a fresh binding has an event
    dom.xc.subscribe_for_suspend(dom.id, port)?;
    assert_eq!(ours.wait(shortly()).unwrap_err().kind(), Kind::TimedOut);
    dom.xc.shutdown(dom.id, ShutdownReason::Suspend)?;
    ours.wait(soon())?;
    Ok(())
}

fn a_machine_word_of_pv_has_eight_bytes_and_that_of_pvh_is_not_fixed(ctx: &Ctx) -> Outcome {
    let (pv, pvh) = (ctx.empty(GuestKind::Pv)?, ctx.empty(GuestKind::Pvh)?);
    assert_eq!(pv.xc.guest_width(pv.id)?, 8);
    assert_eq!(pv.xc.guest_width(pvh.id).unwrap_err().kind(), Kind::Unavailable);
    Ok(())
}

fn only_interrupts_of_the_whole_host_can_be_given_away(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_virq_handler(dom.id, ENOMEM)?;
    dom.xc.set_virq_handler(DomId::DOM0, ENOMEM)?;
    let timer = dom.xc.set_virq_handler(dom.id, 0).unwrap_err();
    assert_eq!(timer.kind(), Kind::Invalid);
    assert_eq!(dom.xc.set_virq_handler(dom.id, 99).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

fn a_dead_domain_has_no_interrupt_of_the_host(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.end()?;
    let gone = dom.xc.set_virq_handler(dom.id, ENOMEM).unwrap_err();
    assert_eq!(gone.kind(), Kind::NotFound);
    Ok(())
}

fn access_can_be_required_of_every_domain_but_ones_own(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    dom.xc.set_access_required(dom.id, true)?;
    dom.xc.set_access_required(dom.id, false)?;
    let own = dom.xc.set_access_required(DomId::DOM0, true).unwrap_err();
    assert_eq!(own.kind(), Kind::Denied);
    Ok(())
}

fn a_debugger_is_seen(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    dom.xc.set_debugging(dom.id, true)?;
    assert!(dom.xc.info(dom.id)?.flags.contains(xc::DomainFlags::DEBUGGED));
    dom.xc.set_debugging(dom.id, false)?;
    assert!(!dom.xc.info(dom.id)?.flags.contains(xc::DomainFlags::DEBUGGED));
    let own = dom.xc.set_debugging(DomId::DOM0, true).unwrap_err();
    assert_eq!(own.kind(), Kind::Invalid);
    Ok(())
}

/// `VIRQ_ENOMEM` (`xen/include/public/xen.h`).
const ENOMEM: u32 = 12;
