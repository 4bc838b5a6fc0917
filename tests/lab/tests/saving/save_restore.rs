//! Guests that are saved and restored, or go on.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd as _;

use xc::foreign::ForeignMemory;
use xen_types::{DomId, ShutdownReason};
use xenops::{Afterwards, GuestKind, Kind, SaveOptions, SaveProgress, Saved, State};
use xg::Xg;

use crate::counting::{Counting, config, minutes};
use crate::dom0::{Config, Guest, Leavings, ok};
use crate::support::{Image, host, live, renamed, restore, save, still};

fn counts_on_after(kind: GuestKind, name: &str, options: &SaveOptions) -> Saved {
    let host = host();
    let before = Leavings::now();
    let config = config(name, kind, "");
    let guest = Counting::start(&host, &config);
    let image = Image::new(name);
    let (count, sum) = (guest.count(), guest.checksum());

    let saved = save(&host, guest.id, &image, options);

    assert_eq!(host.domain(guest.id).unwrap_err().kind(), Kind::NotFound);
    let again = restore(&host, &image, &renamed(&config, &format!("{name}-again")));
    let again = again.expect("restore");
    again.goes_on();
    assert!(again.first() > count, "{} after {count}", again.first());
    assert_eq!(again.checksum(), sum);
    host.shut_down(again.id, &minutes(5)).expect("it still hears xenstore");
    before.assert_unchanged();
    saved
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_saved_pv_guest_counts_on_where_it_was() {
    let saved = counts_on_after(GuestKind::Pv, "save-pv", &still(Afterwards::Removed));
    assert_eq!((saved.rounds, saved.frames.get()), (1, 32768));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_saved_pvh_guest_counts_on_where_it_was() {
    let saved = counts_on_after(GuestKind::Pvh, "save-pvh", &still(Afterwards::Removed));
    assert_eq!(saved.rounds, 1);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_live_save_of_a_pv_guest_is_refused_where_xen_cannot_log_its_writes() {
    let host = host();
    let capabilities = host.xc().physinfo().expect("it is there").capabilities;
    // Debian's Xen is built without it; libxenguest fails to enable log-dirty mode there.
    assert!(!capabilities.contains(xc::Capabilities::SHADOW));
    let guest = Guest::create("pv-live-save", &Config::tiny("pv-live-save", "pv", ""));
    let dom: DomId = guest.id.parse().expect("a number");
    let null = File::create("/dev/null").expect("it is in /dev");
    let options = live(Afterwards::GoesOn);
    let refused = host.save(dom, null.as_fd(), &options, &minutes(5), &mut |_| ()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "{refused:?}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_that_writes_is_saved_live_in_bounded_rounds() {
    let host = host();
    let name = "live-pvh";
    // It writes 8 MiB of its memory all the time.
    let config = config(name, GuestKind::Pvh, "hello.writes=8");
    let guest = Counting::start(&host, &config);
    let image = Image::new(name);
    let sum = guest.checksum();
    let (mut rounds, mut first) = (0, 0);
    let saved = host.save(
        guest.id,
        image.write().as_fd(),
        &live(Afterwards::Removed),
        &minutes(5),
        &mut |progress| {
            if let SaveProgress::Precopy(so_far) = progress {
                rounds = so_far.rounds;
                first = if rounds == 1 { so_far.sent.get() } else { first };
            }
        },
    );
    let saved = saved.expect("save");
    assert!((1..=5).contains(&rounds), "{rounds} rounds while it ran");
    assert!(saved.rounds > 1 && saved.rounds <= 7, "{saved:?}");
    // At least 8 MiB were sent twice.
    assert!(saved.frames.get() >= first + 2048, "{saved:?}, {first} in the first round");
    let again = restore(&host, &image, &renamed(&config, &format!("{name}-again")));
    let again = again.expect("restore");
    again.goes_on();
    assert_eq!(again.checksum(), sum);
}

/// After a checkpoint there are two guests: the one that went on, and the one that was saved.
fn goes_on_after_a_checkpoint(kind: GuestKind, name: &str, options: &SaveOptions) {
    let host = host();
    let config = config(name, kind, "");
    let guest = Counting::start(&host, &config);
    let image = Image::new(name);
    save(&host, guest.id, &image, options);
    guest.goes_on();
    let then = guest.count();
    // A second one: xenstored still hears of its end.
    save(&host, guest.id, &image, options);
    guest.goes_on();
    let again = restore(&host, &image, &renamed(&config, &format!("{name}-again")));
    let again = again.expect("restore");
    again.goes_on();
    guest.goes_on();
    assert!(again.first() >= then, "{} after {then}", again.first());
    assert_eq!(again.checksum(), guest.checksum());
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_that_is_saved_in_between_goes_on_and_so_does_its_copy() {
    goes_on_after_a_checkpoint(GuestKind::Pv, "check-pv", &still(Afterwards::GoesOn));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_that_is_saved_as_it_runs_goes_on_and_so_does_its_copy() {
    goes_on_after_a_checkpoint(GuestKind::Pvh, "check-pvh", &live(Afterwards::GoesOn));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_saved_guest_that_stays_suspended_is_resumed_on_request() {
    let host = host();
    let guest = Counting::start(&host, &config("stays", GuestKind::Pv, ""));
    let image = Image::new("stays");
    save(&host, guest.id, &image, &still(Afterwards::StaysSuspended));
    let state = host.domain(guest.id).expect("it is there").state;
    assert_eq!(state, State::Shutdown(ShutdownReason::Suspend));
    // What was suspended before stays so if a save fails.
    let full = OpenOptions::new().write(true).open("/dev/full").expect("it is in /dev");
    let options = still(Afterwards::GoesOn);
    host.save(guest.id, full.as_fd(), &options, &minutes(5), &mut |_| ()).unwrap_err();
    let state = host.domain(guest.id).expect("it is there").state;
    assert_eq!(state, State::Shutdown(ShutdownReason::Suspend));
    host.resume(guest.id).expect("resume");
    guest.goes_on();
    assert_eq!(host.resume(guest.id).unwrap_err().kind(), Kind::Invalid);
}

/// A guest that suspended itself and is told that it was restored: its ports are closed, and the
/// two that a toolstack makes are made anew. What Linux makes of it is not looked at.
fn is_resumed_as_new(kind: GuestKind, name: &str) {
    let host = host();
    let guest = Counting::start(&host, &config(name, kind, ""));
    host.suspend(guest.id, &minutes(5)).expect("suspend");
    let read = |node: &str| {
        let path = format!("/local/domain/{}/{node}", guest.id);
        ok("xenstore-read", &[&path]).trim().parse::<u64>().expect("a number")
    };
    let (xc, dom) = (host.xc(), guest.id);
    xc.pause(dom).expect("pause");
    xc.reset_ports(dom).expect("close its ports");
    let port = || u64::from(xc.alloc_unbound_port(dom, DomId::DOM0).expect("a port").0);
    assert_eq!((port(), port()), (read("store/port"), read("console/port")));
    let builder = Xg::open(xc).expect("open the domain builder");
    let memory = ForeignMemory::open().expect("open privcmd");
    builder.resume_as_new(xc, &memory, dom).expect("resume");
    assert_eq!(xc.info(dom).expect("it is there").shutdown, None);
    let again = builder.resume_as_new(xc, &memory, dom).unwrap_err();
    assert_eq!(again.kind(), Kind::Invalid);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_linux_pv_guest_leaves_a_start_info_to_be_resumed_as_new_with() {
    is_resumed_as_new(GuestKind::Pv, "new-pv");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_linux_pvh_guest_that_suspended_itself_is_resumed_as_new() {
    is_resumed_as_new(GuestKind::Pvh, "new-pvh");
}
