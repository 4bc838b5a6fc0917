//! Devices that a Linux in another domain serves: what comes of each way in which the guest or that
//! domain's drivers misbehave, and of that domain's end in the middle.

use std::time::Duration;

use devices::{Ends, Spec, XenbusState};
use xen_sim::{Back, Front, Script, Which};
use xen_types::{DomId, ShutdownReason};
use xenops::device::{Vbd, Vif};
use xenops::{AttachOptions, DetachOptions, GuestKind, Host, Hotplug, Kind, Remnant};
use xs::{Path, View as _};

use super::guests::{OK, comes_and_goes, connected};
use super::{CONNECTED, Case, SHORT, SLOW, TAKEN};
use crate::devices::{DISK, disk, port, site};
use crate::site::{Site, is_up, long};

/// A guest, and the domain that serves it.
struct Scene {
    case: Case,
    driver: DomId,
}

/// A domain that serves others, with a disk and a bridge of its own.
pub(crate) fn driver(site: &Site, host: &Host) -> DomId {
    let mut config = site.config(GuestKind::Pvh, "serves deaf");
    config.name = "driver".into();
    let driver = host.create(&config, Default::default(), &long(host)).unwrap();
    is_up(host, driver);
    let linux = site.machine.linux_of(driver).unwrap();
    linux.add_disk("sdb", 8, 16);
    linux.add_bridge("xenbr0", 1500);
    driver
}

impl Scene {
    fn new(front: Front, back: Back) -> Self {
        let site = site();
        let host = site.driving(&site.machine.process());
        let driver = driver(&site, &host);
        site.machine.linux_of(driver).unwrap().set_backends(back);
        Self { case: Case::on(site, host, front), driver }
    }

    fn disk(&self) -> Vbd {
        Vbd::phy("xvdb".parse().unwrap(), DISK).unwrap().served_by(self.driver)
    }

    fn port(&self) -> Vif {
        port().served_by(self.driver)
    }

    fn backends(&self) -> Vec<String> {
        self.case.site.machine.linux_of(self.driver).unwrap().backends()
    }

    /// Each device comes and goes, and goes with the guest.
    fn ends_as(self, detached: &str, and: impl Fn(&Case, &Ends) -> bool + Copy) {
        comes_and_goes(&self.case, &self.disk(), detached, and);
        comes_and_goes(&self.case, &self.port(), detached, and);
        self.case.attached(&self.disk(), and);
        self.case.attached(&self.port(), and);
        self.case.destroy();
    }

    fn closes(self) {
        self.case.closes(&self.disk());
        self.case.closes(&self.port());
        self.case.destroy();
    }

    /// Neither device comes, and nothing is left.
    fn refuses(self, said: impl Fn(&str) -> bool) {
        let disk = self.case.attach(&self.disk(), CONNECTED);
        let port = self.case.attach(&self.port(), CONNECTED);
        assert!(said(&disk), "{disk}");
        assert!(said(&port), "{port}");
        self.case.before.assert_unchanged(&self.case.site.machine);
        self.case.destroy();
    }

    /// A toolstack before whose call the domain that serves is destroyed.
    fn host_that_loses_it(&self, call: Which) -> Host {
        let process = self.case.site.machine.process();
        let host = self.case.site.driving(&process);
        let (other, driver) =
            (self.case.site.driving(&self.case.site.machine.process()), self.driver);
        process.before(call, move || other.destroy(driver, &long(&other)).unwrap());
        host
    }

    /// Nothing is left of a device, nor of the domain that served it.
    fn is_gone(&self, spec: &impl Spec) {
        let (ends, store) = (spec.ends(self.case.dom), self.case.host.store());
        let there = store.read_each(&[ends.record(), ends.frontend(), Path::domain(self.driver)]);
        assert_eq!(there.unwrap(), [None, None, None]);
    }
}

/// The domain that serves goes, and its guest stays.
fn outlives(case: &Case, driver: DomId) {
    case.host.destroy(driver, &long(&case.host)).unwrap();
}

const LATE: &str = "TimedOut: waited for the other end to let go, last seen: backend Closing, \
                    frontend Connected, hotplug-status \"connected\"";

fn backend_is(case: &Case, ends: &Ends, state: XenbusState) -> bool {
    case.seen(ends).backend == Some(state)
}

#[test]
fn devices_of_another_domain_come_and_go() {
    let scene = Scene::new(Front::Sound, Back::Sound);
    let disk =
        scene.case.host.attach(scene.case.dom, &scene.disk(), CONNECTED, &long(&scene.case.host));
    assert_eq!(scene.backends(), [format!("vbd-{}-51728", scene.case.dom)]);
    assert!(scene.case.site.machine.linux().backends().is_empty());
    assert_eq!(scene.case.detach(&disk.unwrap(), false), OK);
    scene.case.before.assert_unchanged(&scene.case.site.machine);
    scene.ends_as(OK, connected);
}

#[test]
fn what_another_domain_does_not_have_is_told_in_its_words() {
    let scene = Scene::new(Front::Sound, Back::Sound);
    let disk = Vbd::phy("xvdb".parse().unwrap(), "/dev/sdz").unwrap().served_by(scene.driver);
    let port = Vif::new(0, "00:16:3e:01:02:03".parse().unwrap()).bridge("xenbr9").unwrap();
    let of_disk = scene.case.attach(&disk, TAKEN);
    let of_port = scene.case.attach(&port.served_by(scene.driver), TAKEN);
    assert!(of_disk.starts_with("Other: it failed: /dev/sdz does not exist; "), "{of_disk}");
    assert!(of_port.starts_with("Other: it failed: Could not find bridge xenbr9; "), "{of_port}");
    scene.case.before.assert_unchanged(&scene.case.site.machine);
}

#[test]
fn a_guest_without_a_driver_gives_another_domains_devices_back() {
    Scene::new(Front::Absent, Back::Sound)
        .ends_as(OK, |case, ends| backend_is(case, ends, XenbusState::InitWait));
}

#[test]
fn a_guest_that_crashes_in_the_handshake_is_not_asked_for_another_domains_device() {
    let scene = Scene::new(Front::DiesInHandshake, Back::Sound);
    let crashed = |case: &Case, _: &Ends| {
        case.host.xc().info(case.dom).unwrap().shutdown == Some(ShutdownReason::Crash)
    };
    let device = scene.case.attached(&scene.disk(), crashed);
    assert_eq!(scene.case.detach(&device, false), OK);
    scene.case.attached(&scene.disk(), crashed);
    scene.case.destroy();
}

#[test]
fn a_guest_that_skips_states_is_given_up_by_another_domain_with_its_words() {
    Scene::new(Front::SkipsStates, Back::Sound).refuses(|said| {
        said.starts_with("Other: it failed: 2 reading ring-ref and event-channel; ")
    });
}

#[test]
fn a_guest_that_closes_another_domains_devices_by_itself_has_let_go() {
    Scene::new(Front::ClosesByItself, Back::Sound).closes();
}

#[test]
fn a_guest_that_does_not_let_go_loses_another_domains_devices_only_by_force() {
    Scene::new(Front::Clings, Back::Sound).ends_as(LATE, connected);
}

#[test]
fn a_guest_that_removes_its_end_of_another_domains_devices_has_let_go() {
    Scene::new(Front::Removes, Back::Sound).closes();
}

#[test]
fn a_guest_whose_state_means_nothing_gives_another_domains_devices_back() {
    // The driver gives up before its script has answered, or after.
    Scene::new(Front::WritesUnknown, Back::Sound).closes();
}

#[test]
fn a_guest_that_says_a_third_domain_serves_it_leads_nobody_there() {
    Scene::new(Front::LiesAboutBackend, Back::Sound).ends_as(LATE, |case, ends| {
        let said = case.host.store().read(&ends.frontend().join("backend")).unwrap();
        said == b"/local/domain/0/backend/vbd/0/1"
    });
}

#[test]
fn a_guest_that_writes_all_that_the_store_takes_gives_another_domains_devices_back() {
    Scene::new(Front::WritesLarge, Back::Sound).ends_as(OK, |case, ends| {
        case.host.store().read(&ends.frontend().join("feature-x")).is_ok()
    });
}

#[test]
fn a_guest_that_writes_nonsense_for_its_state_is_let_go_by_another_domain() {
    // The driver lets go without a word, and nobody here can look into its kernel; its script tells.
    Scene::new(Front::WritesNonsense, Back::Sound).closes();
}

#[test]
fn another_domain_whose_drivers_look_at_nothing_is_waited_for_until_the_deadline() {
    let late = "TimedOut: waited for the backend's driver to take it, last seen: \
                backend Initialising, frontend Initialising";
    Scene::new(Front::Sound, Back::Absent).refuses(|said| said == late);
}

#[test]
fn the_words_of_another_domains_driver_that_fails_are_told() {
    Scene::new(Front::Sound, Back::Fails)
        .refuses(|said| said.starts_with("Other: it failed: 12 xenbus_dev_probe on it; backend "));
}

#[test]
fn the_words_of_another_domains_script_that_fails_are_told() {
    Scene::new(Front::Sound, Back::Complains)
        .refuses(|said| said.starts_with("Other: it failed: no such thing; backend "));
}

#[test]
fn words_of_another_domain_as_long_as_the_store_takes_are_cut() {
    let long = format!("Other: it failed: {}; backend ", "x".repeat(256));
    Scene::new(Front::Sound, Back::WritesLarge).refuses(|said| said.starts_with(&long));
}

#[test]
fn another_domain_whose_state_is_no_number_is_waited_for_until_the_deadline() {
    let late = "TimedOut: waited for the backend's driver to take it, last seen: backend Unknown";
    Scene::new(Front::Sound, Back::WritesNonsense).refuses(|said| said.starts_with(late));
}

#[test]
fn another_domain_that_skips_states_serves() {
    Scene::new(Front::Sound, Back::SkipsStates)
        .ends_as(OK, |case, ends| backend_is(case, ends, XenbusState::Connected));
}

#[test]
fn another_domain_that_closes_by_itself_lets_go() {
    Scene::new(Front::Sound, Back::ClosesByItself).closes();
}

#[test]
fn another_domain_that_names_a_third_ones_frontend_is_followed_by_nobody() {
    Scene::new(Front::Sound, Back::LiesAboutFrontend)
        .ends_as(OK, |case, ends| backend_is(case, ends, XenbusState::Connected));
}

/// A device that the other domain keeps stays, also by force, until that domain goes.
fn stays_until_the_domain_goes(back: Back) {
    let scene = Scene::new(Front::Sound, back);
    let device =
        scene.case.attached(&scene.disk(), |case, ends| case.seen(ends).frontend.is_some());
    let asked = scene.case.detach(&device, false);
    let forced = scene.case.detach(&device, true);
    assert!(asked.starts_with("TimedOut: waited for the other end to let go"), "{asked}");
    assert!(forced.starts_with("TimedOut: waited for the other end to let go"), "{forced}");
    outlives(&scene.case, scene.driver);
    assert_eq!(scene.case.detach(&device, false), OK);
    scene.is_gone(&scene.disk());
}

#[test]
fn a_device_of_a_driver_that_went_away_stays_until_its_domain_goes() {
    stays_until_the_domain_goes(Back::DiesInHandshake);
}

#[test]
fn a_device_that_is_never_closed_stays_until_its_domain_goes() {
    stays_until_the_domain_goes(Back::NeverCloses);
}

#[test]
fn a_device_that_is_never_closed_keeps_no_other_from_going_with_the_guest() {
    let scene = Scene::new(Front::Sound, Back::NeverCloses);
    let case = &scene.case;
    let kept = case.attached(&scene.disk(), connected);
    let others = [case.attached(&disk(), connected), case.attached(&port(), connected)];

    let error = case.host.destroy(case.dom, &long(&case.host)).unwrap_err();

    let [left] = error.leftovers() else { panic!("{error:?}") };
    assert_eq!(left.what, Remnant::Device(kept.clone()));
    let records = [kept, others[0].clone(), others[1].clone()].map(|device| device.record());
    let there = case.host.store().read_each(&records).unwrap();
    let there: Vec<_> = there.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, false]);
}

#[test]
fn a_device_whose_domain_goes_while_another_is_waited_for_goes_with_the_guest() {
    let scene = Scene::new(Front::Sound, Back::NeverCloses);
    let Scene { case, driver } = &scene;
    case.site.machine.linux().add_program("/etc/xen/scripts/block", Script::GoesAfter(SLOW));
    let scripts = AttachOptions { hotplug: Hotplug::Scripts, connected: true };
    case.attached(&scene.port(), connected);
    let slow = case.host.attach(case.dom, &disk(), scripts, &long(&case.host)).unwrap();
    let process = case.site.machine.process();
    let host = case.site.driving(&process);
    let (other, driver) = (case.site.driving(&case.site.machine.process()), *driver);
    // The interface has had its turn, and the disk has its own.
    process.before(Which::NthOf("WATCH", 2), move || {
        other.destroy(driver, &long(&other)).unwrap();
    });

    let error = host.destroy(case.dom, &long(&host)).unwrap_err();

    let [left] = error.leftovers() else { panic!("{error:?}") };
    assert_eq!(left.what, Remnant::Device(slow));
    scene.is_gone(&scene.port());
}

#[test]
fn another_domain_that_stays_online_is_told_apart_from_one_that_goes() {
    let scene = Scene::new(Front::Sound, Back::StaysOnline);
    let device = scene.case.attached(&scene.disk(), connected);
    let limits = scene.case.host.limits(SHORT);
    let error = scene.case.host.detach(&device, DetachOptions::default(), &limits).unwrap_err();
    assert_eq!(error.kind(), Kind::Gone, "{error:?}");
}

#[test]
fn an_attachment_whose_server_is_destroyed_ends_at_once_and_leaves_nothing() {
    let scene = Scene::new(Front::Absent, Back::Sound);
    // It waits for the guest, which has no driver.
    let host = scene.host_that_loses_it(Which::NthOf("WATCH", 3));
    let before = host.store().clock().now();
    let error = host.attach(scene.case.dom, &scene.disk(), CONNECTED, &long(&host)).unwrap_err();
    assert!(error.leftovers().is_empty(), "{error:?}");
    assert!(host.store().clock().now() - before < Duration::from_secs(30));
    scene.is_gone(&scene.disk());
}

#[test]
fn a_detachment_whose_server_is_destroyed_is_done() {
    let scene = Scene::new(Front::Clings, Back::Sound);
    let device = scene.case.attached(&scene.disk(), connected);
    let host = scene.host_that_loses_it(Which::NthOf("WATCH", 1));
    host.detach(&device, DetachOptions::default(), &host.limits(SHORT)).unwrap();
    scene.is_gone(&scene.disk());
}

#[test]
fn the_end_of_a_guest_whose_server_is_destroyed_meanwhile_leaves_nothing() {
    let scene = Scene::new(Front::Sound, Back::Sound);
    scene.case.attached(&scene.disk(), connected);
    scene.case.attached(&scene.port(), connected);
    let host = scene.host_that_loses_it(Which::NthOf("WATCH", 1));
    host.destroy(scene.case.dom, &long(&host)).unwrap();
    scene.is_gone(&scene.disk());
    let store = scene.case.host.store();
    assert_eq!(store.read_opt(&Path::domain(scene.case.dom)).unwrap(), None);
}

#[test]
fn a_guest_outlives_the_domain_that_serves_it() {
    let scene = Scene::new(Front::Sound, Back::Sound);
    let device = scene.case.attached(&scene.disk(), connected);
    outlives(&scene.case, scene.driver);
    let listed = scene.case.host.devices(scene.case.dom).unwrap();
    assert!(listed.iter().any(|at| at.device == device), "{listed:?}");
    assert_eq!(scene.case.detach(&device, false), OK);
    let again =
        scene.case.host.attach(scene.case.dom, &scene.disk(), TAKEN, &long(&scene.case.host));
    assert_eq!(again.unwrap_err().kind(), Kind::NotFound);
}
