//! The life, identity and time of domains.

use std::process::Command;

use eventchn::{EventChannels, Virq};
use xc::{DomainFlags, GuestKind, Kind};
use xen_types::{DomId, MiB, PageCount, ShutdownReason};
use xs::{Client, Path};

use crate::dom0::{Config, Guest};
use crate::support::{Domain, Outcome, fresh_uuid, shortly, soon, until};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_new_domain_is_paused_and_listed_with_its_uuid_until_destroyed() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let listed = dom.xc.domains()?;
    let info = listed.iter().find(|d| d.uuid == dom.uuid).ok_or("not listed")?;
    assert_eq!((info.id, info.is_paused(), info.is_hvm()), (dom.id, true, false));
    assert_eq!((info.current_pages, info.max_vcpu_id), (PageCount(0), None));
    let xl = Command::new("xl").args(["list", "-v", &dom.id.to_string()]).output()?;
    assert!(String::from_utf8(xl.stdout)?.contains(&dom.uuid.to_string()));

    dom.xc.destroy_domain(dom.id)?;
    until("the domain is gone", || dom.xc.info(dom.id).is_err_and(|e| e.kind() == Kind::NotFound));
    assert!(dom.xc.domains()?.iter().all(|d| d.uuid != dom.uuid));
    assert_eq!(dom.xc.destroy_domain(dom.id).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_absent_domain_is_not_found_although_a_later_one_exists() -> Outcome {
    let gone = Domain::empty(GuestKind::Pv)?;
    let later = Domain::empty(GuestKind::Pv)?;
    gone.xc.destroy_domain(gone.id)?;
    until("the earlier domain is gone", || {
        gone.xc.info(gone.id).is_err_and(|e| e.kind() == Kind::NotFound)
    });
    assert_eq!(later.xc.info(later.id)?.uuid, later.uuid);
    assert_eq!(gone.xc.pause(gone.id).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn hardware_domains_are_told_from_paravirtual_ones() -> Outcome {
    let pvh = Domain::empty(GuestKind::Pvh)?;
    let hvm = Domain::empty(GuestKind::Hvm)?;
    let flags = pvh.xc.info(pvh.id)?.flags;
    assert!(flags.contains(DomainFlags::HVM | DomainFlags::HAP), "{flags:?}");
    assert!(hvm.xc.info(hvm.id)?.is_hvm());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_uuid_can_be_replaced() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let other = fresh_uuid();
    dom.xc.set_handle(dom.id, other)?;
    assert_eq!(dom.xc.info(dom.id)?.uuid, other);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn pauses_count() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.pause(dom.id)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(dom.xc.unpause(dom.id).err().map(|e| e.kind()), None);
    assert_eq!(dom.xc.unpause(dom.id).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_reason_of_a_shutdown_is_seen() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, None);
    dom.xc.shutdown(dom.id, ShutdownReason::Reboot)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::Reboot));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_device_models_target_stays_dying_until_the_device_model_is_gone() -> Outcome {
    let (model, target) = (Domain::empty(GuestKind::Pv)?, Domain::empty(GuestKind::Pvh)?);
    let xc = &model.xc;
    assert_eq!(xc.set_target(model.id, model.id).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(xc.set_target(target.id, model.id).unwrap_err().kind(), Kind::Unavailable);
    xc.set_target(model.id, target.id)?;
    assert_eq!(xc.set_target(model.id, target.id).unwrap_err().kind(), Kind::Invalid);
    xc.destroy_domain(target.id)?;
    assert!(xc.info(target.id)?.is_dying());
    xc.destroy_domain(model.id)?;
    until("the target is gone", || xc.info(target.id).is_err_and(|e| e.kind() == Kind::NotFound));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_soft_reset_takes_a_shut_down_domain_back_to_life() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
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

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_subscriber_is_signalled_when_the_domain_suspends() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let channels = EventChannels::open()?;
    let port = dom.xc.alloc_unbound_port(dom.id, DomId::DOM0)?;
    let ours = channels.bind_interdomain(dom.id, port)?;
    ours.wait(soon())?; // a fresh binding has an event
    dom.xc.subscribe_for_suspend(dom.id, port)?;
    assert_eq!(ours.wait(shortly()).unwrap_err().kind(), Kind::TimedOut);
    dom.xc.shutdown(dom.id, ShutdownReason::Suspend)?;
    ours.wait(soon())?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_machine_word_of_pv_has_eight_bytes_and_that_of_pvh_is_not_fixed() -> Outcome {
    let (pv, pvh) = (Domain::empty(GuestKind::Pv)?, Domain::empty(GuestKind::Pvh)?);
    assert_eq!(pv.xc.guest_width(pv.id)?, 8);
    assert_eq!(pv.xc.guest_width(pvh.id).unwrap_err().kind(), Kind::Unavailable);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xenstored_hears_of_no_death_while_another_domain_has_the_interrupt_for_them() -> Outcome {
    let guest = Guest::create("unheard", &Config::tiny("unheard", "pv", ""));
    guest.says("TINY-HELLO");
    let mut deaths = Client::open()?.watch(&Path::RELEASE_DOMAIN)?;
    deaths.wait(soon())?; // that the watch is there
    let heir = Domain::empty(GuestKind::Pv)?;

    heir.xc.set_virq_handler(heir.id, Virq::DOM_EXC.0)?;
    heir.xc.shutdown(guest.id.parse()?, ShutdownReason::Poweroff)?;
    assert_eq!(deaths.wait(shortly()).unwrap_err().kind(), Kind::TimedOut);

    heir.xc.set_virq_handler(DomId::DOM0, Virq::DOM_EXC.0)?;
    heir.xc.destroy_domain(heir.id)?;
    deaths.wait(soon())?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn only_interrupts_of_the_whole_host_can_be_given_away() -> Outcome {
    const ENOMEM: u32 = 12; // VIRQ_ENOMEM, xen/include/public/xen.h
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_virq_handler(dom.id, ENOMEM)?;
    dom.xc.set_virq_handler(DomId::DOM0, ENOMEM)?;
    let timer = dom.xc.set_virq_handler(dom.id, 0).unwrap_err();
    assert_eq!(timer.kind(), Kind::Invalid);
    assert_eq!(dom.xc.set_virq_handler(dom.id, 99).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn access_can_be_required_of_every_domain_but_ones_own() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_access_required(dom.id, true)?;
    dom.xc.set_access_required(dom.id, false)?;
    let own = dom.xc.set_access_required(DomId::DOM0, true).unwrap_err();
    assert_eq!(own.kind(), Kind::Denied);
    Ok(())
}
