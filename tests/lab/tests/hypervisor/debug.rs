//! Debuggers, buttons and lines of a domain.

use xc::{DomainFlags, GuestKind, Kind, Trigger};
use xen_types::{DomId, MiB};

use crate::dom0::{Config, Guest, until};
use crate::support::{Domain, Outcome, open};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_attached_debugger_is_seen_until_it_is_detached() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_debugging(dom.id, true)?;
    assert!(dom.xc.info(dom.id)?.flags.contains(DomainFlags::DEBUGGED));
    dom.xc.set_debugging(dom.id, false)?;
    assert!(!dom.xc.info(dom.id)?.flags.contains(DomainFlags::DEBUGGED));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn single_steps_are_not_for_pv_nor_for_this_processor() -> Outcome {
    let pv = Domain::empty(GuestKind::Pv)?;
    pv.xc.set_max_vcpus(pv.id, 2)?;
    assert_eq!(pv.xc.set_single_step(pv.id, 0, true).unwrap_err().kind(), Kind::Invalid);
    let pvh = Domain::empty(GuestKind::Pvh)?;
    pvh.xc.set_paging_pool(pvh.id, MiB(2).to_bytes())?;
    pvh.xc.set_max_vcpus(pvh.id, 2)?;
    let refused = pvh.xc.set_single_step(pvh.id, 0, true).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn buttons_are_for_hvm_and_lines_for_virtual_cpus_that_exist() -> Outcome {
    let hvm = Domain::empty(GuestKind::Hvm)?;
    let absent = hvm.xc.send_trigger(hvm.id, Trigger::Nmi, 0).unwrap_err();
    assert_eq!(absent.kind(), Kind::NotFound);
    hvm.xc.set_paging_pool(hvm.id, MiB(2).to_bytes())?;
    hvm.xc.set_max_vcpus(hvm.id, 2)?;
    hvm.xc.send_trigger(hvm.id, Trigger::Power, 0)?;
    hvm.xc.send_trigger(hvm.id, Trigger::Sleep, 1)?;
    hvm.xc.send_trigger(hvm.id, Trigger::Nmi, 1)?;
    let unknown = hvm.xc.send_trigger(hvm.id, Trigger::Reset, 0).unwrap_err();
    assert_eq!(unknown.kind(), Kind::Unavailable);
    let pv = Domain::empty(GuestKind::Pv)?;
    pv.xc.set_max_vcpus(pv.id, 2)?;
    let buttonless = pv.xc.send_trigger(pv.id, Trigger::Power, 0).unwrap_err();
    assert_eq!(buttonless.kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_without_a_handler_does_not_survive_a_non_maskable_interrupt() -> Outcome {
    let guest = Guest::create("nmi", &Config::tiny("nmi", "pvh", ""));
    guest.says("TINY-HELLO");
    let (xc, dom) = (open()?, guest.id.parse::<DomId>()?);
    assert_eq!(xc.info(dom)?.shutdown, None);
    xc.send_trigger(dom, Trigger::Nmi, 0)?;
    until("the guest is down", || xc.info(dom).is_ok_and(|info| info.shutdown.is_some()));
    Ok(())
}
