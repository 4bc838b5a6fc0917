//! What time a domain has, and the caller's watchdogs.

use std::time::Duration;

use xc::{Kind, TscInfo, TscMode, WatchdogId};

use crate::opened::{DOM, on_every_release, open};

on_every_release! {
    fn a_time_stamp_counter_is_read_with_four_answers(stub, xc) {
        stub.on("xc_domain_get_tsc_info", |call| {
            call.write(2, &1_u32.to_le_bytes());
            call.write(3, &5_000_000_007_u64.to_le_bytes());
            call.write(4, &2_400_000_u32.to_le_bytes());
            call.write(5, &3_u32.to_le_bytes());
            0
        });
        let (mode, elapsed) = (TscMode::AlwaysEmulate, Duration::new(5, 7));
        let tsc = TscInfo { mode, elapsed, khz: 2_400_000, incarnation: 3 };
        assert_eq!(xc.tsc(DOM).unwrap(), tsc);
        xc.set_tsc(DOM, &tsc).unwrap();
        xc.set_tsc_mode(DOM, TscMode::Native).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_get_tsc_info(5, &, &, &, &)",
            "xc_domain_set_tsc_info(5, 1, 5000000007, 2400000, 3)",
            "xc_domain_set_tsc_info(5, 2, 0, 0, 0)",
        ]);
    }

    fn a_clock_may_be_behind_the_hosts(stub, xc) {
        xc.set_time_offset(DOM, -3600).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_set_time_offset(5, -3600)"]);
    }

    fn a_watchdog_is_started_set_anew_and_ended_by_its_number(stub, xc) {
        stub.on("xc_watchdog", |call| if call.number(1) == 0 { 2 } else { 0 });
        let watchdog = xc.start_watchdog(Duration::from_millis(30_001)).unwrap();
        assert_eq!(watchdog, WatchdogId(2));
        xc.set_watchdog(watchdog, Duration::from_secs(30)).unwrap();
        xc.set_watchdog(watchdog, Duration::ZERO).unwrap();
        assert_eq!(stub.calls(), ["xc_watchdog(0, 31)", "xc_watchdog(2, 30)", "xc_watchdog(2, 0)"]);
    }
}

#[test]
fn a_watchdog_that_would_bite_at_once_is_not_started() {
    let (stub, xc) = open(17);
    assert_eq!(xc.start_watchdog(Duration::ZERO).unwrap_err().kind(), Kind::Invalid);
    let long = xc.start_watchdog(Duration::from_secs(1 << 32)).unwrap_err();
    assert_eq!(long.kind(), Kind::Invalid);
    let none = xc.set_watchdog(WatchdogId(0), Duration::from_secs(9)).unwrap_err();
    assert_eq!(none.kind(), Kind::Invalid);
    assert_eq!(stub.calls(), Vec::<String>::new());
}
