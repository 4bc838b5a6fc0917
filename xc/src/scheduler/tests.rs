use std::sync::Arc;
use std::time::Duration;

use xen_types::{DomId, Kind};

use super::{CreditParams, RtdsReservation};
use crate::Xc;
use crate::backend::fake::Fake;

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// What is said to a pool's parameters that are refused before any call: the fake has none.
fn refusal(time_slice: Duration, rate_limit: Duration, migration_delay: Duration) -> String {
    let xc = Xc::with_backend(Arc::new(Fake::default()));
    let params = CreditParams { time_slice, rate_limit, migration_delay };
    let error = xc.set_credit_params(0, params).unwrap_err();
    std::error::Error::source(&error).unwrap().to_string()
}

/// The kind of refusal of a reservation; what passes fails as `Unavailable`: the fake has no call.
fn reserve(period: Duration, budget: Duration) -> Kind {
    let xc = Xc::with_backend(Arc::new(Fake::default()));
    xc.set_rtds(DomId::DOM0, RtdsReservation { period, budget }).unwrap_err().kind()
}

#[test]
fn a_time_slice_is_not_rounded_to_milliseconds() {
    let slice = "a time slice is a whole number of milliseconds from 1 to 1000";
    let zero = Duration::ZERO;
    assert_eq!(refusal(micros(1500), zero, zero), slice);
    assert_eq!(refusal(micros(999), zero, zero), slice);
    assert_eq!(refusal(zero, zero, zero), slice);
    assert_eq!(refusal(micros(1_001_000), zero, zero), slice);
    assert_eq!(refusal(Duration::MAX, zero, zero), slice);
}

#[test]
fn a_rate_limit_is_within_its_range_and_the_time_slice() {
    let limit = "a rate limit is zero or a whole number of microseconds from 100 to 500000";
    let (slice, zero) = (micros(1000), Duration::ZERO);
    assert_eq!(refusal(slice, micros(99), zero), limit);
    assert_eq!(refusal(micros(1_000_000), micros(500_001), zero), limit);
    assert_eq!(refusal(slice, Duration::from_nanos(100_001), zero), limit);
    assert_eq!(refusal(slice, micros(1001), zero), "a rate limit is no longer than the time slice");
    assert_eq!(refusal(slice, micros(1000), zero), "Xen 4.17 has no xc_sched_credit_params_set");
}

#[test]
fn a_migration_delay_ends_at_100_ms() {
    let delay = "a migration delay is a whole number of microseconds up to 100000";
    let (slice, zero) = (micros(1000), Duration::ZERO);
    assert_eq!(refusal(slice, zero, micros(100_001)), delay);
    assert_eq!(refusal(slice, zero, micros(100_000)), "Xen 4.17 has no xc_sched_credit_params_set");
}

#[test]
fn a_budget_is_within_its_period_and_both_within_32_bits() {
    assert_eq!(reserve(micros(10), micros(10)), Kind::Unavailable);
    assert_eq!(reserve(micros(10), micros(11)), Kind::Invalid);
    assert_eq!(reserve(micros(10), micros(9)), Kind::Invalid);
    assert_eq!(reserve(micros(u64::from(u32::MAX) + 1), micros(10)), Kind::Invalid);
    assert_eq!(reserve(Duration::from_nanos(10_500), micros(10)), Kind::Invalid);
}
