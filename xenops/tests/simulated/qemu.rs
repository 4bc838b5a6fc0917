//! Devices that a QEMU serves. The QEMU is a thread that answers in the store, as those of 7.2 and 10.0 do.

use std::thread;
use std::time::Duration;

use devices::{Ends, Spec as _};
use xen_sim::{Back, Front, Snapshot};
use xenops::device::{Channel, Format, NinePfs, Vbd};
use xenops::{
    AttachOptions, ConsoleConfig, CreateOptions, DetachOptions, DiskType, DomainConfig, GuestKind,
    Host, Kind, NinePfsConfig, VbdConfig,
};
use xs::{Client, Path, Store as _, View as _, becomes};

use crate::devices::{FILE, site};
use crate::site::{Site, is_up, long};

/// A guest, and a further console of it.
struct Scene {
    site: Site,
    host: Host,
    console: Channel,
    ends: Ends,
    before: Snapshot,
}

impl Scene {
    fn new() -> Self {
        let site = Site::new();
        // Neither the machine's own QEMU nor a driver in the guest is to answer.
        site.machine.linux().set_backends(Back::Absent);
        let host = site.driving(&site.machine.process());
        let dom =
            site.create(&host, GuestKind::Pvh, &format!("deaf {}", Front::Absent.word())).unwrap();
        is_up(&host, dom);
        let console = Channel::pty(1).unwrap();
        let (ends, before) = (console.ends(dom), site.machine.snapshot().unwrap());
        Self { site, host, console, ends, before }
    }

    /// A QEMU that does something once one of the two ends has this state.
    fn when(
        &self,
        end: &Path,
        state: &'static str,
        then: impl FnOnce(&Client, &Path) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let store = self.site.host().store().clone();
        let (state_node, late) = (end.join("state"), long(&self.host).deadline);
        let backend = self.ends.backend();
        thread::spawn(move || {
            store.wait(&becomes(state_node, state), late).unwrap();
            then(&store, &backend);
        })
    }

    fn attach(&self, limits: &xenops::Limits) -> xenops::Result<devices::DeviceId> {
        self.host.attach(self.ends.device.dom, &self.console, AttachOptions::default(), limits)
    }

    /// Attached, and connected to the guest.
    fn attached(&self) {
        let taking = self.when(&self.ends.backend(), "1", state("4"));
        self.attach(&long(&self.host)).unwrap();
        taking.join().unwrap();
    }
}

fn state(state: &'static str) -> impl FnOnce(&Client, &Path) + Send + 'static {
    move |store, backend| store.write(&backend.join("state"), state).unwrap()
}

#[test]
fn a_device_that_no_qemu_takes_goes_again_at_the_deadline() {
    let scene = Scene::new();
    let late = scene.attach(&scene.host.limits(Duration::from_secs(5))).unwrap_err();
    assert_eq!(late.kind(), Kind::TimedOut, "{late:?}");
    let words = late.cause().to_string();
    assert!(words.contains("the backend's driver to take it"), "{words}");
    assert!(late.leftovers().is_empty(), "{late:?}");
    scene.before.assert_unchanged(&scene.site.machine);
}

#[test]
fn a_qemu_lets_go_when_it_sees_that_the_frontend_has_closed() {
    let scene = Scene::new();
    scene.attached();
    // It looks at changes below the frontend only, and the guest answers nothing.
    let closing = scene.when(&scene.ends.frontend(), "6", state("6"));
    let limits = scene.host.limits(Duration::from_secs(5));

    scene.host.detach(&scene.ends.device, DetachOptions { force: true }, &limits).unwrap();

    closing.join().unwrap();
    scene.before.assert_unchanged(&scene.site.machine);
}

#[test]
fn a_device_is_taken_from_a_qemu_that_is_silent_and_that_is_said() {
    let scene = Scene::new();
    scene.attached();
    let limits = scene.host.limits(Duration::from_secs(5));

    let asked = scene.host.detach(&scene.ends.device, DetachOptions::default(), &limits);
    assert_eq!(asked.unwrap_err().kind(), Kind::TimedOut);
    let limits = scene.host.limits(Duration::from_secs(5));
    let forced = scene.host.detach(&scene.ends.device, DetachOptions { force: true }, &limits);

    let forced = forced.unwrap_err();
    assert_eq!(forced.leftovers().len(), 1, "{forced:?}");
    assert_eq!(forced.leftovers()[0].why.kind(), Kind::TimedOut, "{forced:?}");
    scene.before.assert_unchanged(&scene.site.machine);
}

fn now(scene: &Scene) -> std::time::Instant {
    scene.host.store().clock().now()
}

#[test]
fn a_guest_whose_qemu_has_ended_is_destroyed_with_its_devices() {
    let scene = Scene::new();
    scene.attached();
    let start = now(&scene);

    scene.host.destroy(scene.ends.device.dom, &long(&scene.host)).unwrap();

    assert!(now(&scene) - start < Duration::from_secs(15));
    assert_eq!(scene.host.store().read_opt(&scene.ends.backend()).unwrap(), None);
    assert_eq!(scene.host.store().read_opt(&scene.ends.record()).unwrap(), None);
}

#[test]
fn a_device_of_a_qemu_that_another_toolstack_started_is_left_to_it() {
    let scene = Scene::new();
    let (tree, dom) = (scene.console.tree(scene.ends.device.dom), scene.ends.device.dom);
    scene.host.store().transaction(|tx| tree.write_to(tx)).unwrap();
    let limits = long(&scene.host);

    let detached = scene.host.detach(&scene.ends.device, DetachOptions { force: true }, &limits);
    let destroyed = scene.host.destroy(dom, &limits);

    assert_eq!(detached.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(destroyed.unwrap_err().kind(), Kind::Unavailable);
    assert!(scene.host.store().read_opt(&scene.ends.record()).unwrap().is_some());
}

#[test]
fn a_folder_that_is_not_there_is_named_before_anything_is_written() {
    let scene = Scene::new();
    let folder = NinePfs::new(0, "files", "/no/such/folder").unwrap();
    let (dom, limits) = (scene.ends.device.dom, long(&scene.host));
    let error = scene.host.attach(dom, &folder, AttachOptions::default(), &limits).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    assert!(error.cause().to_string().contains("/no/such/folder"), "{error:?}");
    scene.before.assert_unchanged(&scene.site.machine);
}

/// A guest, and an image that the QEMU of a driver domain serves.
fn of_a_driver_domain() -> (Scene, Vbd) {
    let scene = Scene::new();
    let mut config = scene.site.config(GuestKind::Pvh, "deaf");
    config.name = "driver".into();
    let driver = scene.host.create(&config, Default::default(), &long(&scene.host)).unwrap();
    is_up(&scene.host, driver);
    let image = Vbd::qdisk("xvda".parse().unwrap(), Format::Raw, "/a.img").unwrap();
    let image = image.served_by(driver);
    let before = scene.site.machine.snapshot().unwrap();
    (Scene { ends: image.ends(scene.ends.device.dom), before, ..scene }, image)
}

#[test]
fn an_image_that_a_driver_domains_qemu_serves_comes_and_goes() {
    let (scene, image) = of_a_driver_domain();
    let (dom, limits) = (scene.ends.device.dom, long(&scene.host));
    // Connected, it is waited for as any other.
    let taking = scene.when(&scene.ends.backend(), "1", state("4"));
    let device = scene.host.attach(dom, &image, AttachOptions::default(), &limits).unwrap();
    taking.join().unwrap();
    let short = scene.host.limits(Duration::from_secs(5));
    let asked = scene.host.detach(&device, DetachOptions::default(), &short).unwrap_err();
    assert_eq!(asked.kind(), Kind::TimedOut, "{asked:?}");
    let closing = scene.when(&scene.ends.frontend(), "6", state("6"));
    let limits = scene.host.limits(Duration::from_secs(5));
    scene.host.detach(&device, DetachOptions { force: true }, &limits).unwrap();

    closing.join().unwrap();
    scene.before.assert_unchanged(&scene.site.machine);
}

#[test]
fn an_image_that_a_driver_domains_qemu_has_not_connected_is_cut_off() {
    let (scene, image) = of_a_driver_domain();
    let (dom, limits) = (scene.ends.device.dom, long(&scene.host));
    let taking = scene.when(&scene.ends.backend(), "1", state("2"));
    let device = scene.host.attach(dom, &image, AttachOptions::default(), &limits).unwrap();
    taking.join().unwrap();
    let closing = scene.when(&scene.ends.frontend(), "6", state("6"));
    scene.host.detach(&device, DetachOptions::default(), &limits).unwrap();

    closing.join().unwrap();
    scene.before.assert_unchanged(&scene.site.machine);
}

/// A guest of `site` that starts with an image, a console and two folders of its QEMU.
fn with_all(site: &Site) -> DomainConfig {
    site.machine.linux().add_folder("/srv/files");
    let mut config = site.config(GuestKind::Pvh, "");
    let mut image = VbdConfig::new("xvda", FILE);
    image.kind = Some(DiskType::Qdisk);
    config.vbd.push(image);
    config.console.push(ConsoleConfig::new(1));
    config.ninepfs = vec![
        NinePfsConfig::new(0, "files", "/srv/files"),
        NinePfsConfig::new(2, "more", "/srv/files"),
    ];
    config
}

#[test]
fn a_guest_starts_with_what_its_qemu_serves_is_described_with_it_and_goes() {
    let site = site();
    let host = site.driving(&site.machine.process());
    let config = with_all(&site);
    let before = site.machine.snapshot().unwrap();

    let dom = host.create(&config, CreateOptions::default(), &long(&host)).unwrap();

    let served = site.machine.linux().backends();
    let all = ["9pfs-1-0", "9pfs-1-2", "console-1-1", "qdisk-1-51712"];
    assert_eq!(served, all);
    let described = host.config(dom).unwrap();
    assert_eq!(described.vbd, config.vbd);
    assert_eq!(described.console, config.console);
    assert_eq!(described.ninepfs, config.ninepfs);
    is_up(&host, dom);
    host.destroy(dom, &long(&host)).unwrap();
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_guest_whose_qemu_never_comes_is_not_made() {
    let site = site();
    site.machine.linux().set_backends(Back::Absent);
    let host = site.driving(&site.machine.process());
    let config = with_all(&site);
    let before = site.machine.snapshot().unwrap();
    let (clock, limits) = (host.store().clock().clone(), host.limits(Duration::from_secs(5)));
    let start = clock.now();

    let late = host.create(&config, CreateOptions::default(), &limits).unwrap_err();

    let took = clock.now() - start;
    assert!((Duration::from_secs(5)..Duration::from_secs(25)).contains(&took), "{took:?}");
    assert_eq!(late.kind(), Kind::TimedOut, "{late:?}");
    assert!(late.leftovers().is_empty(), "{late:?}");
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_qemu_that_starts_when_the_last_folder_is_there_finds_all_the_rest() {
    let site = site();
    site.machine.linux().set_backends(Back::Absent);
    let host = site.driving(&site.machine.process());
    let config = with_all(&site);
    let store = site.host().store().clone();
    let late = long(&host).deadline;
    let qemu = thread::spawn(move || {
        let backends = Path::from_static("/local/domain/0/backend");
        let state = |device| backends.try_join(device).unwrap().join("1");
        let last = state("9pfs").join("2/state");
        store.wait(&becomes(last.clone(), "1"), late).unwrap();
        let rest = [
            state("qdisk").join("51712/state"),
            state("console").join("1/state"),
            state("9pfs").join("0/state"),
        ];
        // Before the first of them is taken.
        let states = store.read_each(&rest).unwrap();
        assert_eq!(states, [Some(b"1".to_vec()), Some(b"1".to_vec()), Some(b"1".to_vec())]);
        rest.iter().chain([&last]).for_each(|state| store.write(state, "2").unwrap());
    });

    let dom = host.create(&config, CreateOptions { paused: true }, &long(&host)).unwrap();

    qemu.join().unwrap();
    assert_eq!(host.devices(dom).unwrap().len(), 5);
}

#[test]
fn a_guest_whose_last_folder_is_not_there_leaves_nothing_of_the_rest() {
    fails_for_its_last_folder(&site());
}

#[test]
fn what_a_silent_qemu_takes_of_the_time_is_not_missing_to_remove_the_guest() {
    let site = site();
    site.machine.linux().set_backends(Back::NeverCloses);
    let took = fails_for_its_last_folder(&site);
    // It is waited for once for all three devices, and then the guest.
    assert!((Duration::from_secs(10)..Duration::from_secs(20)).contains(&took), "{took:?}");
}

fn fails_for_its_last_folder(site: &Site) -> Duration {
    let host = site.driving(&site.machine.process());
    let mut config = with_all(site);
    config.ninepfs[1].path = "/no/such/folder".into();
    let before = site.machine.snapshot().unwrap();
    let start = host.store().clock().now();

    let error = host.create(&config, CreateOptions::default(), &long(&host)).unwrap_err();

    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    before.assert_unchanged(&site.machine);
    host.store().clock().now() - start
}
