//! Numbers of domains that are used again: a successor has nothing of the domain that had its number
//! before, and what was begun on that one is not done to the successor.

use std::sync::Arc;
use std::time::Duration;

use devices::{Spec, XenbusState};
use xen_sim::{Back, Front, Snapshot, Which};
use xen_types::{DomId, DomainUuid};
use xenops::device::{Sighting, Vbd, Vif};
use xenops::{
    AttachOptions, CreateOptions, DetachOptions, DomainConfig, GuestKind, Host, Hotplug, Kind,
};
use xs::{Path, Store as _, View as _};

use crate::devices::{DISK, console, file, port, site};
use crate::misbehaviour::elsewhere::driver;
use crate::site::{Site, is_up, long, until};

const TAKEN: AttachOptions = AttachOptions { hotplug: Hotplug::Native, connected: false };
const CONNECTED: AttachOptions = AttachOptions { hotplug: Hotplug::Native, connected: true };
const SHORT: Duration = Duration::from_secs(1);

/// A machine with drivers, and a guest whose number the next one gets.
struct Scene {
    site: Arc<Site>,
    host: Host,
    dom: DomId,
}

impl Scene {
    fn new(front: Front) -> Self {
        let site = Arc::new(site());
        let host = site.driving(&site.machine.process());
        let dom = create(&site, &host, front);
        is_up(&host, dom);
        Self { site, host, dom }
    }

    /// A toolstack before whose call the guest is destroyed by nobody's operation, and another one of its
    /// number made by `then`.
    fn replaced(&self, call: Which, then: impl FnOnce(&Successor) + Send + 'static) -> Host {
        let process = self.site.machine.process();
        let host = self.site.driving(&process);
        let successor = Successor::new(&self.site, self.dom);
        process.before(call, move || then(&successor));
        host
    }
}

/// What comes after a guest.
struct Successor {
    site: Arc<Site>,
    host: Host,
    dom: DomId,
}

impl Successor {
    fn new(site: &Arc<Site>, dom: DomId) -> Self {
        let host = site.driving(&site.machine.process());
        Self { site: Arc::clone(site), host, dom }
    }

    /// Destroys the guest, and makes one with the number.
    fn comes(&self, front: Front) {
        self.host.xc().destroy_domain(self.dom).unwrap();
        until("it has gone", || self.host.xc().info(self.dom).is_err());
        self.site.machine.set_next_domid(self.dom);
        assert_eq!(create(&self.site, &self.host, front), self.dom);
        is_up(&self.host, self.dom);
    }

    fn attaches(&self, spec: &impl Spec) {
        self.host.attach(self.dom, spec, TAKEN, &long(&self.host)).unwrap();
    }
}

fn config(site: &Site, front: Front) -> DomainConfig {
    let mut config = site.config(GuestKind::Pvh, front.word());
    config.name = front.word().into();
    config
}

fn create(site: &Site, host: &Host, front: Front) -> DomId {
    host.create(&config(site, front), CreateOptions::default(), &long(host)).unwrap()
}

fn backend(host: &Host, dom: DomId, spec: &impl Spec) -> Option<XenbusState> {
    Sighting::read(host.store(), &spec.ends(dom)).unwrap().backend
}

/// A guest with the UUID that is asked for, and what the machine is like with it.
fn known(site: &Site, host: &Host) -> (DomId, Snapshot, String) {
    let mut config = config(site, Front::Sound);
    config.uuid = Some(DomainUuid::from_bytes([7; 16]));
    let dom = host.create(&config, CreateOptions::default(), &long(host)).unwrap();
    is_up(host, dom);
    let clock = Path::from_static("/vm/07070707-0707-0707-0707-070707070707");
    host.store().rm(&clock.join("start_time")).unwrap();
    let counted = host.store().control(&["memreport"]).unwrap();
    (dom, site.machine.snapshot().unwrap(), counted)
}

/// A disk with the number of [`file`], of something else.
fn other() -> Vbd {
    Vbd::phy("xvdb".parse().unwrap(), DISK).unwrap()
}

#[test]
fn a_guest_is_the_same_with_a_number_that_another_had() {
    let site = site();
    let host = site.driving(&site.machine.process());
    let (dom, fresh, counted) = known(&site, &host);
    host.destroy(dom, &long(&host)).unwrap();

    site.machine.set_next_domid(dom);
    let old = create(&site, &host, Front::WritesLarge);
    is_up(&host, old);
    host.attach(old, &file(), TAKEN, &long(&host)).unwrap();
    host.attach(old, &port(), TAKEN, &long(&host)).unwrap();
    host.attach(old, &console(), TAKEN, &long(&host)).unwrap();
    host.destroy(old, &long(&host)).unwrap();

    site.machine.set_next_domid(dom);
    assert_eq!((old, known(&site, &host).0), (dom, dom));
    fresh.assert_unchanged(&site.machine);
    until("the store holds as much", || host.store().control(&["memreport"]).unwrap() == counted);
}

#[test]
fn a_guest_has_nothing_of_one_that_died_with_its_toolstack() {
    let site = site();
    let host = site.driving(&site.machine.process());
    let (dom, fresh, counted) = known(&site, &host);
    host.destroy(dom, &long(&host)).unwrap();

    site.machine.set_next_domid(dom);
    let old = create(&site, &host, Front::Sound);
    is_up(&host, old);
    host.attach(old, &file(), CONNECTED, &long(&host)).unwrap();
    host.attach(old, &port(), CONNECTED, &long(&host)).unwrap();
    host.attach(old, &console(), CONNECTED, &long(&host)).unwrap();
    host.xc().destroy_domain(old).unwrap();
    until("it has gone", || host.xc().info(old).is_err());

    site.machine.set_next_domid(dom);
    assert_eq!((old, known(&site, &host).0), (dom, dom));
    fresh.assert_unchanged(&site.machine);
    until("the store holds as much", || host.store().control(&["memreport"]).unwrap() == counted);
}

#[test]
fn an_attachment_that_waits_for_its_guest_is_not_undone_in_a_successor() {
    let scene = Scene::new(Front::Absent);
    // That on which it waits for the guest.
    let host = scene.replaced(Which::NthOf("WATCH", 2), |successor| {
        successor.comes(Front::Absent);
        successor.attaches(&other());
    });
    let error = host.attach(scene.dom, &file(), CONNECTED, &host.limits(SHORT)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    assert!(error.leftovers().is_empty(), "{:?}", error.leftovers());
    assert_eq!(backend(&scene.host, scene.dom, &other()), Some(XenbusState::InitWait));
    assert_eq!(scene.host.devices(scene.dom).unwrap().len(), 2);
}

#[test]
fn an_attachment_is_not_done_because_a_successors_device_is() {
    let scene = Scene::new(Front::Absent);
    let host = scene.replaced(Which::NthOf("WATCH", 2), |successor| {
        successor.comes(Front::Sound);
        successor.attaches(&other());
    });
    let error = host.attach(scene.dom, &file(), CONNECTED, &long(&host)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    assert_eq!(backend(&scene.host, scene.dom, &other()), Some(XenbusState::Connected));
}

#[test]
fn a_detachment_that_waits_does_not_take_a_successors_device() {
    let scene = Scene::new(Front::Clings);
    let device = scene.host.attach(scene.dom, &file(), CONNECTED, &long(&scene.host)).unwrap();
    let host = scene.replaced(Which::NthOf("WATCH", 1), |successor| {
        successor.comes(Front::Sound);
        successor.attaches(&other());
    });
    let force = DetachOptions { force: true };
    let error = host.detach(&device, force, &host.limits(SHORT)).unwrap_err();
    assert_eq!(error.kind(), Kind::Gone, "{error:?}");
    is_connected(&scene);
}

#[test]
fn a_detachment_that_is_nearly_done_does_not_remove_a_successors_device() {
    let scene = Scene::new(Front::Sound);
    let device = scene.host.attach(scene.dom, &file(), CONNECTED, &long(&scene.host)).unwrap();
    // Both ends have let go, and the nodes are left.
    let host = scene.replaced(Which::NthOf("xc_domain_getinfolist", 4), |successor| {
        successor.comes(Front::Sound);
        successor.attaches(&other());
    });
    let error = host.detach(&device, DetachOptions::default(), &long(&host)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    is_connected(&scene);
}

fn is_connected(scene: &Scene) {
    let state = || backend(&scene.host, scene.dom, &other());
    until("the successor's disk is connected", || state() == Some(XenbusState::Connected));
    let backends = scene.site.machine.linux().backends();
    assert_eq!(backends, [format!("vbd-{}-51728", scene.dom)]);
}

#[test]
fn a_shutdown_that_waits_does_not_stop_a_successor() {
    let scene = Scene::new(Front::Sound);
    // The request is written, and the answer waited for.
    let host = scene.replaced(Which::NthOf("xc_domain_getinfolist", 3), |successor| {
        successor.comes(Front::Sound);
    });
    host.shut_down(scene.dom, &long(&host)).unwrap();
    runs_on(&scene);
    let order = Path::domain(scene.dom).join("control/shutdown");
    assert_eq!(scene.host.store().read(&order).unwrap(), b"");
}

#[test]
fn an_end_that_waits_for_its_turn_does_not_end_a_successor() {
    let scene = Scene::new(Front::Sound);
    let host = scene.replaced(Which::NthOf("xc_domain_getinfolist", 2), |successor| {
        successor.comes(Front::Sound);
    });
    let error = host.destroy(scene.dom, &long(&host)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    runs_on(&scene);
}

#[test]
fn an_end_that_waits_for_a_device_neither_ends_nor_starts_a_successor() {
    let scene = Scene::new(Front::Sound);
    scene.host.attach(scene.dom, &file(), CONNECTED, &long(&scene.host)).unwrap();
    let host = scene.replaced(Which::NthOf("WATCH", 1), |successor| {
        successor.comes(Front::Sound);
        successor.attaches(&other());
        successor.host.pause(successor.dom).unwrap();
    });
    let error = host.destroy(scene.dom, &long(&host)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    assert!(scene.host.xc().info(scene.dom).unwrap().is_paused());
    scene.host.unpause(scene.dom).unwrap();
    runs_on(&scene);
    is_connected(&scene);
}

/// A guest whose disk and interface another domain serves and does not let go of.
fn held() -> (Scene, Arc<Vbd>, Arc<Vif>, DomId) {
    let scene = Scene::new(Front::Sound);
    let server = driver(&scene.site, &scene.host);
    scene.site.machine.linux_of(server).unwrap().set_backends(Back::NeverCloses);
    let (disk, port) = (other().served_by(server), port().served_by(server));
    scene.host.attach(scene.dom, &disk, CONNECTED, &long(&scene.host)).unwrap();
    scene.host.attach(scene.dom, &port, CONNECTED, &long(&scene.host)).unwrap();
    (scene, Arc::new(disk), Arc::new(port), server)
}

#[test]
fn an_end_that_comes_back_to_a_device_does_not_take_a_successors() {
    let (scene, disk, port, server) = held();
    let again = Arc::clone(&port);
    // The interface has had a turn, the disk has one.
    let host = scene.replaced(Which::NthOf("WATCH", 2), move |successor| {
        let store = successor.host.store();
        for ends in [disk.ends(successor.dom), port.ends(successor.dom)] {
            for node in [ends.frontend(), ends.backend(), ends.record()] {
                store.rm_if_exists(&node).unwrap();
            }
        }
        successor.site.machine.linux_of(server).unwrap().set_backends(Back::Sound);
        successor.comes(Front::Sound);
        successor.host.attach(successor.dom, &*port, CONNECTED, &long(&successor.host)).unwrap();
    });
    let error = host.destroy(scene.dom, &long(&host)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    assert_eq!(backend(&scene.host, scene.dom, &*again), Some(XenbusState::Connected));
}

#[test]
fn a_guest_whose_predecessors_device_does_not_go_has_no_more_time_than_it_was_given() {
    let (scene, ..) = held();
    scene.host.xc().destroy_domain(scene.dom).unwrap();
    until("it has gone", || scene.host.xc().info(scene.dom).is_err());
    scene.site.machine.set_next_domid(scene.dom);
    let (config, limits) = (config(&scene.site, Front::Absent), scene.host.limits(SHORT));
    let start = scene.host.store().clock().now();
    let error = scene.host.create(&config, CreateOptions::default(), &limits).unwrap_err();
    let took = scene.host.store().clock().now() - start;
    assert_eq!(error.kind(), Kind::TimedOut, "{error:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}

fn runs_on(scene: &Scene) {
    let info = scene.host.xc().info(scene.dom).unwrap();
    assert_eq!((info.shutdown, info.is_paused(), info.is_dying()), (None, false, false));
    let home = Path::domain(scene.dom);
    assert_eq!(scene.host.store().read(&home.join("name")).unwrap(), b"front-sound");
    assert_eq!(scene.host.store().read(&home.join("data/tiny")).unwrap(), b"up");
}
