//! Devices found in a store: written by this crate, by xl, and by nobody in particular.

#![allow(clippy::unwrap_used, reason = "a test's own store")]

mod support;

use devices::{
    Channel, Device, DeviceId, Generic, Kind, Listed, NinePfs, Pci, PciFunction, Size, Spec, Vbd,
    Vdispl, Vif, Vusb, list, served,
};
use xen_types::{DomId, Kind as ErrorKind, Port};
use xs::{Client, Path, Store};
use xs_server::Running;

/// A store of its own, and a connection to it.
struct Here {
    store: Client,
    _daemon: Running,
}

impl Here {
    fn new() -> Self {
        let (store, _daemon) = support::empty_store();
        Self { store, _daemon }
    }

    fn with(self, spec: &impl Spec) -> Self {
        self.store.transaction(|tx| spec.tree(guest()).write_to(tx)).unwrap();
        self
    }

    fn with_node(self, path: &str, value: &str) -> Self {
        self.store.write(&Path::new(path).unwrap(), value).unwrap();
        self
    }

    fn listed(&self) -> Vec<Listed> {
        list(&self.store, guest()).unwrap()
    }

    fn only(&self) -> Listed {
        let mut listed = self.listed();
        assert_eq!(listed.len(), 1, "{listed:?}");
        listed.remove(0)
    }
}

fn guest() -> DomId {
    DomId::new(7).unwrap()
}

fn disk() -> Vbd {
    Vbd::phy("xvda".parse().unwrap(), "/dev/vg/root").unwrap()
}

fn nic() -> Vif {
    Vif::new(0, "00:16:3e:01:02:03".parse().unwrap()).bridge("xenbr0").unwrap()
}

#[test]
fn a_domain_without_devices_has_none() {
    assert!(Here::new().listed().is_empty());
}

#[test]
fn what_was_written_is_listed_by_kind_and_number() {
    let second = Vbd::file("xvdb".parse().unwrap(), "/a.img").unwrap();
    let listed = Here::new().with(&second).with(&nic()).with(&disk()).listed();
    let descriptions: Vec<_> = listed.into_iter().map(|one| one.description.unwrap()).collect();
    assert_eq!(descriptions, [Device::Vif(nic()), Device::Vbd(disk()), Device::Vbd(second)]);
}

#[test]
fn folders_on_the_way_are_no_keys() {
    let card = Vdispl::new(0).connector("a", Size { width: 8, height: 6 }).unwrap();
    let usb = Vusb::new(0, 2, 3).unwrap().plugged(2, "1-2").unwrap();
    let other = Generic::new(Kind::new("toaster").unwrap(), 0);
    let other = other.backend("slots/1", "bread").unwrap().frontend("a/b/c", "").unwrap();
    let here = Here::new().with(&card).with(&usb).with(&other);
    let descriptions: Vec<_> =
        here.listed().into_iter().map(|one| one.description.unwrap()).collect();
    assert_eq!(descriptions, [Device::Vusb(usb), Device::Vdispl(card), Device::Generic(other)]);
}

#[test]
fn what_the_guest_writes_changes_nothing() {
    let here = Here::new()
        .with(&disk())
        .with_node("/local/domain/7/device/vbd/51712/trusted", "0")
        .with_node("/local/domain/7/device/vbd/51712/backend", "/local/domain/7/backend/vbd/7/0")
        .with_node("/local/domain/7/device/vif/0/backend", "/local/domain/0/backend/vif/8/0");
    assert_eq!(here.only().description.unwrap(), Device::Vbd(disk()));
}

#[test]
fn a_record_that_is_not_understood_is_listed_all_the_same() {
    let one = Here::new().with_node("/libxl/7/device/vif/3", "").only();
    assert_eq!(one.device, DeviceId { dom: guest(), kind: Kind::Vif, number: 3 });
    let error = one.description.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "read the record of vif 3 of domain 7");
}

#[test]
fn a_record_that_leads_to_another_domain_is_not_understood() {
    let path = "/libxl/7/device/vbd/51712/backend";
    let here = Here::new().with(&disk()).with_node(path, "/local/domain/0/backend/vbd/8/51712");
    assert_eq!(here.only().description.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn what_has_no_number_is_no_device() {
    let here = Here::new()
        .with_node("/libxl/7/device/vif/next", "1")
        .with_node("/libxl/7/device/vif/01/backend", "/local/domain/0/backend/vif/7/1");
    assert!(here.listed().is_empty());
}

#[test]
fn the_first_console_is_a_generic_device() {
    let console = devices::Console { dom: guest(), backend: DomId::DOM0, ring: 1, port: Port(2) };
    let here = Here::new();
    console.tree().write_to(&here.store).unwrap();
    let here = here.with(&Channel::pty(1).unwrap());
    let kinds: Vec<_> = here.listed().into_iter().map(|one| one.description.unwrap()).collect();
    assert!(matches!(kinds[..], [Device::Generic(_), Device::Channel(_)]), "{kinds:?}");
    assert_eq!(kinds[0].ends(guest()).frontend(), console.frontend());
    assert_eq!(kinds[0].ends(guest()).backend(), console.backend());
}

#[test]
fn pci_functions_are_found_in_the_serving_end() {
    let nic = PciFunction::new("0000:03:00.0".parse().unwrap());
    let pci = Pci::new("guest").unwrap().function(nic).unwrap();
    assert_eq!(Here::new().with(&pci).only().description.unwrap(), Device::Pci(pci));
}

/// As `xenstore-ls -f /libxl/7/device` shows devices that `xl` 4.17 made.
#[test]
fn devices_of_xl_are_listed() {
    let vbd = "/libxl/7/device/vbd/51728";
    let here = Here::new()
        .with_node(&format!("{vbd}/frontend"), "/local/domain/7/device/vbd/51728")
        .with_node(&format!("{vbd}/backend"), "/local/domain/0/backend/qdisk/7/51728")
        .with_node(&format!("{vbd}/params"), "qcow2:/a.qcow2")
        .with_node(&format!("{vbd}/frontend-id"), "7")
        .with_node(&format!("{vbd}/online"), "1")
        .with_node(&format!("{vbd}/removable"), "0")
        .with_node(&format!("{vbd}/bootable"), "1")
        .with_node(&format!("{vbd}/state"), "1")
        .with_node(&format!("{vbd}/dev"), "d1")
        .with_node(&format!("{vbd}/type"), "qdisk")
        .with_node(&format!("{vbd}/mode"), "w")
        .with_node(&format!("{vbd}/device-type"), "disk")
        .with_node(&format!("{vbd}/discard-enable"), "1")
        .with_node(&format!("{vbd}/specification"), "xen");
    let disk = Vbd::qdisk("xvdb".parse().unwrap(), devices::Format::Qcow2, "/a.qcow2").unwrap();
    assert_eq!(here.only().description.unwrap(), Device::Vbd(disk));
}

#[test]
fn a_folder_that_xl_shares_has_a_tag_that_only_the_guest_can_tell() {
    let share = "/libxl/7/device/9pfs/0";
    let here = Here::new()
        .with_node(&format!("{share}/frontend"), "/local/domain/7/device/9pfs/0")
        .with_node(&format!("{share}/backend"), "/local/domain/0/backend/9pfs/7/0")
        .with_node(&format!("{share}/path"), "/srv")
        .with_node(&format!("{share}/security_model"), "none")
        .with_node("/local/domain/7/device/9pfs/0/tag", "share");
    assert_eq!(here.only().description.unwrap_err().kind(), ErrorKind::Invalid);
    let ours = Here::new().with(&NinePfs::new(0, "share", "/srv").unwrap());
    assert!(ours.only().description.is_ok());
}

#[test]
fn without_records_devices_are_found_where_they_are_served() {
    let driver = DomId::new(3).unwrap();
    let here = Here::new().with(&disk()).with(&nic().served_by(driver));
    here.store.rm(&Path::new("/libxl").unwrap()).unwrap();
    assert!(here.listed().is_empty());
    let found = served(&here.store, &[DomId::DOM0], guest()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].description.as_ref().unwrap(), &Device::Vbd(disk()));
    let found = served(&here.store, &[DomId::DOM0, driver], guest()).unwrap();
    let kinds: Vec<_> = found.into_iter().map(|one| one.device.kind).collect();
    assert_eq!(kinds, [Kind::Vif, Kind::Vbd]);
}

#[test]
fn a_server_has_no_say_in_what_the_guest_was_told() {
    let here = Here::new().with(&disk().untrusted());
    here.store.rm(&Path::new("/libxl").unwrap()).unwrap();
    let told = "/local/domain/0/backend/vbd/7/51712/frontend/trusted";
    let here = here.with_node(told, "0");
    let found = served(&here.store, &[DomId::DOM0], guest()).unwrap();
    assert_eq!(found[0].description.as_ref().unwrap(), &Device::Vbd(disk()));
}

#[test]
fn a_serving_end_of_another_domain_or_number_is_left_out() {
    let backend = "/local/domain/0/backend/vbd/7";
    let here = Here::new()
        .with_node(&format!("{backend}/1/frontend"), "/local/domain/8/device/vbd/1")
        .with_node(&format!("{backend}/2/frontend"), "/local/domain/7/device/vbd/1")
        .with_node(&format!("{backend}/3/frontend"), "/local/domain/7/attr")
        .with_node(&format!("{backend}/4/state"), "1");
    assert!(served(&here.store, &[DomId::DOM0], guest()).unwrap().is_empty());
}
