//! Backends that misbehave. They are the control domain's own; what they write is not a guest's, and
//! still an operation ends in its time and says what it saw.

use std::sync::{Arc, Mutex};

use devices::{Ends, Spec as _, XenbusState};
use xen_sim::{Back, Front, Script, Which};
use xen_types::Kind;
use xenops::{AttachOptions, DetachOptions, Hotplug};

use super::guests::connected;
use super::{CONNECTED, Case, SHORT};
use crate::devices::{file, port};
use crate::site::long;

pub(super) fn case(back: Back) -> Case {
    let case = Case::with(Front::Sound);
    case.site.machine.linux().set_backends(back);
    case
}

/// An attachment fails so, leaves nothing, and the domain goes as it came.
fn refuses(back: Back, disk: impl Fn(&str) -> bool, interface: impl Fn(&str) -> bool) {
    let case = case(back);
    let (of_disk, of_port) = (case.attach(&file(), CONNECTED), case.attach(&port(), CONNECTED));
    assert!(disk(&of_disk), "{of_disk}");
    assert!(interface(&of_port), "{of_port}");
    case.before.assert_unchanged(&case.site.machine);
    case.destroy();
}

/// Both devices come; they are detached, detached by force, and destroyed with the domain.
fn serves(back: Back, and: impl Fn(&Case, &Ends) -> bool + Copy) {
    let case = case(back);
    let (disk, interface) = (case.attached(&file(), and), case.attached(&port(), and));
    assert_eq!(case.detach(&disk, false), "ok");
    assert_eq!(case.detach(&interface, false), "ok");
    case.before.assert_unchanged(&case.site.machine);
    let (disk, interface) = (case.attached(&file(), and), case.attached(&port(), and));
    assert_eq!(case.detach(&disk, true), "ok");
    assert_eq!(case.detach(&interface, true), "ok");
    case.before.assert_unchanged(&case.site.machine);
    case.attached(&file(), and);
    case.attached(&port(), and);
    case.destroy();
}

#[test]
fn a_device_that_no_driver_looks_at_is_taken_away_again() {
    let late = "TimedOut: waited for the backend's driver to take it, last seen: \
                backend Initialising, frontend Initialising";
    refuses(
        Back::Absent,
        |said| said == format!("{late}, hotplug-status \"connected\""),
        |said| said == late,
    );
}

#[test]
fn an_interface_that_comes_late_is_waited_for() {
    serves(Back::IsLate, connected);
}

#[test]
fn no_script_runs_before_the_interface_is_there() {
    let case = case(Back::IsLate);
    case.site.machine.linux().add_program("/etc/xen/scripts/vif-bridge", Script::Connects);
    let process = case.site.machine.process();
    let (host, machine) = (case.site.driving(&process), case.site.machine.clone());
    let there = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&there);
    process.before(Which::NthOf("execve", 1), move || {
        *seen.lock().unwrap() = Some(machine.linux().links());
    });
    let scripts = AttachOptions { hotplug: Hotplug::Scripts, connected: true };
    host.attach(case.dom, &port(), scripts, &long(&host)).unwrap();
    let there = there.lock().unwrap().take().expect("a script ran");
    assert!(there.iter().any(|link| link.starts_with("vif1.0")), "{there:?}");
}

#[test]
fn a_driver_that_goes_away_in_the_handshake_is_not_waited_for_when_its_device_goes() {
    refuses(
        Back::DiesInHandshake,
        |said| {
            said.starts_with(
                "TimedOut: waited for the backend to open the disk, last seen: backend InitWait, \
                 frontend Initialised",
            )
        },
        |said| {
            // It has gone before the first look at it, or after.
            let at = "failed: /sys/class/net/vif1.0";
            (said.contains(&format!("{at} is not there")) || said.contains(&format!("{at}/")))
                && said.contains("is not there; backend InitWait, frontend ")
        },
    );
}

#[test]
fn the_words_of_a_driver_that_fails_are_told_with_both_states() {
    let told = |said: &str| {
        said.starts_with("Other: it failed: 12 xenbus_dev_probe on it; backend ")
            && said.contains("frontend Initialising")
            && said.ends_with("the backend's error \"12 xenbus_dev_probe on it\"")
    };
    refuses(Back::Fails, told, told);
}

#[test]
fn the_words_of_a_script_that_fails_are_told_with_both_states() {
    let told = |said: &str| {
        said.starts_with("Other: it failed: no such thing; backend ")
            && said.contains("frontend ")
            && said.ends_with("hotplug-status \"error\", hotplug-error \"no such thing\"")
    };
    refuses(Back::Complains, told, told);
}

#[test]
fn a_backend_whose_state_is_no_number_is_waited_for_until_the_deadline() {
    let late = |said: &str| {
        said.starts_with(
            "TimedOut: waited for the backend's driver to take it, last seen: backend Unknown, \
             frontend Initialising",
        )
    };
    refuses(Back::WritesNonsense, late, late);
}

#[test]
fn words_as_long_as_the_store_takes_are_cut() {
    let cut = |said: &str| {
        said.starts_with(&format!("Other: it failed: {}; backend ", "x".repeat(256)))
            && said.len() < 1000
    };
    refuses(Back::WritesLarge, cut, cut);
}

#[test]
fn a_backend_that_skips_states_serves() {
    serves(Back::SkipsStates, |case, ends| case.seen(ends).backend == Some(XenbusState::Connected));
}

#[test]
fn a_backend_that_closes_by_itself_lets_go() {
    serves(Back::ClosesByItself, |case, ends| case.seen(ends).backend == Some(XenbusState::Closed));
}

#[test]
fn a_backend_that_names_another_frontend_is_followed_by_nobody() {
    serves(Back::LiesAboutFrontend, |case, ends| {
        case.seen(ends).backend == Some(XenbusState::Connected)
    });
}

#[test]
fn a_backend_that_never_closes_is_waited_for_until_the_deadline() {
    let case = case(Back::NeverCloses);
    let disk = case
        .attached(&file(), |case, ends| case.seen(ends).backend == Some(XenbusState::Connected));
    assert_eq!(
        case.detach(&disk, false),
        "TimedOut: waited for the other end to let go, last seen: backend Closing, \
         frontend Closed, hotplug-status \"connected\""
    );
    // Where it is at home nobody else can let go for it.
    assert_eq!(case.site.machine.linux().backends(), [format!("vbd-{}-51728", case.dom)]);
}

#[test]
fn a_backend_that_stays_online_is_told_apart_from_one_that_goes() {
    let case = case(Back::StaysOnline);
    let disk = case
        .attached(&file(), |case, ends| case.seen(ends).backend == Some(XenbusState::Connected));
    let error =
        case.host.detach(&disk, DetachOptions::default(), &case.host.limits(SHORT)).unwrap_err();
    assert_eq!(error.kind(), Kind::Gone, "{error:?}");
    assert!(case.seen(&file().ends(case.dom)).online);
    let listed = case.host.devices(case.dom).unwrap();
    assert!(listed.iter().any(|at| at.device == disk), "{listed:?}");
}
