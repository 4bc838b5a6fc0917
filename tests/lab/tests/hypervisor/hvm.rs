//! What only HVM and PVH domains have.

use xc::{CacheAttribute, GuestKind, HvmParam, Kind, TimerMode};
use xen_types::{Gfn, MiB};

use crate::support::{Domain, Outcome};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn hvm_parameters_keep_what_was_set_and_pv_has_none() -> Outcome {
    let pvh = Domain::empty(GuestKind::Pvh)?;
    pvh.xc.set_hvm_param(pvh.id, HvmParam::STORE_EVTCHN, 7)?;
    assert_eq!(pvh.xc.hvm_param(pvh.id, HvmParam::STORE_EVTCHN)?, 7);
    pvh.xc.set_hvm_param(pvh.id, HvmParam::IOREQ_SERVER_PFN, 0xfeff0)?;
    let again = pvh.xc.set_hvm_param(pvh.id, HvmParam::IOREQ_SERVER_PFN, 0xfeff1).unwrap_err();
    assert_eq!(again.kind(), Kind::Exists);
    let pv = Domain::empty(GuestKind::Pv)?;
    let error = pv.xc.hvm_param(pv.id, HvmParam::STORE_EVTCHN).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    Ok(())
}

/// A domain of the kind with its two virtual CPUs.
fn domain(kind: GuestKind) -> xc::Result<Domain> {
    let dom = Domain::empty(kind)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    Ok(dom)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn timers_are_set_by_parameters() -> Outcome {
    let hvm = domain(GuestKind::Hvm)?;
    hvm.xc.set_timer_mode(hvm.id, TimerMode::OneMissedTickPending)?;
    hvm.xc.set_hpet(hvm.id, true)?;
    hvm.xc.set_timer_alignment(hvm.id, true)?;
    assert_eq!(hvm.xc.hvm_param(hvm.id, HvmParam::TIMER_MODE)?, 3);
    assert_eq!(hvm.xc.hvm_param(hvm.id, HvmParam::HPET_ENABLED)?, 1);
    assert_eq!(hvm.xc.hvm_param(hvm.id, HvmParam::VPT_ALIGN)?, 1);
    assert!(!hvm.xc.has_pv_drivers(hvm.id)?);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_sleeps_is_woken() -> Outcome {
    let hvm = domain(GuestKind::Hvm)?;
    assert_eq!(hvm.xc.acpi_sleep_state(hvm.id)?, 0);
    hvm.xc.set_hvm_param(hvm.id, HvmParam::ACPI_S_STATE, 3)?;
    assert_eq!(hvm.xc.acpi_sleep_state(hvm.id)?, 3);
    hvm.xc.wake_from_sleep(hvm.id)?;
    assert_eq!(hvm.xc.acpi_sleep_state(hvm.id)?, 0);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn virtual_hardware_is_read_and_loaded_into_another_domain() -> Outcome {
    let (one, other) = (domain(GuestKind::Hvm)?, domain(GuestKind::Hvm)?);
    one.xc.set_time_offset(one.id, 5 * 366 * 86400)?;
    let context = one.xc.hvm_context(one.id)?;
    assert_eq!(context[..8], [1, 0, 0, 0, 24, 0, 0, 0]); // the head: type 1, 24 bytes
    assert_eq!(context[context.len() - 8..], [0; 8]); // the end
    let clock = one.xc.hvm_record(one.id, RTC, 0, 24)?;
    assert_ne!(other.xc.hvm_record(other.id, RTC, 0, 24)?[16..], clock[16..]);
    other.xc.set_hvm_context(other.id, &context)?;
    assert_eq!(other.xc.hvm_record(other.id, RTC, 0, 24)?[16..], clock[16..]);

    let absent = one.xc.hvm_record(one.id, RTC, 1, 24).unwrap_err();
    assert_eq!(absent.kind(), Kind::NotFound);
    let cut = one.xc.set_hvm_context(one.id, &context[..40]).unwrap_err().errno();
    assert!([Some(22), Some(61)].contains(&cut.map(|errno| errno.raw_os_error())), "{cut:?}");
    let pv = Domain::empty(GuestKind::Pv)?;
    assert_eq!(pv.xc.hvm_context(pv.id).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

/// `HVM_SAVE_CODE(RTC)`, whose last 8 of 24 bytes are the clock's offset
/// (`xen/include/public/arch-x86/hvm/save.h`).
const RTC: u16 = 11;

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_cache_attribute_is_taken_back_once() -> Outcome {
    let hvm = domain(GuestKind::Hvm)?;
    let pin = |attribute| hvm.xc.pin_cache_attribute(hvm.id, Gfn(16), Gfn(31), attribute);
    pin(Some(CacheAttribute::WriteCombining))?;
    pin(None)?;
    assert_eq!(pin(None).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}
