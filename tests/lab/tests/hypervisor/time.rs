//! What time a domain has, and the caller's watchdogs.

use std::time::Duration;

use xc::{GuestKind, Kind, WatchdogId};
use xen_types::MiB;

use crate::support::{Domain, Outcome, open};

/// How many seconds the emulated clock is ahead of the host's, as its saved state has it.
fn ahead(dom: &Domain) -> Result<i64, Box<dyn std::error::Error>> {
    const RTC: u16 = 11; // HVM_SAVE_CODE(RTC), xen/include/public/arch-x86/hvm/save.h
    let record = dom.xc.hvm_record(dom.id, RTC, 0, 24)?;
    Ok(i64::from_le_bytes(record[16..].try_into()?))
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_clock_is_as_far_ahead_as_it_was_set() -> Outcome {
    let dom = Domain::empty(GuestKind::Hvm)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    dom.xc.set_time_offset(dom.id, 3600)?;
    assert_eq!(ahead(&dom)?, 3600);
    dom.xc.set_time_offset(dom.id, -86400)?;
    assert_eq!(ahead(&dom)?, -86400);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_watchdog_is_ended_before_it_bites_and_then_unknown() -> Outcome {
    let xc = open()?;
    let watchdog = xc.start_watchdog(Duration::from_secs(3600))?;
    xc.set_watchdog(watchdog, Duration::from_secs(1800))?;
    xc.set_watchdog(watchdog, Duration::ZERO)?;
    let ended = xc.set_watchdog(watchdog, Duration::from_secs(1800)).unwrap_err();
    assert_eq!(ended.kind(), Kind::Invalid);
    let never = xc.set_watchdog(WatchdogId(77), Duration::from_secs(9)).unwrap_err();
    assert_eq!(never.kind(), Kind::Invalid);
    Ok(())
}
