//! Drives whose medium is changed while a guest or a backend misbehaves. Whatever comes of it, nobody has
//! the old medium, the drive takes the next one or goes, and the domain goes with it.

use std::time::Duration;

use devices::{Ends, Medium, Spec as _, XenbusState};
use xen_sim::{Back, Front, Script, Which};
use xen_types::ShutdownReason;
use xenops::device::{DeviceId, EjectOptions, Tray, Vbd};
use xenops::{AttachOptions, GuestKind, Hotplug, Kind, Remnant};
use xs::{Store as _, View as _};

use super::guests::{OK, connected, is_full};
use super::{CONNECTED, Case, SHORT, SLOW, TAKEN};
use crate::devices::{DISK, FILE, site};
use crate::site::{long, until};

/// An empty drive.
fn drive() -> Vbd {
    Vbd::waiting_drive("xvdd".parse().unwrap(), Medium::Cdrom).unwrap()
}

/// The same drive with something in it.
fn full() -> Vbd {
    drive().with_medium(Some(FILE)).unwrap()
}

/// A PV guest: Linux takes drives in no other.
fn guest(front: Front) -> Case {
    let site = site();
    let host = site.driving(&site.machine.process());
    Case::of(GuestKind::Pv, site, host, front)
}

impl Case {
    fn insert(&self, drive: &DeviceId, connected: bool) -> String {
        self.in_time(|limits| self.host.insert(drive, FILE, connected, limits))
    }

    fn eject(&self, drive: &DeviceId, force: bool) -> String {
        self.in_time(|limits| self.host.eject(drive, EjectOptions { force }, limits))
    }

    /// A medium comes into an empty drive, and more is true of it.
    fn fills(&self, drive: &DeviceId, and: impl Fn(&Self, &Ends) -> bool) {
        assert_eq!(self.insert(drive, false), OK, "a medium comes");
        until("it misbehaves", || and(self, &full().ends(self.dom)));
    }

    /// The same where an end closes by itself: when it does so before the insertion has seen all that it waits
    /// for, the drive is empty again.
    fn fills_at_last(&self, drive: &DeviceId, and: impl Fn(&Self, &Ends) -> bool) {
        until("a medium comes", || {
            let comes = self.insert(drive, false) == OK;
            if !comes {
                self.is_empty(drive);
            }
            comes
        });
        until("it misbehaves", || and(self, &full().ends(self.dom)));
    }

    /// Nobody has a medium, and the drive is there.
    fn is_empty(&self, drive: &DeviceId) {
        let linux = self.site.machine.linux();
        assert_eq!(linux.loops(), [] as [&str; 0]);
        let listed = self.host.devices(self.dom).unwrap();
        assert!(listed.iter().any(|there| there.device == *drive), "{listed:?}");
    }
}

/// Somebody misbehaves with each of three media, which come so: one is taken out, one by force, one goes
/// with the drive; and with a fourth, which goes with the domain. A medium that does not go is taken by
/// force then.
fn changes(case: Case, ejected: &str, fill: impl Fn(&Case, &DeviceId)) {
    let attach = || case.host.attach(case.dom, &drive(), TAKEN, &long(&case.host)).unwrap();
    let drive = attach();
    fill(&case, &drive);
    assert_eq!(case.eject(&drive, false), ejected);
    if ejected != OK {
        assert_eq!(case.site.machine.linux().loops(), ["/dev/loop0 /images/data.img"]);
        assert_eq!(case.eject(&drive, true), OK, "by force");
    }
    case.is_empty(&drive);
    fill(&case, &drive);
    assert_eq!(case.eject(&drive, true), OK, "by force");
    case.is_empty(&drive);
    fill(&case, &drive);
    assert_eq!(case.detach(&drive, true), OK, "with the drive");
    case.before.assert_unchanged(&case.site.machine);
    attach();
    fill(&case, &drive);
    case.destroy();
}

fn by_guest(front: Front, ejected: &str, and: impl Fn(&Case, &Ends) -> bool) {
    changes(guest(front), ejected, |case, drive| case.fills(drive, &and));
}

/// A guest closes its end by itself.
fn closes(front: Front, and: impl Fn(&Case, &Ends) -> bool) {
    changes(guest(front), OK, |case, drive| case.fills_at_last(drive, &and));
}

fn nobody(case: &Case, _: &Ends) -> bool {
    case.site.machine.linux().backends().is_empty()
}

const LATE: &str = "TimedOut: waited for the other end to let go, last seen: backend Closing, \
                    frontend Connected, hotplug-status \"connected\"";

#[test]
fn media_come_to_a_sound_guest_and_go() {
    by_guest(Front::Sound, OK, connected);
}

#[test]
fn media_of_a_guest_without_a_driver_come_and_go() {
    by_guest(Front::Absent, OK, |_, _| true);
}

#[test]
fn a_medium_that_no_guest_connects_to_is_taken_out_again() {
    let case = guest(Front::Absent);
    let drive = case.host.attach(case.dom, &drive(), TAKEN, &long(&case.host)).unwrap();
    assert_eq!(
        case.insert(&drive, true),
        "TimedOut: waited for both ends to connect, last seen: backend InitWait, \
         frontend Initialising, hotplug-status \"connected\""
    );
    case.is_empty(&drive);
    case.fills(&drive, |_, _| true);
    case.destroy();
}

#[test]
fn a_pvh_guest_says_that_it_takes_no_drive_and_the_medium_goes() {
    let case = Case::with(Front::Sound);
    let drive = case.host.attach(case.dom, &drive(), TAKEN, &long(&case.host)).unwrap();
    let said = case.insert(&drive, true);
    assert_eq!(
        said,
        "TimedOut: waited for both ends to connect, last seen: backend InitWait, \
         frontend Initialising, hotplug-status \"connected\", \
         the frontend's error \"19 xenbus_dev_probe on device/vbd/51760\""
    );
    case.is_empty(&drive);
    assert_eq!(case.insert(&drive, false), OK);
    assert_eq!(case.eject(&drive, false), OK);
    case.is_empty(&drive);
    case.destroy();
}

#[test]
fn a_medium_is_taken_from_a_guest_that_crashed_with_it() {
    let case = guest(Front::DiesInHandshake);
    let drive = case.host.attach(case.dom, &full(), TAKEN, &long(&case.host)).unwrap();
    until("it has crashed", || {
        case.host.xc().info(case.dom).unwrap().shutdown == Some(ShutdownReason::Crash)
    });
    assert_eq!(case.eject(&drive, false), OK);
    case.is_empty(&drive);
    assert_eq!(case.insert(&drive, false), OK);
    assert_eq!(case.eject(&drive, true), OK);
    case.is_empty(&drive);
    case.fills(&drive, |_, _| true);
    case.destroy();
}

/// It does so with the empty drive too, which may be seen or not.
#[test]
fn a_guest_that_skips_states_has_no_medium_and_the_backends_words_are_told() {
    let case = guest(Front::SkipsStates);
    let limits = || long(&case.host);
    until("a drive comes", || case.host.attach(case.dom, &drive(), TAKEN, &limits()).is_ok());
    let drive = full().ends(case.dom).device;
    let error = case.host.insert(&drive, FILE, true, &limits()).unwrap_err();
    let said = error.cause().to_string();
    assert!(said.starts_with("it failed: 2 reading ring-ref and event-channel; "), "{said}");
    let named = error.leftovers().iter().all(|left| left.what == Remnant::Device(drive.clone()));
    assert!(named, "{:?}", error.leftovers());
    case.is_empty(&drive);
    assert_eq!(case.detach(&drive, false), OK);
    case.before.assert_unchanged(&case.site.machine);
    until("a drive comes", || case.host.attach(case.dom, &self::drive(), TAKEN, &limits()).is_ok());
    case.destroy();
}

#[test]
fn a_medium_of_a_guest_that_closes_by_itself_goes() {
    closes(Front::ClosesByItself, |case, ends| {
        let seen = case.seen(ends);
        seen.backend == Some(XenbusState::Closed) && seen.frontend == Some(XenbusState::Closed)
    });
}

#[test]
fn a_guest_that_does_not_let_go_loses_its_medium_only_by_force() {
    by_guest(Front::Clings, LATE, connected);
}

#[test]
fn a_guest_that_writes_nonsense_for_the_state_of_its_drive_keeps_nobody_waiting() {
    closes(Front::WritesNonsense, nobody);
}

#[test]
fn a_medium_of_a_guest_whose_state_means_nothing_goes() {
    closes(Front::WritesUnknown, |case, ends| case.seen(ends).backend_error.is_some());
}

#[test]
fn a_guest_that_says_another_domain_serves_its_drive_leads_nobody_there() {
    by_guest(Front::LiesAboutBackend, LATE, |case, ends| {
        let said = case.host.store().read(&ends.frontend().join("backend")).unwrap();
        said == b"/local/domain/0/backend/vbd/0/1"
    });
}

#[test]
fn a_medium_of_a_guest_that_has_filled_its_quota_goes_and_the_next_one_comes() {
    by_guest(Front::FillsQuota, OK, is_full);
}

#[test]
fn a_medium_of_a_guest_that_writes_all_that_the_store_takes_goes() {
    by_guest(Front::WritesLarge, OK, |case, ends| {
        case.host.store().read(&ends.frontend().join("feature-x")).is_ok()
    });
}

#[test]
fn a_medium_of_a_guest_that_removes_its_own_end_goes() {
    closes(Front::Removes, |case, ends| case.seen(ends).frontend.is_none() && nobody(case, ends));
}

/// Whether it did the guest shows: it connects.
#[test]
fn a_drive_that_comes_again_unseen_comes_once_more() {
    let case = guest(Front::Misses);
    let drive = case.host.attach(case.dom, &full(), CONNECTED, &long(&case.host)).unwrap();
    let options = EjectOptions::default();
    case.host.eject(&drive, options, &long(&case.host)).unwrap();
    case.host.insert(&drive, FILE, true, &long(&case.host)).unwrap();
    case.host.eject(&drive, options, &long(&case.host)).unwrap();
    case.is_empty(&drive);
    case.host.insert(&drive, FILE, true, &long(&case.host)).unwrap();
    case.destroy();
}

#[test]
fn a_medium_is_out_although_no_time_is_left_for_a_guest_that_did_not_see_it() {
    let case = guest(Front::Misses);
    let drive = case.host.attach(case.dom, &full(), CONNECTED, &long(&case.host)).unwrap();
    assert_eq!(case.eject(&drive, false), OK);
    case.is_empty(&drive);
    assert_eq!(case.insert(&drive, false), OK);
    case.destroy();
}

#[test]
fn a_locked_tray_is_opened_by_force_alone_and_a_guest_that_asked_is_answered() {
    let case = guest(Front::Sound);
    let drive = case.host.attach(case.dom, &full(), CONNECTED, &long(&case.host)).unwrap();
    let (ends, store) = (full().ends(case.dom), case.host.store());
    let asked = ends.frontend().join("eject");
    store.write(&ends.backend().join("locked"), "true").unwrap();
    store.write(&asked, "eject").unwrap();
    let Tray { locked, asked: wants, .. } = case.host.tray(&drive).unwrap();
    assert!(locked && wants);
    assert_eq!(case.eject(&drive, false), "Busy: its tray is locked by the guest");
    assert_eq!(case.site.machine.linux().loops(), ["/dev/loop0 /images/data.img"]);
    assert_eq!(case.seen(&ends).backend, Some(XenbusState::Connected));

    assert_eq!(case.eject(&drive, true), OK);
    case.is_empty(&drive);
    assert_eq!(case.host.tray(&drive).unwrap(), Tray::default());
    case.fills(&drive, connected);
    store.write(&asked, "eject").unwrap();
    assert_eq!(case.eject(&drive, false), OK);
    assert!(!case.host.tray(&drive).unwrap().asked);
    case.destroy();
}

#[test]
fn what_is_in_a_drive_is_not_replaced() {
    let case = guest(Front::Sound);
    let drive = case.host.attach(case.dom, &full(), CONNECTED, &long(&case.host)).unwrap();
    let full = case.site.machine.snapshot().unwrap();
    let refused = case.in_time(|limits| case.host.insert(&drive, DISK, true, limits));
    assert_eq!(refused, "Exists: something is in it");
    full.assert_unchanged(&case.site.machine);
    case.destroy();
}

/// A guest whose drive has had a medium, and a backend that does this from now on.
fn case(back: Back) -> (Case, DeviceId) {
    let case = guest(Front::Sound);
    let drive = case.host.attach(case.dom, &drive(), TAKEN, &long(&case.host)).unwrap();
    case.host.insert(&drive, FILE, true, &long(&case.host)).unwrap();
    case.site.machine.linux().set_backends(back);
    (case, drive)
}

/// The drive works again, whatever is left of the other backend.
fn recovers(case: Case, drive: &DeviceId) {
    case.site.machine.linux().set_backends(Back::Sound);
    case.host.insert(drive, FILE, true, &long(&case.host)).unwrap();
    assert_eq!(case.eject(drive, false), OK);
    case.is_empty(drive);
    assert_eq!(case.detach(drive, false), OK);
    case.before.assert_unchanged(&case.site.machine);
    case.destroy();
}

/// The medium goes, the empty drive does not come, and that is said so. Nothing of it keeps the drive, or the
/// domain, from going.
fn spoils(back: Back, said: impl Fn(&str) -> bool) {
    let (spoilt, drive) = case(back);
    let told = spoilt.eject(&drive, false);
    assert!(said(&told), "{told}");
    spoilt.is_empty(&drive);
    assert_eq!(spoilt.eject(&drive, true), OK, "it is empty");
    assert_eq!(spoilt.detach(&drive, false), OK);
    spoilt.before.assert_unchanged(&spoilt.site.machine);
    spoilt.destroy();
    let (spoilt, drive) = case(back);
    let told = spoilt.eject(&drive, false);
    assert!(said(&told), "{told}");
    recovers(spoilt, &drive);
    let (spoilt, drive) = case(back);
    let told = spoilt.eject(&drive, true);
    assert!(said(&told), "{told}");
    spoilt.destroy();
}

#[test]
fn a_medium_goes_where_no_driver_looks_at_the_empty_drive() {
    spoils(Back::Absent, |said| {
        said == "TimedOut: waited for the backend's driver to take it, last seen: \
                 backend Initialising, frontend Initialising"
    });
}

#[test]
fn a_medium_goes_where_the_driver_fails_with_the_empty_drive() {
    spoils(Back::Fails, |said| {
        said.starts_with("Other: it failed: 12 xenbus_dev_probe on it; backend ")
            && said.contains("frontend Initialising")
            && said.ends_with("the backend's error \"12 xenbus_dev_probe on it\"")
    });
}

#[test]
fn a_medium_goes_where_a_script_fails_with_the_empty_drive() {
    spoils(Back::Complains, |said| {
        said.starts_with("Other: it failed: no such thing; backend ")
            && said.contains("frontend ")
            && said.ends_with("hotplug-status \"error\", hotplug-error \"no such thing\"")
    });
}

#[test]
fn a_medium_goes_where_the_state_of_the_empty_drive_is_no_number() {
    spoils(Back::WritesNonsense, |said| {
        said.starts_with(
            "TimedOut: waited for the backend's driver to take it, last seen: backend Unknown, \
             frontend Initialising",
        )
    });
}

#[test]
fn a_medium_goes_where_the_backends_words_are_as_long_as_the_store_takes() {
    spoils(Back::WritesLarge, |said| {
        said.starts_with(&format!("Other: it failed: {}; backend ", "x".repeat(256)))
            && said.len() < 1000
    });
}

#[test]
fn a_medium_that_a_driver_that_went_away_does_not_open_is_taken_out_again() {
    let (case, drive) = case(Back::DiesInHandshake);
    assert_eq!(case.eject(&drive, false), OK);
    let said = case.insert(&drive, false);
    assert!(
        said.starts_with(
            "TimedOut: waited for the backend to open the disk, last seen: backend InitWait, \
             frontend Initialised"
        ),
        "{said}"
    );
    case.is_empty(&drive);
    assert_eq!(case.eject(&drive, true), OK);
    recovers(case, &drive);
}

fn by_backend(back: Back, state: XenbusState) {
    let case = guest(Front::Sound);
    case.site.machine.linux().set_backends(back);
    let is = |case: &Case, ends: &Ends| case.seen(ends).backend == Some(state);
    changes(case, OK, |case, drive| case.fills_at_last(drive, is));
}

#[test]
fn a_backend_that_skips_states_takes_media() {
    by_backend(Back::SkipsStates, XenbusState::Connected);
}

#[test]
fn a_backend_that_closes_by_itself_lets_go_of_a_medium() {
    by_backend(Back::ClosesByItself, XenbusState::Closed);
}

#[test]
fn a_backend_that_names_another_frontend_of_a_drive_is_followed_by_nobody() {
    by_backend(Back::LiesAboutFrontend, XenbusState::Connected);
}

/// A guest that has an empty drive, for whose media scripts do the host's part: at first as those of Xen.
fn scripted() -> (Case, DeviceId) {
    let case = guest(Front::Sound);
    scripts(&case, Script::Connects);
    let options = AttachOptions { hotplug: Hotplug::Scripts, connected: false };
    let drive = case.host.attach(case.dom, &drive(), options, &long(&case.host)).unwrap();
    let insert = |connected| {
        let limits = long(&case.host);
        case.host.insert(&drive, DISK, connected, &limits)
    };
    insert(true).unwrap();
    case.host.eject(&drive, EjectOptions::default(), &long(&case.host)).unwrap();
    (case, drive)
}

fn scripts(case: &Case, script: Script) {
    case.site.machine.linux().add_program("/etc/xen/scripts/block", script);
}

#[test]
fn the_words_of_a_script_that_fails_with_a_medium_are_told_and_the_next_one_comes() {
    let (case, drive) = scripted();
    scripts(&case, Script::Fails);
    let error = case.host.insert(&drive, DISK, true, &long(&case.host)).unwrap_err();
    let said = error.cause().to_string();
    assert!(said.starts_with("it failed: no such thing; backend InitWait, frontend "), "{said}");
    // It cannot be told from one that has released nothing.
    assert_eq!(error.leftovers().len(), 1, "{error:?}");
    scripts(&case, Script::Connects);
    case.host.insert(&drive, DISK, true, &long(&case.host)).unwrap();
    case.host.eject(&drive, EjectOptions::default(), &long(&case.host)).unwrap();
    assert_eq!(case.detach(&drive, false), OK);
    case.before.assert_unchanged(&case.site.machine);
    case.destroy();
}

#[test]
fn a_medium_that_is_out_after_the_deadline_is_out() {
    let (case, drive) = scripted();
    let emptied = case.site.machine.snapshot().unwrap();
    case.host.insert(&drive, DISK, true, &long(&case.host)).unwrap();
    let process = case.site.machine.process();
    let host = case.site.driving(&process);
    let clock = host.store().clock().clone();
    // The script that takes it back.
    process.before(Which::NthOf("execve", 1), move || clock.sleep(SHORT * 2));
    host.eject(&drive, EjectOptions::default(), &host.limits(SHORT)).unwrap();
    emptied.assert_unchanged(&case.site.machine);
    case.destroy();
}

#[test]
fn a_script_that_fails_to_take_a_medium_back_is_named_and_the_drive_is_empty() {
    let (case, drive) = scripted();
    let emptied = case.site.machine.snapshot().unwrap();
    case.host.insert(&drive, DISK, true, &long(&case.host)).unwrap();
    scripts(&case, Script::Fails);
    let error = case.host.eject(&drive, EjectOptions::default(), &long(&case.host)).unwrap_err();
    let [left] = error.leftovers() else { panic!("{error:?}") };
    assert_eq!(left.what, Remnant::Device(drive.clone()));
    emptied.assert_unchanged(&case.site.machine);
    case.destroy();
}

#[test]
fn a_script_that_never_ends_with_a_medium_is_killed_at_the_deadline_and_the_drive_is_empty() {
    let (case, drive) = scripted();
    let emptied = case.site.machine.snapshot().unwrap();
    scripts(&case, Script::Hangs);
    let said = case.in_time(|limits| case.host.insert(&drive, DISK, false, limits));
    let late = "TimedOut: waited for the hotplug script to end, last seen: it printed \"begun\"";
    assert_eq!(said, late);
    emptied.assert_unchanged(&case.site.machine);
    case.destroy();
}

#[test]
fn a_script_that_is_too_slow_to_take_a_medium_back_is_named_and_the_drive_is_empty() {
    let (case, drive) = scripted();
    let emptied = case.site.machine.snapshot().unwrap();
    scripts(&case, Script::GoesAfter(SLOW));
    case.host.insert(&drive, DISK, true, &long(&case.host)).unwrap();
    let soon = case.host.limits(SHORT);
    let error = case.host.eject(&drive, EjectOptions::default(), &soon).unwrap_err();
    let [left] = error.leftovers() else { panic!("{error:?}") };
    let late = "waited for the hotplug script to end, last seen: it printed \"slowly\"";
    assert_eq!((&left.what, left.why.to_string()), (&Remnant::Device(drive.clone()), late.into()));
    emptied.assert_unchanged(&case.site.machine);
    case.host.insert(&drive, DISK, true, &long(&case.host)).unwrap();
    let enough = case.host.limits(Duration::from_secs(120));
    case.host.eject(&drive, EjectOptions::default(), &enough).unwrap();
    emptied.assert_unchanged(&case.site.machine);
    case.destroy();
}

/// A guest that has a full drive of a backend that does this.
fn has(back: Back) -> (Case, DeviceId) {
    let case = guest(Front::Sound);
    case.site.machine.linux().set_backends(back);
    let drive = case.host.attach(case.dom, &full(), CONNECTED, &long(&case.host)).unwrap();
    (case, drive)
}

#[test]
fn a_medium_stays_with_a_backend_that_never_closes() {
    let (case, drive) = has(Back::NeverCloses);
    let late = "TimedOut: waited for the other end to let go, last seen: backend Closing, \
                frontend Closed, hotplug-status \"connected\"";
    assert_eq!(case.eject(&drive, false), late);
    // Where it is at home nobody else can let go for it.
    let forced = case.eject(&drive, true);
    assert!(forced.starts_with("TimedOut: waited for the other end to let go, "), "{forced}");
    assert_eq!(case.site.machine.linux().loops(), ["/dev/loop0 /images/data.img"]);
    assert_eq!(case.insert(&drive, false), "Exists: something is in it");
}

#[test]
fn a_backend_that_keeps_its_medium_online_is_told_apart_from_one_that_lets_go() {
    let (case, drive) = has(Back::StaysOnline);
    let limits = case.host.limits(SHORT);
    let error = case.host.eject(&drive, EjectOptions::default(), &limits).unwrap_err();
    assert_eq!(error.kind(), Kind::Gone, "{error:?}");
    assert!(case.seen(&full().ends(case.dom)).online);
    assert_eq!(case.insert(&drive, false), "Exists: something is in it");
}
