//! Consoles besides the first, whose backend is the QEMU of the guest: what comes of each way in which the
//! guest or QEMU misbehaves. A program can die without a word, and nobody can tell: by force its nodes go
//! all the same, and an error names the device.

use devices::{Ends, Spec as _, XenbusState};
use xen_sim::{Back, Front};
use xen_types::{Kind, ShutdownReason};
use xenops::{DetachOptions, Remnant};
use xs::View as _;

use super::backends::case;
use super::guests::{OK, comes_and_goes, connected, is_full};
use super::{CONNECTED, Case, SHORT, TAKEN};
use crate::devices::{console, file};

fn ends_as(front: Front, detached: &str, and: impl Fn(&Case, &Ends) -> bool + Copy) {
    let case = Case::with(front);
    comes_and_goes(&case, &console(), detached, and);
    case.attached(&console(), and);
    case.destroy();
}

/// An end closes the console by itself.
fn closes(case: Case) {
    case.closes(&console());
    case.destroy();
}

const LATE: &str = "TimedOut: waited for the other end to let go, last seen: backend Closing, \
                    frontend Connected, hotplug-status \"connected\"";

fn backend_is(case: &Case, ends: &Ends, state: XenbusState) -> bool {
    case.seen(ends).backend == Some(state)
}

#[test]
fn a_guest_without_a_driver_gives_a_console_back() {
    ends_as(Front::Absent, OK, |case, ends| backend_is(case, ends, XenbusState::InitWait));
}

#[test]
fn a_guest_without_a_driver_never_connects_a_console() {
    let case = Case::with(Front::Absent);
    assert_eq!(
        case.attach(&console(), CONNECTED),
        "TimedOut: waited for both ends to connect, last seen: backend InitWait, \
         frontend Initialising, hotplug-status \"connected\""
    );
    case.before.assert_unchanged(&case.site.machine);
}

#[test]
fn a_guest_that_crashes_in_the_handshake_of_a_console_is_not_asked_for_it() {
    let case = Case::with(Front::DiesInHandshake);
    let crashed = |case: &Case, _: &Ends| {
        case.host.xc().info(case.dom).unwrap().shutdown == Some(ShutdownReason::Crash)
    };
    let device = case.attached(&console(), crashed);
    assert_eq!(case.detach(&device, false), OK);
    case.attached(&console(), crashed);
    case.destroy();
}

#[test]
fn a_console_whose_ring_the_guest_does_not_name_is_closed_without_a_word() {
    let case = Case::with(Front::SkipsStates);
    let said = case.attach(&console(), CONNECTED);
    assert!(said.starts_with("Other: it failed: the "), "{said}");
    assert!(said.contains(" gave up without a word"), "{said}");
    case.before.assert_unchanged(&case.site.machine);
    case.destroy();
}

#[test]
fn a_guest_that_closes_its_console_by_itself_has_let_go() {
    closes(Case::with(Front::ClosesByItself));
}

#[test]
fn a_guest_that_does_not_let_go_loses_its_console_only_by_force() {
    ends_as(Front::Clings, LATE, connected);
}

#[test]
fn a_guest_that_writes_nonsense_for_the_state_of_its_console_keeps_nobody_waiting() {
    // To QEMU it is no state, so the guest has closed.
    closes(Case::with(Front::WritesNonsense));
}

#[test]
fn a_guest_whose_state_of_its_console_means_nothing_gives_it_back() {
    ends_as(Front::WritesUnknown, OK, |case, ends| {
        case.seen(ends).frontend == Some(XenbusState::Other(99))
    });
}

#[test]
fn a_guest_that_says_another_domain_serves_its_console_leads_nobody_there() {
    ends_as(Front::LiesAboutBackend, LATE, |case, ends| {
        let said = case.host.store().read(&ends.frontend().join("backend")).unwrap();
        said == b"/local/domain/0/backend/vbd/0/1"
    });
}

#[test]
fn a_guest_that_has_filled_its_quota_with_its_console_gives_it_back() {
    ends_as(Front::FillsQuota, OK, is_full);
}

#[test]
fn a_guest_that_has_no_room_for_a_console_gives_it_back() {
    let case = Case::with(Front::FillsQuota);
    case.attached(&file(), is_full);
    let device = case.attached(&console(), |case, ends| case.seen(ends).frontend.is_some());
    assert_eq!(case.detach(&device, false), OK);
    case.destroy();
}

#[test]
fn a_guest_that_writes_all_that_the_store_takes_gives_its_console_back() {
    ends_as(Front::WritesLarge, OK, |case, ends| {
        case.host.store().read(&ends.frontend().join("feature-x")).is_ok()
    });
}

#[test]
fn a_guest_that_removes_its_end_of_a_console_has_let_go() {
    closes(Case::with(Front::Removes));
}

/// An attachment fails so, leaves nothing, and the domain goes as it came.
fn refuses(back: Back, said: &str) {
    let case = case(back);
    let told = case.attach(&console(), CONNECTED);
    assert!(told.starts_with(said), "{told}");
    case.before.assert_unchanged(&case.site.machine);
    case.destroy();
}

/// The console comes; it is detached, detached by force, and destroyed with the domain.
fn serves(back: Back, state: XenbusState) {
    let case = case(back);
    comes_and_goes(&case, &console(), OK, |case, ends| backend_is(case, ends, state));
    case.attached(&console(), |case, ends| backend_is(case, ends, state));
    case.destroy();
}

#[test]
fn a_console_for_which_no_qemu_runs_is_taken_away_again() {
    refuses(
        Back::Absent,
        "TimedOut: waited for the backend's driver to take it, last seen: \
         backend Initialising, frontend Initialised",
    );
}

#[test]
fn a_qemu_that_closes_at_once_is_told_with_both_states() {
    refuses(Back::Fails, "Other: it failed: the ");
}

#[test]
fn the_words_of_whoever_complains_of_a_console_are_told() {
    refuses(Back::Complains, "Other: it failed: no such thing; backend ");
}

#[test]
fn a_qemu_whose_state_is_no_number_is_waited_for_until_the_deadline() {
    refuses(
        Back::WritesNonsense,
        "TimedOut: waited for the backend's driver to take it, last seen: backend Unknown, \
         frontend Initialised",
    );
}

#[test]
fn words_of_a_consoles_backend_as_long_as_the_store_takes_are_cut() {
    refuses(Back::WritesLarge, &format!("Other: it failed: {}; backend ", "x".repeat(256)));
}

#[test]
fn a_qemu_that_skips_states_serves() {
    serves(Back::SkipsStates, XenbusState::Connected);
}

#[test]
fn a_qemu_that_closes_by_itself_lets_go() {
    closes(case(Back::ClosesByItself));
}

#[test]
fn a_qemu_that_names_another_frontend_is_followed_by_nobody() {
    serves(Back::LiesAboutFrontend, XenbusState::Connected);
}

/// A console that its QEMU keeps, whatever is asked, is named when it goes by force, and goes.
fn goes_by_force(back: Back, state: XenbusState, late: &str) {
    let case = case(back);
    let device = case.attached(&console(), |case, ends| backend_is(case, ends, state));
    let waits = case.detach(&device, false);
    assert!(waits.starts_with(late), "{waits}");
    let limits = case.host.limits(SHORT);
    let error = case.host.detach(&device, DetachOptions { force: true }, &limits).unwrap_err();
    assert_eq!(error.cause().to_string(), "not everything could be removed");
    assert_eq!(error.leftovers().len(), 1, "{:?}", error.leftovers());
    assert_eq!(error.leftovers()[0].what, Remnant::Device(device));
    case.before.assert_unchanged(&case.site.machine);
}

#[test]
fn a_qemu_that_died_is_named_and_the_nodes_of_its_console_go() {
    let late = "TimedOut: waited for the other end to let go, last seen: backend Closing, \
                frontend Closed";
    goes_by_force(Back::DiesInHandshake, XenbusState::InitWait, late);
}

#[test]
fn a_qemu_that_never_closes_is_named_and_the_nodes_of_its_console_go() {
    let late = "TimedOut: waited for the other end to let go, last seen: backend Closing";
    goes_by_force(Back::NeverCloses, XenbusState::Connected, late);
}

#[test]
fn a_guest_goes_with_a_console_whose_qemu_died() {
    let case = case(Back::DiesInHandshake);
    case.attached(&console(), |case, ends| case.seen(ends).frontend.is_some());
    case.destroy();
}

#[test]
fn a_qemu_that_stays_online_is_told_apart_from_one_that_goes() {
    let case = case(Back::StaysOnline);
    let device = case.attached(&console(), connected);
    let limits = case.host.limits(SHORT);
    let error = case.host.detach(&device, DetachOptions::default(), &limits).unwrap_err();
    assert_eq!(error.kind(), Kind::Gone, "{error:?}");
    assert!(case.seen(&console().ends(case.dom)).online);
}

#[test]
fn a_console_that_the_console_daemon_would_serve_is_refused() {
    let case = Case::with(Front::Sound);
    let daemons = console().by_xenconsoled();
    let said = case.attach(&daemons, TAKEN);
    let why = "devices of kind console can be neither attached nor detached";
    assert_eq!(said, format!("Unavailable: {why}"));
    case.before.assert_unchanged(&case.site.machine);
}
