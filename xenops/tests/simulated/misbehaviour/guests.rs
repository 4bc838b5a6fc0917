//! Guests that misbehave.

use devices::{Ends, Spec, XenbusState};
use xen_sim::Front;
use xen_types::ShutdownReason;
use xs::View as _;

use super::{CONNECTED, Case};
use crate::devices::{disk, file, port};
use crate::site::until;

pub(super) const OK: &str = "ok";

/// A guest misbehaves with each of two devices: detached, detached by force, destroyed with it.
/// A detachment that does not work is done by force then.
fn ends_as(front: Front, detached: &str, and: impl Fn(&Case, &Ends) -> bool + Copy) {
    let case = Case::with(front);
    comes_and_goes(&case, &file(), detached, and);
    comes_and_goes(&case, &port(), detached, and);
    case.attached(&file(), and);
    case.attached(&port(), and);
    case.destroy();
}

pub(super) fn comes_and_goes(
    case: &Case,
    spec: &impl Spec,
    detached: &str,
    and: impl Fn(&Case, &Ends) -> bool + Copy,
) {
    let device = case.attached(spec, and);
    assert_eq!(case.detach(&device, false), detached, "{device}");
    if detached != OK {
        assert_eq!(case.detach(&device, true), OK, "{device} by force");
    }
    case.before.assert_unchanged(&case.site.machine);
    let device = case.attached(spec, and);
    assert_eq!(case.detach(&device, true), OK, "{device} by force");
    case.before.assert_unchanged(&case.site.machine);
}

/// Whether both ends have connected.
pub(super) fn connected(case: &Case, ends: &Ends) -> bool {
    let seen = case.seen(ends);
    seen.backend == Some(XenbusState::Connected) && seen.frontend == Some(XenbusState::Connected)
}

/// Whether the guest has made nine hundred nodes, of a thousand that it may have.
pub(super) fn is_full(case: &Case, ends: &Ends) -> bool {
    let fillers = ends.frontend().join("filler");
    case.host.store().directory(&fillers).is_ok_and(|folders| folders.len() > 9)
}

#[test]
fn a_guest_without_a_driver_gives_its_devices_back() {
    ends_as(Front::Absent, OK, |case, ends| case.seen(ends).frontend.is_some());
}

#[test]
fn a_guest_without_a_driver_never_connects() {
    let case = Case::with(Front::Absent);
    let late = "TimedOut: waited for both ends to connect, last seen: backend InitWait, \
                frontend Initialising, hotplug-status \"connected\"";
    assert_eq!(case.attach(&file(), CONNECTED), late);
    assert_eq!(case.attach(&port(), CONNECTED), late);
    case.before.assert_unchanged(&case.site.machine);
}

#[test]
fn a_guest_that_crashes_in_the_handshake_is_not_asked_for_its_devices() {
    let case = Case::with(Front::DiesInHandshake);
    let crashed = |case: &Case, _: &Ends| {
        case.host.xc().info(case.dom).unwrap().shutdown == Some(ShutdownReason::Crash)
    };
    let device = case.attached(&file(), crashed);
    let dead = case.site.machine.snapshot().unwrap();
    let other = case.attached(&port(), crashed);
    assert_eq!(case.detach(&other, false), OK);
    dead.assert_unchanged(&case.site.machine);
    assert_eq!(case.detach(&device, false), OK);
    case.attached(&disk(), crashed);
    case.destroy();
}

#[test]
fn a_guest_that_skips_states_is_given_up_by_the_backend_with_its_words() {
    let case = Case::with(Front::SkipsStates);
    let of_disk = case.attach(&file(), CONNECTED);
    let of_port = case.attach(&port(), CONNECTED);
    let why = "Other: it failed: 2 reading ring-ref and event-channel; backend ";
    let words = "the backend's error \"2 reading ring-ref and event-channel\"";
    assert!(of_disk.starts_with(why) && of_disk.ends_with(words), "{of_disk}");
    assert!(of_port.starts_with(why), "{of_port}");
    case.before.assert_unchanged(&case.site.machine);
    case.destroy();
}

#[test]
fn a_guest_that_closes_by_itself_has_let_go() {
    ends_as(Front::ClosesByItself, OK, |case, ends| {
        let seen = case.seen(ends);
        seen.backend == Some(XenbusState::Closed) && seen.frontend == Some(XenbusState::Closed)
    });
}

#[test]
fn a_guest_that_does_not_let_go_loses_its_devices_only_by_force() {
    let late = "TimedOut: waited for the other end to let go, last seen: backend Closing, \
                frontend Connected, hotplug-status \"connected\"";
    ends_as(Front::Clings, late, connected);
}

#[test]
fn a_guest_that_writes_nonsense_for_its_state_keeps_nobody_waiting() {
    ends_as(Front::WritesNonsense, OK, |case, ends| {
        let none = case.site.machine.linux().backends().is_empty();
        none && case.seen(ends).frontend == Some(XenbusState::Unknown)
    });
}

#[test]
fn a_guest_whose_state_means_nothing_is_given_up_and_gives_its_devices_back() {
    ends_as(Front::WritesUnknown, OK, |case, ends| case.seen(ends).backend_error.is_some());
}

#[test]
fn a_guest_that_says_another_domain_serves_it_leads_nobody_there() {
    let late = "TimedOut: waited for the other end to let go, last seen: backend Closing, \
                frontend Connected, hotplug-status \"connected\"";
    ends_as(Front::LiesAboutBackend, late, |case, ends| {
        let said = case.host.store().read(&ends.frontend().join("backend")).unwrap();
        said == b"/local/domain/0/backend/vbd/0/1"
    });
}

#[test]
fn a_guest_that_has_filled_its_quota_still_gets_devices_and_gives_them_back() {
    let case = Case::with(Front::FillsQuota);
    let disk = case.attached(&file(), is_full);
    // It cannot say where its rings are.
    let interface = case.attached(&port(), |case, ends| case.seen(ends).frontend.is_some());
    assert_eq!(case.detach(&interface, false), OK);
    assert_eq!(case.detach(&disk, false), OK);
    case.before.assert_unchanged(&case.site.machine);
    let disk = case.attached(&file(), is_full);
    assert_eq!(case.detach(&disk, true), OK);
    case.before.assert_unchanged(&case.site.machine);
    case.attached(&file(), is_full);
    case.destroy();
}

#[test]
fn a_guest_that_writes_all_that_the_store_takes_gives_its_devices_back() {
    ends_as(Front::WritesLarge, OK, |case, ends| {
        case.host.store().read(&ends.frontend().join("feature-x")).is_ok()
    });
}

#[test]
fn a_guest_that_removes_its_own_end_has_let_go() {
    ends_as(Front::Removes, OK, |case, ends| {
        case.seen(ends).frontend.is_none() && case.site.machine.linux().backends().is_empty()
    });
}

#[test]
fn a_guest_that_misbehaves_does_not_keep_another_from_its_devices() {
    let case = Case::with(Front::Clings);
    let clung = case.attached(&file(), connected);
    let other = case.attached(&disk(), connected);
    assert!(case.detach(&clung, false).starts_with("TimedOut"));
    assert_eq!(case.detach(&other, true), OK);
    until("the disk is closed", || {
        case.site.machine.linux().backends() == [format!("vbd-{}-51728", case.dom)]
    });
}
