//! The policies that have scripts do the host's part, and who else uses a disk.

use std::time::Duration;

use xen_sim::{Front, Script, Which};
use xen_types::DomId;
use xenops::device::{Vbd, Vif};
use xenops::{
    AttachOptions, CreateOptions, DetachOptions, GuestKind, Host, Hotplug, Kind, VbdConfig,
};
use xs::{Store as _, View as _};

use crate::devices::{DISK, disk, file, port, site};
use crate::site::{Site, is_up, long};

const BLOCK: &str = "/etc/xen/scripts/block";
const BRIDGE: &str = "/etc/xen/scripts/vif-bridge";

/// A guest on a machine whose scripts do this.
fn guest(script: Script) -> (Site, Host, DomId) {
    let site = site();
    site.machine.linux().add_program(BLOCK, script);
    site.machine.linux().add_program(BRIDGE, script);
    let host = site.driving(&site.machine.process());
    let dom = site.create(&host, GuestKind::Pvh, Front::Sound.word()).unwrap();
    is_up(&host, dom);
    (site, host, dom)
}

const fn by(hotplug: Hotplug) -> AttachOptions {
    AttachOptions { hotplug, connected: true }
}

#[test]
fn scripts_connect_devices_and_release_them() {
    let (site, host, dom) = guest(Script::Connects);
    let before = site.machine.snapshot().unwrap();
    let disk = host.attach(dom, &disk(), by(Hotplug::Scripts), &long(&host)).unwrap();
    let port = host.attach(dom, &port(), by(Hotplug::Scripts), &long(&host)).unwrap();
    host.detach(&disk, DetachOptions::default(), &long(&host)).unwrap();
    host.detach(&port, DetachOptions::default(), &long(&host)).unwrap();
    before.assert_unchanged(&site.machine);
}

#[test]
fn the_words_of_a_script_that_fails_are_told_and_nothing_is_left() {
    let (site, host, dom) = guest(Script::Fails);
    let before = site.machine.snapshot().unwrap();
    let disk = host.attach(dom, &disk(), by(Hotplug::Scripts), &long(&host)).unwrap_err();
    let port = host.attach(dom, &port(), by(Hotplug::Scripts), &long(&host)).unwrap_err();
    assert!(disk.cause().to_string().starts_with("it failed: no such thing; backend "), "{disk:?}");
    assert!(port.cause().to_string().starts_with("it failed: no such thing; backend "), "{port:?}");
    // It cannot be told from one that has released nothing.
    assert_eq!((disk.leftovers().len(), port.leftovers().len()), (1, 1));
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_script_that_never_ends_is_killed_at_the_deadline() {
    let (site, host, dom) = guest(Script::Hangs);
    let before = site.machine.snapshot().unwrap();
    let error = host.attach(dom, &disk(), by(Hotplug::Scripts), &host.limits(SHORT)).unwrap_err();
    assert_eq!(
        error.cause().to_string(),
        "waited for the hotplug script to end, last seen: it printed \"begun\""
    );
    assert!(error.leftovers().is_empty(), "{:?}", error.leftovers());
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_domain_whose_scripts_take_long_has_the_time_that_its_removal_was_given() {
    let (site, host, mut dom) = guest(Script::GoesAfter(SLOW));
    for (given, left_behind) in [(Duration::from_secs(120), 0), (SHORT, 1)] {
        host.attach(dom, &disk(), by(Hotplug::Scripts), &long(&host)).unwrap();
        let destroyed = host.destroy(dom, &host.limits(given));
        let left = destroyed.as_ref().err().map_or(0, |error| error.leftovers().len());
        assert_eq!(left, left_behind, "{destroyed:?}");
        dom = site.create(&host, GuestKind::Pvh, Front::Sound.word()).unwrap();
        is_up(&host, dom);
    }
}

/// Detaches a disk, and cancels that as the script begins that takes it back in this time; what stayed.
fn cancelled(script: Duration) -> usize {
    let (site, _, dom) = guest(Script::GoesAfter(script));
    let before = site.machine.snapshot().unwrap();
    let process = site.machine.process();
    let host = site.driving(&process);
    let device = host.attach(dom, &disk(), by(Hotplug::Scripts), &long(&host)).unwrap();
    let (limits, start) = (host.limits(SLOW * 2), host.store().clock().now());
    let cancel = limits.cancel.clone();
    process.before(Which::NthOf("execve", 2), move || cancel.request());
    let detached = host.detach(&device, DetachOptions::default(), &limits);
    assert!(limits.cancel.requested());
    assert!(host.store().clock().now() - start < SLOW);
    before.assert_unchanged(&site.machine);
    detached.map_or_else(|error| error.leftovers().len(), |()| 0)
}

#[test]
fn what_both_ends_have_let_go_of_is_released_though_the_caller_cancels() {
    assert_eq!(cancelled(Duration::from_secs(5)), 0);
}

#[test]
fn a_caller_who_cancels_waits_no_longer_for_a_script_than_it_has_by_itself() {
    assert_eq!(cancelled(SLOW), 1);
}

#[test]
fn what_a_device_that_did_not_come_leaves_is_told_of_the_domain_too() {
    let site = site();
    site.machine.linux().add_program(BLOCK, Script::Fails);
    let host = site.driving(&site.machine.process());
    let before = site.machine.snapshot().unwrap();
    let mut config = site.config(GuestKind::Pvh, "");
    let mut disk = VbdConfig::new("xvdb", DISK);
    disk.hotplug = Hotplug::Scripts;
    config.vbd.push(disk);
    let error = host.create(&config, CreateOptions::default(), &long(&host)).unwrap_err();
    assert_eq!(error.leftovers().len(), 1, "{error:?}");
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_script_of_udevs_that_never_answers_is_waited_for_until_the_deadline() {
    let (site, host, dom) = guest(Script::Nothing);
    let before = site.machine.snapshot().unwrap();
    let error = host.attach(dom, &disk(), by(Hotplug::Udev), &host.limits(SHORT)).unwrap_err();
    assert_eq!(
        error.cause().to_string(),
        "waited for the hotplug script's answer, last seen: backend InitWait, \
         frontend Initialised"
    );
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_script_that_is_not_there_is_named() {
    let site = site();
    let host = site.driving(&site.machine.process());
    let dom = site.create(&host, GuestKind::Pvh, "").unwrap();
    let error = host.attach(dom, &disk(), by(Hotplug::Scripts), &long(&host)).unwrap_err();
    assert_eq!(error.cause().to_string(), format!("run {BLOCK}"));
}

#[test]
fn what_udev_answers_and_takes_back_is_waited_for() {
    let (site, host, dom) = guest(Script::Nothing);
    let before = site.machine.snapshot().unwrap();
    let status = devices::Spec::ends(&port(), dom).backend().join("hotplug-status");
    let backends = || site.machine.linux().backends();
    std::thread::scope(|threads| {
        let store = site.host().store().clone();
        threads.spawn(move || {
            crate::site::until("netback has it", || backends() == [format!("vif-{dom}-0")]);
            store.write(&status, "connected").unwrap();
            crate::site::until("netback has let go", || backends().is_empty());
            store.rm(&status).unwrap();
        });
        host.attach(dom, &port(), by(Hotplug::Udev), &long(&host)).unwrap();
        let device = devices::Spec::ends(&port(), dom).device;
        host.detach(&device, DetachOptions::default(), &long(&host)).unwrap();
    });
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_disk_that_a_guest_writes_to_is_nobody_elses() {
    let (site, host, dom) = guest(Script::Nothing);
    host.attach(dom, &file(), by(Hotplug::Native), &long(&host)).unwrap();
    let before = site.machine.snapshot().unwrap();
    let again = Vbd::file("xvdd".parse().unwrap(), "/images/data.img").unwrap();
    let error = host.attach(dom, &again, by(Hotplug::Native), &long(&host)).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy, "{error:?}");
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_disk_that_is_only_read_is_read_by_two() {
    let (site, host, dom) = guest(Script::Nothing);
    let before = site.machine.snapshot().unwrap();
    let disk =
        |name: &str| Vbd::file(name.parse().unwrap(), "/images/data.img").unwrap().read_only();
    let one = host.attach(dom, &disk("xvdb"), by(Hotplug::Native), &long(&host)).unwrap();
    let two = host.attach(dom, &disk("xvdd"), by(Hotplug::Native), &long(&host)).unwrap();
    assert_eq!(site.machine.linux().loops().len(), 2);
    host.detach(&one, DetachOptions::default(), &long(&host)).unwrap();
    host.detach(&two, DetachOptions::default(), &long(&host)).unwrap();
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_disk_that_the_control_domain_has_mounted_is_refused() {
    let (site, host, dom) = guest(Script::Nothing);
    let before = site.machine.snapshot().unwrap();
    site.machine.linux().mount("sdb");
    let error = host.attach(dom, &disk(), by(Hotplug::Native), &long(&host)).unwrap_err();
    assert_eq!(error.cause().to_string(), "/dev/sdb is used by the control domain");
    before.assert_unchanged(&site.machine);
}

#[test]
fn an_interface_gets_its_name_and_the_mtu_of_its_bridge() {
    let (site, host, dom) = guest(Script::Nothing);
    let named = Vif::new(0, "00:16:3e:01:02:03".parse().unwrap());
    let named = named.bridge("xenbr0").unwrap().name("lan").unwrap();
    host.attach(dom, &named, by(Hotplug::Native), &long(&host)).unwrap();
    let links = site.machine.linux().links();
    assert!(links[0].starts_with("lan mtu 1500 bridge xenbr0 "), "{links:?}");
}

#[test]
fn an_interface_for_a_bridge_that_is_not_there_costs_nothing() {
    let (site, host, dom) = guest(Script::Nothing);
    let before = site.machine.snapshot().unwrap();
    let lost = Vif::new(0, "00:16:3e:01:02:03".parse().unwrap()).bridge("xenbr9").unwrap();
    let error = host.attach(dom, &lost, by(Hotplug::Native), &long(&host)).unwrap_err();
    assert_eq!(error.cause().to_string(), "there is no bridge \"xenbr9\"");
    before.assert_unchanged(&site.machine);
}

const SHORT: Duration = Duration::from_secs(1);

/// Longer than the script of a device has where less was given: ten seconds by itself, fifty with its domain.
const SLOW: Duration = Duration::from_secs(90);

#[test]
fn a_folder_that_says_something_itself_stays() {
    let (_site, host, dom) = guest(Script::Nothing);
    let device = host.attach(dom, &file(), by(Hotplug::Native), &long(&host)).unwrap();
    let folder = devices::Spec::ends(&file(), dom).backend().parent().unwrap();
    host.store().write(&folder, "said").unwrap();
    host.detach(&device, DetachOptions::default(), &long(&host)).unwrap();
    assert_eq!(host.store().read_opt(&folder).unwrap().as_deref(), Some(&b"said"[..]));
}
