//! Devices that another domain serves: it does the host's part itself, and is waited for. The driver domain is
//! a thread that answers in the store.

use std::thread;
use std::time::Duration;

use devices::{DeviceId, Ends, Spec as _};
use xen_sim::Snapshot;
use xen_types::DomId;
use xenops::device::Vbd;
use xenops::{AttachOptions, DetachOptions, GuestKind, Host, Kind, VbdConfig};
use xs::{Client, Path, Store as _, View as _, becomes};

use crate::site::{Site, is_up, long};

/// A guest, a driver domain, and a disk between them.
struct Scene {
    site: Site,
    host: Host,
    driver: DomId,
    disk: Vbd,
    ends: Ends,
    before: Snapshot,
}

impl Scene {
    fn new() -> Self {
        let site = Site::new();
        let host = site.host();
        let [dom, driver] = ["one", "two"].map(|name| {
            let mut config = site.config(GuestKind::Pvh, "deaf");
            config.name = name.into();
            let dom = host.create(&config, Default::default(), &long(&host)).unwrap();
            is_up(&host, dom);
            dom
        });
        let disk = Vbd::phy("xvda".parse().unwrap(), "/dev/ram0").unwrap().served_by(driver);
        let (ends, before) = (disk.ends(dom), site.machine.snapshot().unwrap());
        Self { site, host, driver, disk, ends, before }
    }

    /// A driver domain that does something once its end has this state.
    fn when(
        &self,
        state: &'static str,
        then: impl FnOnce(&Client, &Path) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        self.answering(&self.ends, state, then)
    }

    /// The same for another device.
    fn answering(
        &self,
        ends: &Ends,
        state: &'static str,
        then: impl FnOnce(&Client, &Path) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let store = self.site.host().store().clone();
        let (backend, late) = (ends.backend(), long(&self.host).deadline);
        thread::spawn(move || {
            store.wait(&becomes(backend.join("state"), state), late).unwrap();
            then(&store, &backend);
        })
    }

    fn attach(&self, limits: &xenops::Limits) -> xenops::Result<DeviceId> {
        self.host.attach(self.ends.device.dom, &self.disk, AttachOptions::default(), limits)
    }

    fn attached(&self) {
        let driver = self.when("1", takes);
        self.attach(&long(&self.host)).unwrap();
        driver.join().unwrap();
    }

    fn detach(&self, limits: &xenops::Limits) -> xenops::Result<()> {
        self.host.detach(&self.ends.device, DetachOptions::default(), limits)
    }
}

fn takes(store: &Client, backend: &Path) {
    store.write(&backend.join("state"), "2").unwrap();
    store.write(&backend.join("hotplug-status"), "connected").unwrap();
}

#[test]
fn a_device_is_brought_and_taken_away_as_its_driver_domain_answers() {
    let scene = Scene::new();

    scene.attached();

    let store = scene.host.store();
    let home = format!("/local/domain/{}/backend/vbd/", scene.driver);
    assert!(scene.ends.backend().as_str().starts_with(&home));
    assert_eq!(store.read(&scene.ends.backend().join("hotplug-status")).unwrap(), b"connected");
    assert_eq!(store.read_opt(&scene.ends.record().join("hotplug")).unwrap(), None);

    // As `xl devd` does: it closes, and removes its end.
    let driver = scene.when("5", |store, backend| {
        store.write(&backend.join("state"), "6").unwrap();
        store.rm(backend).unwrap();
    });
    scene.detach(&long(&scene.host)).unwrap();
    driver.join().unwrap();
    scene.before.assert_unchanged(&scene.site.machine);
}

#[test]
fn a_driver_domain_that_does_not_answer_is_waited_for_until_the_deadline() {
    let scene = Scene::new();
    let error = scene.attach(&scene.host.limits(Duration::from_secs(5))).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut, "{error:?}");
    let cause = error.cause().to_string();
    assert!(cause.contains("backend Initialising, frontend Initialising"), "{cause}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    scene.before.assert_unchanged(&scene.site.machine);
}

#[test]
fn what_a_driver_domains_script_says_of_its_failure_is_told() {
    let scene = Scene::new();
    let driver = scene.when("1", |store, backend| {
        store.write(&backend.join("hotplug-error"), "no such disk here").unwrap();
        store.write(&backend.join("hotplug-status"), "error").unwrap();
    });
    let error = scene.attach(&long(&scene.host)).unwrap_err();
    driver.join().unwrap();
    assert!(error.cause().to_string().contains("no such disk here"), "{error:?}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    scene.before.assert_unchanged(&scene.site.machine);
}

#[test]
fn a_driver_domain_that_keeps_its_part_is_named_and_its_nodes_go() {
    let scene = Scene::new();
    scene.attached();
    let driver = scene.when("5", |store, backend| {
        store.write(&backend.join("state"), "6").unwrap();
    });
    let error = scene.detach(&scene.host.limits(Duration::from_secs(1))).unwrap_err();
    driver.join().unwrap();
    assert_eq!(error.leftovers().len(), 1, "{error:?}");
    let why = error.leftovers()[0].why.to_string();
    assert!(why.contains("the host's part to be taken back"), "{why}");
    scene.before.assert_unchanged(&scene.site.machine);
}

#[test]
fn where_a_driver_domains_end_claims_to_belong_leads_nowhere() {
    let scene = Scene::new();
    scene.attached();
    let store = scene.host.store();
    let other = Path::from_static("/local/domain/0/data/other");
    store.write(&other, "kept").unwrap();
    store.write(&scene.ends.backend().join("frontend"), other.as_str()).unwrap();
    let driver = scene.when("5", |store, backend| store.rm(backend).unwrap());
    scene.detach(&long(&scene.host)).unwrap();
    driver.join().unwrap();
    assert_eq!(store.read(&other).unwrap(), b"kept");
}

#[test]
fn a_device_goes_when_the_domain_that_served_it_has_gone() {
    let scene = Scene::new();
    scene.attached();
    scene.host.destroy(scene.driver, &long(&scene.host)).unwrap();
    let home = Path::from_static("/local/domain").join(scene.driver);
    scene.detach(&long(&scene.host)).unwrap();
    let store = scene.host.store();
    assert_eq!(store.read_opt(&scene.ends.record()).unwrap(), None);
    assert_eq!(store.read_opt(&scene.ends.frontend()).unwrap(), None);
    assert_eq!(store.read_opt(&home).unwrap(), None, "a write made it again");
}

#[test]
fn a_domain_that_is_not_there_serves_nothing() {
    let scene = Scene::new();
    scene.host.destroy(scene.driver, &long(&scene.host)).unwrap();
    let before = scene.site.machine.snapshot().unwrap();
    let error = scene.attach(&long(&scene.host)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let says = format!("domain {}, which is to serve it, is not there", scene.driver);
    assert_eq!(error.cause().to_string(), says);
    before.assert_unchanged(&scene.site.machine);
}

#[test]
fn a_guest_that_is_destroyed_takes_its_part_of_a_driver_domain_with_it() {
    let scene = Scene::new();
    scene.attached();
    let driver = scene.when("5", |store, backend| store.rm(backend).unwrap());
    scene.host.destroy(scene.ends.device.dom, &long(&scene.host)).unwrap();
    driver.join().unwrap();
    let backends = scene.ends.backend().parent().unwrap();
    assert_eq!(scene.host.store().read_opt(&backends).unwrap(), None);
}

#[test]
fn a_guest_starts_with_a_disk_of_a_driver_domain_and_is_described_with_it() {
    let scene = Scene::new();
    let mut config = scene.site.config(GuestKind::Pvh, "deaf");
    config.name = "three".into();
    let mut disk = VbdConfig::new("xvda", "/dev/ram0");
    disk.backend = Some("two".into());
    config.vbd.push(disk.clone());
    let next = DomId::new(scene.driver.raw() + 1).unwrap();
    let ends =
        Ends { device: DeviceId { dom: next, ..scene.ends.device.clone() }, ..scene.ends.clone() };
    let driver = scene.answering(&ends, "1", takes);
    let dom = scene.host.create(&config, Default::default(), &long(&scene.host)).unwrap();
    driver.join().unwrap();
    assert_eq!(dom, next);
    assert_eq!(scene.host.config(dom).unwrap().vbd, [disk]);

    let driver = scene.answering(&ends, "5", |store, backend| store.rm(backend).unwrap());
    scene.host.destroy(dom, &long(&scene.host)).unwrap();
    driver.join().unwrap();
    scene.before.assert_unchanged(&scene.site.machine);
}

#[test]
fn a_guest_whose_disk_nobody_serves_is_not_made() {
    let scene = Scene::new();
    let mut config = scene.site.config(GuestKind::Pvh, "deaf");
    config.name = "three".into();
    let mut disk = VbdConfig::new("xvda", "/dev/ram0");
    disk.backend = Some("nobody".into());
    config.vbd.push(disk);
    let error = scene.host.create(&config, Default::default(), &long(&scene.host)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    scene.before.assert_unchanged(&scene.site.machine);
}
