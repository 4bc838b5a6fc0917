//! Disks that are paused and interfaces that are changed while a guest or a backend misbehaves. Linux's
//! blkback does not pause: who plays one that does is said.

use devices::Spec as _;
use xen_sim::{Front, Process, Which};
use xenops::device::{Carrier, DeviceId, Rate};
use xs::{Path, Store as _, View as _};

use super::guests::{OK, is_full};
use super::{CONNECTED, Case};
use crate::devices::{file, port};
use crate::site::{long, until};

/// What the control domain does in the store just before the first watch of a process.
fn meanwhile(case: &Case, process: &Process, path: Path, value: Option<&'static str>) {
    let store = case.host.store().clone();
    process.before(Which::NthOf("WATCH", 1), move || match value {
        Some(value) => store.write(&path, value).unwrap(),
        None => store.rm(&path).unwrap(),
    });
}

fn disk(case: &Case) -> DeviceId {
    case.host.attach(case.dom, &file(), CONNECTED, &long(&case.host)).unwrap()
}

const NO_ANSWER: &str = "Unavailable: its backend did not answer, as one that cannot pause a disk";

#[test]
fn a_request_to_pause_that_no_backend_answers_is_withdrawn() {
    let case = Case::with(Front::Sound);
    let disk = disk(&case);
    let running = case.site.machine.snapshot().unwrap();
    assert_eq!(case.in_time(|limits| case.host.pause_disk(&disk, limits)), NO_ANSWER);
    running.assert_unchanged(&case.site.machine);
    assert_eq!(case.in_time(|limits| case.host.unpause_disk(&disk, limits)), OK);
    running.assert_unchanged(&case.site.machine);
    case.destroy();
}

#[test]
fn a_disk_whose_backend_answers_is_paused_until_it_answers_again() {
    let case = Case::with(Front::Sound);
    let disk = disk(&case);
    let running = case.site.machine.snapshot().unwrap();
    let back = file().ends(case.dom).backend();
    let (ask, done) = (back.join("pause"), back.join("pause-done"));
    let pauses = case.site.machine.process();
    meanwhile(&case, &pauses, done.clone(), Some(""));
    let host = case.site.driving(&pauses);
    assert_eq!(case.in_time(|limits| host.pause_disk(&disk, limits)), OK);
    assert!(case.host.store().read_opt(&ask).unwrap().is_some());
    assert_eq!(case.in_time(|limits| host.pause_disk(&disk, limits)), OK, "it is paused");
    drop(host);

    let late = "TimedOut: waited for the backend to run the disk, last seen: pause-done";
    assert_eq!(case.in_time(|limits| case.host.unpause_disk(&disk, limits)), late);
    let runs = case.site.machine.process();
    meanwhile(&case, &runs, done, None);
    let host = case.site.driving(&runs);
    assert_eq!(case.in_time(|limits| host.unpause_disk(&disk, limits)), OK);
    drop(host);
    running.assert_unchanged(&case.site.machine);
    case.destroy();
}

#[test]
fn a_disk_that_goes_while_it_is_to_pause_does_not_come_back() {
    let case = Case::with(Front::Sound);
    let disk = disk(&case);
    let back = file().ends(case.dom).backend();
    let pauses = case.site.machine.process();
    meanwhile(&case, &pauses, back.clone(), None);
    let host = case.site.driving(&pauses);
    assert_eq!(case.in_time(|limits| host.pause_disk(&disk, limits)), NO_ANSWER);
    drop(host);
    assert!(case.host.store().read_opt(&back).unwrap().is_none());
    let gone = case.in_time(|limits| case.host.pause_disk(&disk, limits));
    assert!(gone.starts_with("NotFound: read "), "{gone}");
    assert_eq!(case.detach(&disk, true), OK);
    case.before.assert_unchanged(&case.site.machine);
    case.destroy();
}

impl Case {
    /// Sets all that there is to set of an interface, and what comes of it.
    fn set(&self, port: &DeviceId, rate: Option<Rate>, mtu: u32, carrier: Carrier) -> [String; 3] {
        [
            self.in_time(|limits| self.host.set_rate(port, rate, limits)),
            self.in_time(|limits| self.host.set_mtu(port, mtu, limits)),
            self.in_time(|limits| self.host.set_carrier(port, carrier, limits)),
        ]
    }

    fn interface(&self) -> String {
        let links = self.site.machine.linux().links();
        links.into_iter().find(|link| link.starts_with("vif")).unwrap()
    }
}

fn rate() -> Option<Rate> {
    Some("10Mb/s@20ms".parse().unwrap())
}

/// A port is set, whatever its guest does, and goes.
fn is_set(front: Front, and: impl Fn(&Case, &DeviceId) -> bool) {
    let case = Case::with(front);
    let device = case.attached(&port(), |_, _| true);
    until("it misbehaves", || and(&case, &device));
    assert_eq!(case.set(&device, rate(), 1400, Carrier::Off), [OK; 3]);
    let ends = port().ends(case.dom);
    let told = |path: Path| case.host.store().read_str(&path).unwrap();
    let [back, front] = [ends.backend(), ends.frontend()];
    assert_eq!(told(back.join("rate")), "25000,20000");
    assert_eq!((told(back.join("mtu")), told(front.join("mtu"))), ("1400".into(), "1400".into()));
    assert_eq!(
        (told(back.join("carrier")), told(front.join("disconnect"))),
        ("0".into(), "1".into())
    );
    let interface = case.interface();
    assert!(interface.contains(" mtu 1400 ") && interface.contains(" down"), "{interface}");

    assert_eq!(case.set(&device, None, 1500, Carrier::On), [OK; 3]);
    assert!(case.host.store().read_opt(&back.join("rate")).unwrap().is_none());
    let interface = case.interface();
    assert!(interface.contains(" mtu 1500 ") && interface.contains(" up"), "{interface}");
    assert_eq!(case.detach(&device, true), OK);
    case.before.assert_unchanged(&case.site.machine);
    case.attached(&port(), |_, _| true);
    case.destroy();
}

#[test]
fn an_interface_of_a_sound_guest_is_set() {
    is_set(Front::Sound, |case, _| super::guests::connected(case, &port().ends(case.dom)));
}

#[test]
fn an_interface_of_a_guest_without_a_driver_is_set() {
    is_set(Front::Absent, |_, _| true);
}

#[test]
fn an_interface_that_its_guest_has_closed_is_set() {
    is_set(Front::ClosesByItself, |case, _| {
        let seen = case.seen(&port().ends(case.dom));
        seen.frontend == Some(devices::XenbusState::Closed)
    });
}

#[test]
fn an_interface_of_a_guest_that_has_filled_its_quota_is_set() {
    is_set(Front::FillsQuota, |case, _| is_full(case, &port().ends(case.dom)));
}

#[test]
fn the_end_that_a_guest_has_removed_is_not_made_again() {
    let case = Case::with(Front::Removes);
    let device = case.attached(&port(), |case, ends| {
        case.seen(ends).frontend.is_none() && case.site.machine.linux().backends().is_empty()
    });
    let [rate, mtu, carrier] = case.set(&device, rate(), 1400, Carrier::Off);
    assert_eq!(rate, OK);
    assert!(mtu.starts_with("NotFound: "), "{mtu}");
    assert!(carrier.starts_with("NotFound: "), "{carrier}");
    let front = port().ends(case.dom).frontend();
    assert!(case.host.store().read_opt(&front).unwrap().is_none());
    assert_eq!(case.detach(&device, false), OK);
    case.before.assert_unchanged(&case.site.machine);
    case.destroy();
}
