//! Guests that are saved, and restored from what was written.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::Duration;

use xen_sim::{How, Which};
use xen_types::{DomId, MiB, PageCount, ShutdownReason};
use xenops::{
    Afterwards, CreateOptions, DomainConfig, GuestKind, Host, Kind, Remnant, SaveOptions,
    SaveProgress, SavedFile, VbdConfig, VifConfig,
};
use xg::stream::Guest;
use xs::{Path, Store as _, View as _};

use crate::devices::{FILE, site};
use crate::site::{Site, is_up, long, until};

/// Saved without a move, and then this.
pub(crate) fn still(afterwards: Afterwards) -> SaveOptions {
    SaveOptions { afterwards, ..SaveOptions::default() }
}

/// Saves a guest into the file of this name.
pub(crate) fn save(
    site: &Site,
    host: &Host,
    dom: DomId,
    how: &SaveOptions,
) -> xenops::Result<PathBuf> {
    let path = site.path("saved");
    host.save_to_file(dom, &path, b"as it was", how, &long(host), &mut |_| ())?;
    Ok(path)
}

/// Restores the guest of the file.
pub(crate) fn restore(site: &Site, host: &Host, config: &DomainConfig) -> xenops::Result<DomId> {
    let mut saved = SavedFile::open(&site.path("saved"))?;
    host.restore_from_file(&mut saved, config, CreateOptions::default(), &long(host))
}

/// Sees that a guest runs, and answers.
#[track_caller]
pub(crate) fn runs(host: &Host, dom: DomId) {
    let info = host.xc().info(dom).unwrap();
    assert_eq!((info.shutdown, info.is_paused()), (None, false));
    host.suspend(dom, &long(host)).unwrap();
    host.resume(dom).unwrap();
}

pub(crate) fn with_devices(site: &Site, kind: GuestKind) -> DomainConfig {
    let mut config = site.config(kind, "");
    config.vbd.push(VbdConfig::new("xvda", FILE));
    let mut port = VifConfig::new("xenbr0");
    port.mac = Some("00:16:3e:01:02:03".parse().unwrap());
    config.vif.push(port);
    config
}

/// Waits until both ends of a device are connected.
pub(crate) fn is_connected(host: &Host, dom: DomId, kind: &str, number: u32) {
    let front = format!("/local/domain/{dom}/device/{kind}/{number}/state");
    let back = format!("/local/domain/0/backend/{kind}/{dom}/{number}/state");
    for state in [front, back] {
        let state = Path::new(&state).unwrap();
        until("it is connected", || {
            host.store().read_opt(&state).is_ok_and(|value| value.as_deref() == Some(b"4"))
        });
    }
}

fn goes_and_comes_back(kind: GuestKind, guest: Guest) {
    let site = site();
    let host = site.driving(&site.machine.process());
    let before = site.machine.snapshot().unwrap();
    let config = with_devices(&site, kind);
    let dom = host.create(&config, CreateOptions::default(), &long(&host)).unwrap();
    is_connected(&host, dom, "vbd", 51712);
    let pages = host.xc().info(dom).unwrap().current_pages;

    let path = save(&site, &host, dom, &still(Afterwards::Removed)).unwrap();

    before.assert_unchanged(&site.machine);
    let saved = SavedFile::open(&path).unwrap();
    assert_eq!(saved.description(), b"as it was");
    assert_eq!((saved.summary().guest, saved.summary().vcpus), (guest, 1));
    assert_eq!(saved.summary().contents, pages.to_bytes());

    let again = restore(&site, &host, &config).unwrap();

    assert_ne!(again, dom);
    is_connected(&host, again, "vbd", 51712);
    is_connected(&host, again, "vif", 0);
    assert_eq!(host.xc().info(again).unwrap().current_pages, pages);
    runs(&host, again);
    host.shut_down(again, &long(&host)).unwrap();
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_pv_guest_goes_and_comes_back_with_its_devices() {
    goes_and_comes_back(GuestKind::Pv, Guest::Pv64);
}

#[test]
fn a_pvh_guest_goes_and_comes_back_with_its_devices() {
    goes_and_comes_back(GuestKind::Pvh, Guest::Pvh);
}

/// A guest that is up, with these words.
fn guest(kind: GuestKind, words: &str) -> (Site, Host, DomId) {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, kind, words).unwrap();
    is_up(&host, dom);
    (site, host, dom)
}

#[test]
fn a_guest_that_is_saved_and_goes_on_can_be_restored_beside_itself() {
    let (site, host, dom) = guest(GuestKind::Pvh, "");
    save(&site, &host, dom, &still(Afterwards::GoesOn)).unwrap();
    runs(&host, dom);
    let mut config = site.config(GuestKind::Pvh, "");
    config.name = "again".into();
    let again = restore(&site, &host, &config).unwrap();
    is_up(&host, again);
    runs(&host, dom);
    runs(&host, again);
}

#[test]
fn a_guest_that_stays_suspended_goes_on_when_it_is_let() {
    let (site, host, dom) = guest(GuestKind::Pv, "");
    save(&site, &host, dom, &still(Afterwards::StaysSuspended)).unwrap();
    assert_eq!(host.xc().info(dom).unwrap().shutdown, Some(ShutdownReason::Suspend));
    host.resume(dom).unwrap();
    runs(&host, dom);
}

#[test]
fn a_guest_can_be_saved_as_often_as_it_is_restored() {
    let (site, host, mut dom) = guest(GuestKind::Pv, "");
    let config = site.config(GuestKind::Pv, "");
    for _ in 0..3 {
        let path = save(&site, &host, dom, &still(Afterwards::Removed)).unwrap();
        dom = restore(&site, &host, &config).unwrap();
        fs::remove_file(path).unwrap();
    }
    runs(&host, dom);
}

#[test]
fn a_restored_guest_knows_the_words_that_it_was_started_with() {
    let (site, host, dom) = guest(GuestKind::Pv, "crash-asked");
    // It crashes when it is asked: another program has it suspend.
    host.xc().shutdown(dom, ShutdownReason::Suspend).unwrap();
    save(&site, &host, dom, &still(Afterwards::Removed)).unwrap();
    let config = site.config(GuestKind::Pv, "");
    let dom = restore(&site, &host, &config).unwrap();
    is_up(&host, dom);
    host.shut_down(dom, &long(&host)).unwrap_err();
    assert_eq!(host.xc().info(dom).unwrap().shutdown, Some(ShutdownReason::Crash));
}

/// What a save says of how far it is.
fn told(kind: GuestKind, how: &SaveOptions) -> Vec<SaveProgress> {
    let (site, host, dom) = guest(kind, "");
    let mut told = Vec::new();
    let path = site.path("saved");
    host.save_to_file(dom, &path, b"", how, &long(&host), &mut |so_far| told.push(so_far)).unwrap();
    told
}

#[test]
fn a_still_save_tells_of_the_suspension_and_then_of_the_frames() {
    let told = told(GuestKind::Pv, &still(Afterwards::Removed));
    let frames = |frames| SaveProgress::Sent { frames: PageCount(frames), of: PageCount(1024) };
    let wanted = [SaveProgress::Suspending, SaveProgress::Suspended, frames(0), frames(1024)];
    assert_eq!(told, wanted);
}

#[test]
fn a_live_save_sends_all_while_the_guest_runs_and_the_rest_once_it_is_suspended() {
    let how = SaveOptions { live: true, ..still(Afterwards::Removed) };
    let told = told(GuestKind::Pvh, &how);
    let at = |wanted| told.iter().position(|so_far| *so_far == wanted);
    let suspended = at(SaveProgress::Suspended).unwrap();
    let sent = |so_far: &SaveProgress| match so_far {
        SaveProgress::Sent { of, .. } => of.get(),
        _ => 0,
    };
    let (before, after) = told.split_at(suspended);
    assert!(before.iter().map(sent).max() > Some(1024), "{told:?}");
    assert!(after.iter().map(sent).max() < Some(50), "{told:?}");
}

#[test]
fn a_live_save_of_a_pv_guest_is_refused_without_shadow_paging() {
    let (site, host, dom) = guest(GuestKind::Pv, "");
    let how = SaveOptions { live: true, ..still(Afterwards::Removed) };
    is_unharmed(&site, &host, dom, &how, Kind::Unavailable);
}

/// Sees that a save fails, of which no file is left, and that the guest runs on.
#[track_caller]
fn is_unharmed(site: &Site, host: &Host, dom: DomId, how: &SaveOptions, kind: Kind) {
    let before = site.machine.snapshot().unwrap();
    let error = save(site, host, dom, how).unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    assert!(!site.path("saved").exists());
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_guest_that_does_not_hear_of_a_save_is_asked_no_more() {
    let (site, host, dom) = guest(GuestKind::Pvh, "deaf");
    let order = Path::domain(dom).join("control/shutdown");
    host.store().write(&order, "").unwrap();
    is_unharmed(&site, &host, dom, &still(Afterwards::Removed), Kind::TimedOut);
}

#[test]
fn a_guest_that_agrees_to_a_save_and_does_not_suspend_is_named_as_what_may_suspend_yet() {
    let (site, host, dom) = guest(GuestKind::Pv, "lazy");
    let error = save(&site, &host, dom, &still(Afterwards::Removed)).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut, "{error:?}");
    assert_eq!(error.leftovers().len(), 1, "{error:?}");
    assert!(matches!(error.leftovers()[0].what, Remnant::Suspension(of) if of == dom), "{error:?}");
    assert!(!site.path("saved").exists());
}

/// It was waited for, and named as what may suspend yet.
#[test]
fn a_guest_that_could_not_be_asked_to_suspend_is_not_waited_for() {
    let (site, sound, dom) = guest(GuestKind::Pvh, "");
    let (_process, host) = site.faulty(Which::NthOf("TRANSACTION_START", 1), How::Undone);
    let before = host.store().clock().now();
    let error = host.suspend(dom, &long(&host)).unwrap_err();
    assert!(error.leftovers().is_empty(), "{error:?}");
    assert!(host.store().clock().now() < before + Duration::from_secs(5));
    runs(&sound, dom);
}

#[test]
fn a_guest_that_crashes_when_it_is_to_be_saved_is_left_to_be_looked_at() {
    let (site, host, dom) = guest(GuestKind::Pvh, "crash-asked");
    let error = save(&site, &host, dom, &still(Afterwards::Removed)).unwrap_err();
    assert!(error.cause().to_string().contains("crash"), "{error:?}");
    assert_eq!(host.xc().info(dom).unwrap().shutdown, Some(ShutdownReason::Crash));
    assert!(!site.path("saved").exists());
}

#[test]
fn a_guest_that_is_saved_to_a_full_disk_runs_on() {
    let (_site, host, dom) = guest(GuestKind::Pv, "");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let how = still(Afterwards::Removed);
    let error = host.save(dom, full.as_fd(), &how, &long(&host), &mut |_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::NoMemory, "{error:?}");
    runs(&host, dom);
}

/// A save that is cancelled when it has come so far.
fn is_cancelled_at(kind: GuestKind, live: bool, at: fn(&SaveProgress) -> bool) {
    let (site, host, dom) = guest(kind, "");
    let (limits, path, mut reached) = (long(&host), site.path("saved"), false);
    let how = SaveOptions { live, ..still(Afterwards::Removed) };
    let saved = host.save_to_file(dom, &path, b"", &how, &limits, &mut |so_far| {
        if at(&so_far) {
            reached = true;
            limits.cancel.request();
        }
    });
    let error = saved.unwrap_err();
    assert_eq!((reached, error.kind()), (true, Kind::Cancelled), "{error:?}");
    assert!(!path.exists());
    runs(&host, dom);
}

#[test]
fn a_guest_is_unharmed_by_a_save_that_is_cancelled_in_any_phase() {
    let sent = |so_far: &SaveProgress| matches!(so_far, SaveProgress::Sent { .. });
    let suspended = |so_far: &SaveProgress| *so_far == SaveProgress::Suspended;
    is_cancelled_at(GuestKind::Pv, false, |so_far| *so_far == SaveProgress::Suspending);
    is_cancelled_at(GuestKind::Pv, false, suspended);
    is_cancelled_at(GuestKind::Pv, false, sent);
    is_cancelled_at(GuestKind::Pvh, true, |so_far| matches!(so_far, SaveProgress::Precopy(_)));
    is_cancelled_at(GuestKind::Pvh, true, sent);
    is_cancelled_at(GuestKind::Pvh, true, suspended);
}

#[test]
fn a_guest_runs_on_and_no_file_is_left_when_who_hears_of_the_save_panics() {
    let (site, host, dom) = guest(GuestKind::Pvh, "");
    let path = site.path("saved");
    let how = still(Afterwards::Removed);
    let saved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        host.save_to_file(dom, &path, b"", &how, &long(&host), &mut |so_far| {
            assert_ne!(so_far, SaveProgress::Suspended, "as it is to be");
        })
    }));
    saved.unwrap_err();
    assert!(!path.exists());
    runs(&host, dom);
}

/// What a restore from a stream that is this fails with.
fn restored_from(site: &Site, host: &Host, stream: &[u8]) -> String {
    let path = site.path("broken");
    fs::write(&path, stream).unwrap();
    let (file, config) = (File::open(&path).unwrap(), site.config(GuestKind::Pvh, ""));
    let before = site.machine.snapshot().unwrap();
    let options = CreateOptions::default();
    let error = host.restore(file.as_fd(), &config, options, &long(host)).unwrap_err();
    assert!(error.leftovers().is_empty(), "{error:?}");
    before.assert_unchanged(&site.machine);
    format!("{error:?}")
}

/// The stream of a saved PVH guest.
fn stream(site: &Site, host: &Host, dom: DomId) -> Vec<u8> {
    let path = site.path("stream");
    let file = File::create(&path).unwrap();
    let how = still(Afterwards::Removed);
    host.save(dom, file.as_fd(), &how, &long(host), &mut |_| ()).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn a_stream_that_ends_too_early_leaves_no_domain_wherever_it_does() {
    let (site, host, dom) = guest(GuestKind::Pvh, "");
    let whole = stream(&site, &host, dom);
    for length in [0, 20, 40, 44, 60, 1 << 20, whole.len() - 100, whole.len() - 8] {
        let said = restored_from(&site, &host, &whole[..length]);
        assert!(said.contains("Failed to read"), "{length}: {said}");
    }
}

#[test]
fn a_stream_that_cannot_be_leaves_no_domain() {
    let (site, host, dom) = guest(GuestKind::Pvh, "");
    let whole = stream(&site, &host, dom);
    let changed = |at: usize, byte: u8| {
        let mut stream = whole.clone();
        stream[at] = byte;
        restored_from(&site, &host, &stream)
    };
    assert!(changed(0, 0).contains("marker"));
    assert!(changed(8, 0).contains("ID"));
    assert!(changed(15, 9).contains("Version"));
    assert!(changed(24, 1).contains("of one kind"));
    assert!(changed(43, 0x40).contains("not handled"));
}

#[test]
fn a_file_that_is_cut_or_changed_is_refused_before_there_is_a_domain() {
    let (site, host, dom) = guest(GuestKind::Pvh, "");
    let path = save(&site, &host, dom, &still(Afterwards::Removed)).unwrap();
    let whole = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        SavedFile::open(&path).unwrap_err().kind()
    };
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    assert_eq!(refused(&changed), Kind::Invalid);
    for length in [0, 10, 100, whole.len() / 2, whole.len() - 1] {
        assert_eq!(refused(&whole[..length]), Kind::Invalid, "{length}");
    }
}

#[test]
fn a_guest_that_is_restored_with_too_little_memory_is_told_from_other_failures() {
    let (site, host, dom) = guest(GuestKind::Pv, "");
    save(&site, &host, dom, &still(Afterwards::Removed)).unwrap();
    let before = site.machine.snapshot().unwrap();
    let mut config = site.config(GuestKind::Pv, "");
    config.memory = MiB(2);
    let error = restore(&site, &host, &config).unwrap_err();
    before.assert_unchanged(&site.machine);
    assert_eq!(error.kind(), Kind::NoMemory, "{error:?}");
    config.memory = MiB(4);
    runs(&host, restore(&site, &host, &config).unwrap());
}
