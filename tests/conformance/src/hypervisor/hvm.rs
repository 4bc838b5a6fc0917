//! What only HVM and PVH domains have.

use xc::{CacheAttribute, GuestKind, HvmParam, Kind, TimerMode, Viridian};
use xen_types::{Gfn, MiB};

use super::fact::Facts as _;
use super::{Ctx, Domain, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    let simulated = facts![
        hvm_parameters_keep_what_was_set_and_pv_has_none,
        timers_are_set_by_parameters,
        a_domain_that_sleeps_is_woken,
        what_a_parameter_cannot_be_is_refused,
        a_parameter_that_was_not_set_is_zero,
        an_absent_domain_has_no_parameters,
    ];
    let devices = facts![
        virtual_hardware_is_read_and_loaded_into_another_domain,
        a_cache_attribute_is_taken_back_once,
        interfaces_of_hyper_v_are_chosen_once,
    ];
    [Vec::from(simulated), devices.not_simulated("Xen's emulated hardware is not simulated")]
        .concat()
}

/// A domain of the kind with its two virtual CPUs.
fn domain(ctx: &Ctx, kind: GuestKind) -> xc::Result<Domain> {
    let dom = ctx.empty(kind)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    Ok(dom)
}

fn hvm_parameters_keep_what_was_set_and_pv_has_none(ctx: &Ctx) -> Outcome {
    let pvh = ctx.empty(GuestKind::Pvh)?;
    pvh.xc.set_hvm_param(pvh.id, HvmParam::STORE_EVTCHN, 7)?;
    assert_eq!(pvh.xc.hvm_param(pvh.id, HvmParam::STORE_EVTCHN)?, 7);
    pvh.xc.set_hvm_param(pvh.id, HvmParam::IOREQ_SERVER_PFN, 0xfeff0)?;
    let again = pvh.xc.set_hvm_param(pvh.id, HvmParam::IOREQ_SERVER_PFN, 0xfeff1).unwrap_err();
    assert_eq!(again.kind(), Kind::Exists);
    let pv = ctx.empty(GuestKind::Pv)?;
    let error = pv.xc.hvm_param(pv.id, HvmParam::STORE_EVTCHN).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    Ok(())
}

fn timers_are_set_by_parameters(ctx: &Ctx) -> Outcome {
    let hvm = domain(ctx, GuestKind::Hvm)?;
    hvm.xc.set_timer_mode(hvm.id, TimerMode::OneMissedTickPending)?;
    hvm.xc.set_hpet(hvm.id, true)?;
    hvm.xc.set_timer_alignment(hvm.id, true)?;
    assert_eq!(hvm.xc.hvm_param(hvm.id, HvmParam::TIMER_MODE)?, 3);
    assert_eq!(hvm.xc.hvm_param(hvm.id, HvmParam::HPET_ENABLED)?, 1);
    assert_eq!(hvm.xc.hvm_param(hvm.id, HvmParam::VPT_ALIGN)?, 1);
    assert!(!hvm.xc.has_pv_drivers(hvm.id)?);
    Ok(())
}

fn interfaces_of_hyper_v_are_chosen_once(ctx: &Ctx) -> Outcome {
    let hvm = domain(ctx, GuestKind::Hvm)?;
    let kind = |interfaces| hvm.xc.set_viridian(hvm.id, interfaces).map_err(|e| e.kind());
    assert_eq!(kind(Viridian::TIME_REF_COUNT), Err(Kind::Invalid));
    assert_eq!(kind(Viridian::from_bits_retain(1 << 40 | 1)), Err(Kind::Invalid));
    hvm.xc.set_viridian(hvm.id, Viridian::DEFAULT)?;
    assert_eq!(hvm.xc.hvm_param(hvm.id, HvmParam::VIRIDIAN)?, 0x1865);
    assert_eq!(kind(Viridian::BASE_FREQ), Err(Kind::Exists));
    Ok(())
}

fn a_domain_that_sleeps_is_woken(ctx: &Ctx) -> Outcome {
    let hvm = domain(ctx, GuestKind::Hvm)?;
    assert_eq!(hvm.xc.acpi_sleep_state(hvm.id)?, 0);
    hvm.xc.set_hvm_param(hvm.id, HvmParam::ACPI_S_STATE, 3)?;
    assert_eq!(hvm.xc.acpi_sleep_state(hvm.id)?, 3);
    hvm.xc.wake_from_sleep(hvm.id)?;
    assert_eq!(hvm.xc.acpi_sleep_state(hvm.id)?, 0);
    Ok(())
}

fn what_a_parameter_cannot_be_is_refused(ctx: &Ctx) -> Outcome {
    let hvm = domain(ctx, GuestKind::Hvm)?;
    let refusal = |param, value| hvm.xc.set_hvm_param(hvm.id, param, value).unwrap_err().kind();
    assert_eq!(refusal(HvmParam::TIMER_MODE, 4), Kind::Invalid);
    assert_eq!(refusal(HvmParam::TRIPLE_FAULT_REASON, 6), Kind::Invalid);
    assert_eq!(refusal(HvmParam::NR_IOREQ_SERVER_PAGES, 0), Kind::Invalid);
    assert_eq!(refusal(HvmParam::X87_FIP_WIDTH, 5), Kind::Invalid);
    assert_eq!(refusal(HvmParam::NESTEDHVM, 1), Kind::Invalid);
    assert_eq!(refusal(HvmParam(39), 1), Kind::Invalid);
    Ok(())
}

fn a_parameter_that_was_not_set_is_zero(ctx: &Ctx) -> Outcome {
    let pvh = domain(ctx, GuestKind::Pvh)?;
    assert_eq!(pvh.xc.hvm_param(pvh.id, HvmParam::STORE_PFN)?, 0);
    assert_eq!(pvh.xc.hvm_param(pvh.id, HvmParam::CONSOLE_EVTCHN)?, 0);
    let deprecated = pvh.xc.hvm_param(pvh.id, HvmParam::PAE_ENABLED).unwrap_err();
    assert_eq!(deprecated.kind(), Kind::Invalid);
    Ok(())
}

fn an_absent_domain_has_no_parameters(ctx: &Ctx) -> Outcome {
    let absent = xen_types::DomId::new(0x7fef).ok_or("an id")?;
    let error = ctx.xc().hvm_param(absent, HvmParam::STORE_PFN).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    Ok(())
}

fn virtual_hardware_is_read_and_loaded_into_another_domain(ctx: &Ctx) -> Outcome {
    let (one, other) = (domain(ctx, GuestKind::Hvm)?, domain(ctx, GuestKind::Hvm)?);
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
    let pv = ctx.empty(GuestKind::Pv)?;
    assert_eq!(pv.xc.hvm_context(pv.id).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

fn a_cache_attribute_is_taken_back_once(ctx: &Ctx) -> Outcome {
    let hvm = domain(ctx, GuestKind::Hvm)?;
    let pin = |attribute| hvm.xc.pin_cache_attribute(hvm.id, Gfn(16), Gfn(31), attribute);
    pin(Some(CacheAttribute::WriteCombining))?;
    pin(None)?;
    assert_eq!(pin(None).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

/// `HVM_SAVE_CODE(RTC)`, whose last 8 of 24 bytes are the clock's offset
/// (`xen/include/public/arch-x86/hvm/save.h`).
const RTC: u16 = 11;
