//! The life, identity and time of domains.

use std::process::Command;

use xc::{DomainFlags, GuestKind, Kind};
use xen_types::{PageCount, ShutdownReason};

use crate::support::{Domain, Outcome, eventually, fresh_uuid};

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
    eventually("the domain is gone", || {
        dom.xc.info(dom.id).is_err_and(|e| e.kind() == Kind::NotFound)
    });
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
    eventually("the earlier domain is gone", || {
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
