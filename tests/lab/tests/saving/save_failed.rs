//! Guests whose save fails or is cancelled: they run on.

use std::error::Error as _;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd as _;
use std::time::Duration;

use xen_types::{Deadline, DomId};
use xenops::{Afterwards, GuestKind, Host, Kind, Limits, SaveOptions, SaveProgress};

use crate::counting::{Counting, config, minutes};
use crate::dom0::{Config, Guest, ok};
use crate::support::{Image, host, live, runs_on, save, still};

/// A save that is cancelled when it has come so far, after which the guest runs on as if nothing
/// had been.
fn cancelled(host: &Host, guest: &Counting, how: &SaveOptions, at: fn(&SaveProgress) -> bool) {
    let limits = minutes(5);
    let mut reached = false;
    let image = Image::new(&guest.name);
    let error = host
        .save(guest.id, image.write().as_fd(), how, &limits, &mut |progress| {
            if at(&progress) {
                reached = true;
                limits.cancel.request();
            }
        })
        .expect_err("it was cancelled");
    assert!(reached, "{error:?}");
    runs_on(guest, &error, Kind::Cancelled);
}

/// Cancelled before anything, then in each phase of a still save; at the end it can still be saved.
fn is_unharmed_by_cancelled_saves(host: &Host, guest: &Counting) {
    let limits = minutes(5);
    limits.cancel.request();
    let null = File::create("/dev/null").expect("it is in /dev");
    let early = host.save(guest.id, null.as_fd(), &SaveOptions::default(), &limits, &mut |_| ());
    runs_on(guest, &early.unwrap_err(), Kind::Cancelled);
    let still = still(Afterwards::Removed);
    cancelled(host, guest, &still, |p| matches!(p, SaveProgress::Suspending));
    cancelled(host, guest, &still, |p| matches!(p, SaveProgress::Suspended));
    cancelled(host, guest, &still, |p| matches!(p, SaveProgress::Sent { .. }));
    save(host, guest.id, &Image::new(&guest.name), &still);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_is_unharmed_by_a_save_that_is_cancelled_in_each_phase() {
    let host = host();
    let guest = Counting::start(&host, &config("cancel-pv", GuestKind::Pv, ""));
    is_unharmed_by_cancelled_saves(&host, &guest);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_is_unharmed_by_a_save_that_is_cancelled_in_each_phase() {
    let host = host();
    let guest = Counting::start(&host, &config("cancel-pvh", GuestKind::Pvh, ""));
    let live = live(Afterwards::Removed);
    cancelled(&host, &guest, &live, |p| in_round(p, 0));
    cancelled(&host, &guest, &live, |p| in_round(p, 1));
    cancelled(&host, &guest, &live, |p| matches!(p, SaveProgress::Sent { .. }));
    cancelled(&host, &guest, &live, |p| matches!(p, SaveProgress::Suspending));
    cancelled(&host, &guest, &live, |p| matches!(p, SaveProgress::Suspended));
    is_unharmed_by_cancelled_saves(&host, &guest);
}

fn in_round(progress: &SaveProgress, round: u32) -> bool {
    matches!(progress, SaveProgress::Precopy(so_far) if so_far.rounds == round)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_can_be_saved_nowhere_runs_on() {
    let host = host();
    let guest = Counting::start(&host, &config("full", GuestKind::Pv, ""));
    let full = OpenOptions::new().write(true).open("/dev/full").expect("it is in /dev");
    let options = still(Afterwards::Removed);
    let error = host.save(guest.id, full.as_fd(), &options, &minutes(5), &mut |_| ());
    runs_on(&guest, &error.unwrap_err(), Kind::NoMemory);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_ignores_a_save_is_asked_no_more() {
    let host = host();
    let guest = Guest::create("deaf", &Config::tiny("deaf", "pvh", ""));
    guest.says("TINY-READY");
    let dom: DomId = guest.id.parse().expect("a number");
    let null = File::create("/dev/null").expect("it is in /dev");
    let limits = Limits::until(Deadline::after(Duration::from_secs(20)));
    let saved = host.save(dom, null.as_fd(), &SaveOptions::default(), &limits, &mut |_| ());
    let error = saved.unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut, "{error:?}");
    let cause = error.source().expect("a cause").to_string();
    assert!(cause.contains("waited for the domain to suspend"), "{cause}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    let request = ok("xenstore-read", &[&format!("/local/domain/{dom}/control/shutdown")]);
    assert_eq!(request.trim(), "");
    ok("xenops", &["pause", "deaf"]);
    let paused = host.suspend(dom, &minutes(5)).unwrap_err();
    assert_eq!(paused.kind(), Kind::Busy, "{paused:?}");
}
