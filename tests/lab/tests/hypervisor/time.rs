//! What time a domain has, and the caller's watchdogs.

use std::time::Duration;

use xc::{GuestKind, Kind, TscInfo, TscMode, WatchdogId};

use crate::support::{Domain, Outcome, open};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_time_stamp_counter_goes_on_from_where_it_was_set() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let (mode, elapsed) = (TscMode::AlwaysEmulate, Duration::from_secs(5000));
    dom.xc.set_tsc(dom.id, &TscInfo { mode, elapsed, khz: 1_500_000, incarnation: 6 })?;
    let tsc = dom.xc.tsc(dom.id)?;
    assert_eq!((tsc.mode, tsc.khz, tsc.incarnation), (mode, 1_500_000, 7));
    assert!((5000..5060).contains(&tsc.elapsed.as_secs()), "{tsc:?}");
    let unknown = dom.xc.set_tsc_mode(dom.id, TscMode::Unknown(9)).unwrap_err();
    assert_eq!(unknown.kind(), Kind::Invalid);
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
