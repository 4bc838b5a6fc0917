//! Disks, network interfaces and consoles that come and go.

use devices::Spec as _;
use xen_types::DomId;
use xenops::device::{Channel, DeviceId, Medium, Vbd, Vif};
use xenops::{AttachOptions, CreateOptions, DetachOptions, GuestKind, Host, VbdConfig};
use xs::{Path, View as _};

use crate::site::{Site, long};

pub(crate) const FILE: &str = "/images/data.img";
pub(crate) const DISK: &str = "/dev/sdb";

/// A machine with a disk, a file for another one and a bridge.
pub(crate) fn site() -> Site {
    let site = Site::new();
    let linux = site.machine.linux();
    linux.add_file(FILE);
    linux.add_disk("sdb", 8, 16);
    linux.add_bridge("xenbr0", 1500);
    site
}

pub(crate) fn file() -> Vbd {
    Vbd::file("xvdb".parse().unwrap(), FILE).unwrap()
}

pub(crate) fn disk() -> Vbd {
    Vbd::phy("xvdc".parse().unwrap(), DISK).unwrap()
}

pub(crate) fn port() -> Vif {
    Vif::new(0, "00:16:3e:01:02:03".parse().unwrap()).bridge("xenbr0").unwrap()
}

pub(crate) fn console() -> Channel {
    Channel::pty(1).unwrap()
}

const CONNECTED: AttachOptions =
    AttachOptions { hotplug: xenops::Hotplug::Native, connected: true };

fn comes_and_goes(attach: impl Fn(&Host, DomId) -> DeviceId) -> (Vec<String>, Vec<String>) {
    let site = site();
    let host = site.driving(&site.machine.process());
    let dom = site.create(&host, GuestKind::Pvh, "").unwrap();
    crate::site::is_up(&host, dom);
    let before = site.machine.snapshot().unwrap();
    let device = attach(&host, dom);
    let linux = site.machine.linux();
    let there = (linux.loops(), linux.links());
    host.detach(&device, DetachOptions::default(), &long(&host)).unwrap();
    before.assert_unchanged(&site.machine);
    there
}

#[test]
fn a_disk_in_a_file_comes_and_goes_with_its_loop_device() {
    let (loops, _) =
        comes_and_goes(|host, dom| host.attach(dom, &file(), CONNECTED, &long(host)).unwrap());
    assert_eq!(loops, ["/dev/loop0 /images/data.img"]);
}

#[test]
fn a_block_device_comes_and_goes() {
    let (loops, _) =
        comes_and_goes(|host, dom| host.attach(dom, &disk(), CONNECTED, &long(host)).unwrap());
    assert!(loops.is_empty(), "{loops:?}");
}

#[test]
fn an_interface_comes_into_its_bridge_and_goes() {
    let (_, links) =
        comes_and_goes(|host, dom| host.attach(dom, &port(), CONNECTED, &long(host)).unwrap());
    assert_eq!(
        links,
        [
            "vif1.0 mtu 1500 bridge xenbr0 address [fe, ff, ff, ff, ff, ff] up",
            "xenbr0 mtu 1500 bridge none address [] up ipv6"
        ]
    );
}

#[test]
fn a_console_comes_with_its_terminal_and_goes() {
    let site = site();
    let host = site.driving(&site.machine.process());
    let dom = site.create(&host, GuestKind::Pvh, "").unwrap();
    crate::site::is_up(&host, dom);
    let before = site.machine.snapshot().unwrap();
    let device = host.attach(dom, &console(), CONNECTED, &long(&host)).unwrap();
    let tty = console().ends(dom).frontend().join("tty");
    assert_eq!(host.store().read(&tty).unwrap(), b"/dev/pts/7");
    assert_eq!(site.machine.linux().backends(), [format!("console-{dom}-1")]);
    host.detach(&device, DetachOptions::default(), &long(&host)).unwrap();
    before.assert_unchanged(&site.machine);
}

/// A guest that boots waits for each frontend that it finds.
#[test]
fn a_drive_has_ends_from_its_first_medium_on() {
    let site = site();
    let host = site.driving(&site.machine.process());
    let mut config = site.config(GuestKind::Pv, "");
    config.vbd = vec![VbdConfig::empty_drive("xvdc")];
    let dom = host.create(&config, CreateOptions::default(), &long(&host)).unwrap();
    crate::site::is_up(&host, dom);
    let before = site.machine.snapshot().unwrap();
    let second = Vbd::waiting_drive("xvdd".parse().unwrap(), Medium::Cdrom).unwrap();
    let second = host.attach(dom, &second, CONNECTED, &long(&host)).unwrap();
    let front = host.store().directory(&Path::domain(dom).join("device/vbd"));
    assert_eq!(front.unwrap_err().kind(), xs::Kind::NotFound);

    host.insert(&second, FILE, true, &long(&host)).unwrap();
    assert_eq!(site.machine.linux().backends(), [format!("vbd-{dom}-51760")]);

    host.detach(&second, DetachOptions::default(), &long(&host)).unwrap();
    before.assert_unchanged(&site.machine);
}
