//! How a toolstack of somebody else tests a policy of its own against a simulated machine.
//!
//! `keeper.rs` is the policy, a part of that toolstack, over `xc` and `xs`. The guests are scripts of
//! `xen-sim`, which crash when they are asked to stop, or at once. The machine's clock jumps over what
//! everybody waits for, so that a day of crashes is tested in a moment.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod keeper;
mod site;

use std::time::{Duration, Instant};

use xen_types::{DomId, ShutdownReason};

use keeper::{Keeper, Outcome};
use site::Site;

const MINUTE: Duration = Duration::from_secs(60);

fn restarted(outcome: Option<Outcome>) -> DomId {
    match outcome {
        Some(Outcome::Restarted(dom)) => dom,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_guest_that_crashes_is_started_again() {
    let site = Site::new();
    let mut start = || site.start("crash-asked");
    let first = start().unwrap();
    let mut keeper = Keeper::new(site.xc.clone(), site.store.clone(), MINUTE, &mut start);

    site.ends_after(first, 10 * MINUTE);
    let second = restarted(keeper.look_after(first, site.clock.after(MINUTE)).unwrap());

    assert_ne!(first, second);
    assert_eq!(site.reason(second), None);
    assert_eq!(site.xc.info(first).unwrap_err().kind(), xc::Kind::NotFound);
}

#[test]
fn a_guest_that_crashes_once_an_hour_is_started_again_all_day() {
    let (began, site) = (Instant::now(), Site::new());
    let mut start = || site.start("crash-asked");
    let mut dom = start().unwrap();
    let mut keeper = Keeper::new(site.xc.clone(), site.store.clone(), MINUTE, &mut start);
    let midnight = site.clock.after(24 * 60 * MINUTE);

    for _ in 0..24 {
        site.ends_after(dom, 60 * MINUTE);
        dom = restarted(keeper.look_after(dom, site.clock.after(MINUTE)).unwrap());
    }

    assert!(site.clock.passed(midnight));
    assert!(began.elapsed() < 2 * MINUTE, "a day took {:?}", began.elapsed());
}

#[test]
fn a_restart_within_a_minute_of_the_last_is_refused_and_nothing_is_left() {
    let site = Site::new();
    let fresh = site.machine().snapshot().unwrap();
    let mut start = || site.start("crash-asked");
    let first = start().unwrap();
    let mut keeper = Keeper::new(site.xc.clone(), site.store.clone(), MINUTE, &mut start);

    site.ends_after(first, MINUTE / 2); // it was started, but not started again, before
    let second = restarted(keeper.look_after(first, site.clock.after(MINUTE)).unwrap());
    site.ends_after(second, MINUTE - Duration::from_secs(5));
    let outcome = keeper.look_after(second, site.clock.after(MINUTE)).unwrap();

    assert_eq!(outcome, Some(Outcome::TooFast));
    fresh.assert_unchanged(site.machine());
}

#[test]
fn a_guest_that_crashes_at_once_is_started_twice_and_no_more() {
    let site = Site::new();
    let mut started = 0;
    let mut start = || {
        started += 1;
        site.start("crash")
    };
    let first = start().unwrap();
    let mut keeper = Keeper::new(site.xc.clone(), site.store.clone(), MINUTE, &mut start);

    let second = restarted(keeper.look_after(first, site.clock.after(MINUTE)).unwrap());
    let outcome = keeper.look_after(second, site.clock.after(MINUTE)).unwrap();

    assert_eq!(outcome, Some(Outcome::TooFast));
    assert_eq!(started, 2);
}

#[test]
fn a_guest_that_powers_off_stays_off() {
    let site = Site::new();
    let fresh = site.machine().snapshot().unwrap();
    let mut start = || site.start("");
    let dom = start().unwrap();
    let mut keeper = Keeper::new(site.xc.clone(), site.store.clone(), MINUTE, &mut start);

    site.ends_after(dom, 10 * MINUTE);
    let outcome = keeper.look_after(dom, site.clock.after(MINUTE)).unwrap();

    assert_eq!(outcome, Some(Outcome::Stopped(ShutdownReason::Poweroff)));
    fresh.assert_unchanged(site.machine());
}

#[test]
fn a_guest_that_runs_is_left_alone() {
    let site = Site::new();
    let mut start = || site.start("");
    let dom = start().unwrap();
    let mut keeper = Keeper::new(site.xc.clone(), site.store.clone(), MINUTE, &mut start);

    let outcome = keeper.look_after(dom, site.clock.after(60 * MINUTE)).unwrap();

    assert_eq!(outcome, None);
    assert_eq!(site.reason(dom), None);
}

#[test]
fn a_guest_that_another_took_away_is_not_started() {
    let site = Site::new();
    let mut start = || site.start("");
    let dom = start().unwrap();
    let mut keeper = Keeper::new(site.xc.clone(), site.store.clone(), MINUTE, &mut start);

    site.xc.destroy_domain(dom).unwrap();
    let outcome = keeper.look_after(dom, site.clock.after(MINUTE)).unwrap();

    assert_eq!(outcome, Some(Outcome::Gone));
}
