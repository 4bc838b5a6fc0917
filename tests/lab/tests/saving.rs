//! Saving guests and restoring them on the real Xen: Linux guests that count aloud and say the checksum of
//! what they keep, so that one can see that they go on and that their memory is whole.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod counting;
mod dom0;

use std::error::Error as _;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use counting::{Counting, config, minutes};
use dom0::{Config, Guest, Leavings, ok};
use xen_types::{Deadline, DomId, ShutdownReason};
use xenops::{
    Afterwards, CreateOptions, DomainConfig, Error, GuestKind, Host, Kind, Limits, SaveOptions,
    SaveProgress, Saved, State,
};

/// A file with a saved guest, removed with the test: dom0's memory holds files as well.
struct Image(PathBuf);

impl Image {
    fn new(name: &str) -> Self {
        Self(Path::new("/tmp").join(format!("{name}.image")))
    }

    fn write(&self) -> File {
        File::create(&self.0).expect("/tmp is writable in dom0")
    }

    fn read(&self) -> File {
        File::open(&self.0).expect("it was saved")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn still(afterwards: Afterwards) -> SaveOptions {
    SaveOptions { afterwards, ..SaveOptions::default() }
}

fn live(afterwards: Afterwards) -> SaveOptions {
    SaveOptions { live: true, ..still(afterwards) }
}

fn save(host: &Host, dom: DomId, image: &Image, options: &SaveOptions) -> Saved {
    host.save(dom, image.write().as_fd(), options, &minutes(2), &mut |_| ()).expect("save")
}

fn restore(host: &Host, image: &Image, config: &DomainConfig) -> xenops::Result<Counting> {
    let from = image.read();
    let id = host.restore(from.as_fd(), config, CreateOptions::default(), &minutes(2))?;
    Ok(Counting { id, name: config.name.clone() })
}

/// The description of a guest under another name.
fn renamed(config: &DomainConfig, name: &str) -> DomainConfig {
    let mut config = config.clone();
    config.name = name.to_owned();
    config
}

fn counts_on_after(kind: GuestKind, name: &str, options: &SaveOptions) -> Saved {
    let host = Host::open().expect("open the host");
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
    host.shut_down(again.id, &minutes(1)).expect("it still hears xenstore");
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

/// A live save of a guest that writes 8 MiB of its memory all the time.
fn is_saved_live(kind: GuestKind, name: &str) {
    let host = Host::open().expect("open the host");
    let config = config(name, kind, "hello.writes=8");
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

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_that_writes_is_saved_live_in_bounded_rounds() {
    is_saved_live(GuestKind::Pv, "live-pv");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_that_writes_is_saved_live_in_bounded_rounds() {
    is_saved_live(GuestKind::Pvh, "live-pvh");
}

/// After a checkpoint there are two guests: the one that went on, and the one that was saved.
fn goes_on_after_a_checkpoint(kind: GuestKind, name: &str, options: &SaveOptions) {
    let host = Host::open().expect("open the host");
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
fn a_pv_guest_goes_on_after_checkpoints_and_so_does_its_copy() {
    goes_on_after_a_checkpoint(GuestKind::Pv, "check-pv", &live(Afterwards::GoesOn));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_goes_on_after_checkpoints_and_so_does_its_copy() {
    goes_on_after_a_checkpoint(GuestKind::Pvh, "check-pvh", &still(Afterwards::GoesOn));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_stays_suspended_is_resumed_on_request() {
    let host = Host::open().expect("open the host");
    let guest = Counting::start(&host, &config("stays", GuestKind::Pv, ""));
    let image = Image::new("stays");
    save(&host, guest.id, &image, &still(Afterwards::StaysSuspended));
    let state = host.domain(guest.id).expect("it is there").state;
    assert_eq!(state, State::Shutdown(ShutdownReason::Suspend));
    // What was suspended before stays so if a save fails.
    let full = OpenOptions::new().write(true).open("/dev/full").expect("it is in /dev");
    let options = still(Afterwards::GoesOn);
    host.save(guest.id, full.as_fd(), &options, &minutes(1), &mut |_| ()).unwrap_err();
    let state = host.domain(guest.id).expect("it is there").state;
    assert_eq!(state, State::Shutdown(ShutdownReason::Suspend));
    host.resume(guest.id).expect("resume");
    guest.goes_on();
    assert_eq!(host.resume(guest.id).unwrap_err().kind(), Kind::Invalid);
}

/// A save that is cancelled when it has come so far, after which the guest runs on as if nothing had been.
fn cancelled(host: &Host, guest: &Counting, how: &SaveOptions, at: fn(&SaveProgress) -> bool) {
    let limits = minutes(2);
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

fn runs_on(guest: &Counting, error: &Error, kind: Kind) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    guest.goes_on();
    guest.checksum();
}

fn is_unharmed_by_a_cancelled_save(kind: GuestKind, name: &str) {
    let host = Host::open().expect("open the host");
    let guest = Counting::start(&host, &config(name, kind, ""));
    let limits = minutes(2);
    limits.cancel.request();
    let null = File::create("/dev/null").expect("it is in /dev");
    let early = host.save(guest.id, null.as_fd(), &SaveOptions::default(), &limits, &mut |_| ());
    runs_on(&guest, &early.unwrap_err(), Kind::Cancelled);

    let (live, still) = (live(Afterwards::Removed), still(Afterwards::Removed));
    cancelled(
        &host,
        &guest,
        &live,
        |p| matches!(p, SaveProgress::Precopy(so_far) if so_far.rounds == 0),
    );
    cancelled(
        &host,
        &guest,
        &live,
        |p| matches!(p, SaveProgress::Precopy(so_far) if so_far.rounds == 1),
    );
    cancelled(&host, &guest, &live, |p| matches!(p, SaveProgress::Sent { .. }));
    cancelled(&host, &guest, &live, |p| matches!(p, SaveProgress::Suspending));
    cancelled(&host, &guest, &live, |p| matches!(p, SaveProgress::Suspended));
    cancelled(&host, &guest, &still, |p| matches!(p, SaveProgress::Suspending));
    cancelled(&host, &guest, &still, |p| matches!(p, SaveProgress::Suspended));
    cancelled(&host, &guest, &still, |p| matches!(p, SaveProgress::Sent { .. }));
    // It can still be saved.
    let image = Image::new(name);
    save(&host, guest.id, &image, &still);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_is_unharmed_by_a_save_that_is_cancelled_in_each_phase() {
    is_unharmed_by_a_cancelled_save(GuestKind::Pv, "cancel-pv");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_is_unharmed_by_a_save_that_is_cancelled_in_each_phase() {
    is_unharmed_by_a_cancelled_save(GuestKind::Pvh, "cancel-pvh");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_whose_image_fits_nowhere_runs_on() {
    let host = Host::open().expect("open the host");
    let guest = Counting::start(&host, &config("full", GuestKind::Pv, ""));
    let full = OpenOptions::new().write(true).open("/dev/full").expect("it is in /dev");
    let options = still(Afterwards::Removed);
    let error = host.save(guest.id, full.as_fd(), &options, &minutes(1), &mut |_| ());
    runs_on(&guest, &error.unwrap_err(), Kind::NoMemory);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_does_not_answer_is_asked_no_more() {
    let host = Host::open().expect("open the host");
    let guest = Guest::create("deaf", &Config::tiny("deaf", "pv", ""));
    guest.says("TINY-READY");
    let dom: DomId = guest.id.parse().expect("a number");
    let null = File::create("/dev/null").expect("it is in /dev");
    let limits = Limits::until(Deadline::after(Duration::from_secs(3)));
    let saved = host.save(dom, null.as_fd(), &SaveOptions::default(), &limits, &mut |_| ());
    let error = saved.unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut, "{error:?}");
    let cause = error.source().expect("a cause").to_string();
    assert!(cause.contains("waited for the domain to suspend"), "{cause}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    let request = ok("xenstore-read", &[&format!("/local/domain/{dom}/control/shutdown")]);
    assert_eq!(request.trim(), "");
    ok("xenops", &["pause", "deaf"]);
    let paused = host.suspend(dom, &minutes(1)).unwrap_err();
    assert_eq!(paused.kind(), Kind::Busy, "{paused:?}");
}

/// A restore that fails, says this, and leaves nothing.
fn refused(host: &Host, image: &Image, config: &DomainConfig, says: &str) {
    let before = Leavings::now();
    let Err(error) = restore(host, image, config) else { panic!("it was restored") };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert!(text.contains(says), "{says:?} is not in {text:?}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_broken_image_is_refused_and_leaves_no_domain() {
    let host = Host::open().expect("open the host");
    let config = config("broken", GuestKind::Pv, "");
    let guest = Counting::start(&host, &config);
    let image = Image::new("broken");
    save(&host, guest.id, &image, &still(Afterwards::Removed));
    let file = OpenOptions::new().write(true).open(&image.0).expect("it was saved");
    let whole = file.metadata().expect("it is there").len();

    // The version is in the head of the stream (docs/specs/libxc-migration-stream.pandoc).
    file.write_all_at(&[9], 15).expect("write");
    refused(&host, &image, &config, "Invalid Version: Expected 2 <= ver <= 3, Got 9");
    file.write_all_at(&[3, 0xff], 15).expect("write");
    refused(&host, &image, &config, "restore domain");
    file.write_all_at(&[0], 16).expect("write");
    refused(&host, &image, &renamed_kind(&config), "Unexpected");
    file.set_len(whole / 2).expect("truncate");
    refused(&host, &image, &config, "restore domain");
    file.set_len(0).expect("truncate");
    refused(&host, &image, &config, "Failed to read Image Header from stream");
}

/// The same guest, as one of the other kind.
fn renamed_kind(config: &DomainConfig) -> DomainConfig {
    let mut config = config.clone();
    config.kind = GuestKind::Pvh;
    config
}
