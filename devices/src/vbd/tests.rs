use xen_types::Kind as ErrorKind;

use super::*;
use crate::testing::{dom, read_back, record_with};

fn xvda() -> Vdev {
    "xvda".parse().unwrap()
}

#[test]
fn a_disk_stands_at_both_ends_and_in_the_record() {
    let disk = Vbd::phy(xvda(), "/dev/vg/root").unwrap().served_by(dom(3));
    assert_eq!(disk.tree(dom(7)).to_string(), PHY);
}

const PHY: &str = r#"/libxl/7/device/vbd/51712/frontend = "/local/domain/7/device/vbd/51712"
/libxl/7/device/vbd/51712/backend = "/local/domain/3/backend/vbd/7/51712"
/libxl/7/device/vbd/51712/frontend-id = "7"
/libxl/7/device/vbd/51712/online = "1"
/libxl/7/device/vbd/51712/state = "1"
/libxl/7/device/vbd/51712/params = "/dev/vg/root"
/libxl/7/device/vbd/51712/script = "/etc/xen/scripts/block"
/libxl/7/device/vbd/51712/removable = "0"
/libxl/7/device/vbd/51712/bootable = "1"
/libxl/7/device/vbd/51712/dev = "xvda"
/libxl/7/device/vbd/51712/type = "phy"
/libxl/7/device/vbd/51712/mode = "w"
/libxl/7/device/vbd/51712/device-type = "disk"
/libxl/7/device/vbd/51712/discard-enable = "1"
/libxl/7/device/vbd/51712/specification = "xen"
/libxl/7/device/vbd/51712/frontend/trusted = "1"
/local/domain/7/device/vbd/51712 = ""   (n7,r3)
/local/domain/7/device/vbd/51712/backend = "/local/domain/3/backend/vbd/7/51712"
/local/domain/7/device/vbd/51712/backend-id = "3"
/local/domain/7/device/vbd/51712/state = "1"
/local/domain/7/device/vbd/51712/virtual-device = "51712"
/local/domain/7/device/vbd/51712/device-type = "disk"
/local/domain/7/device/vbd/51712/trusted = "1"
/local/domain/3/backend/vbd/7/51712 = ""   (n3,r7)
/local/domain/3/backend/vbd/7/51712/frontend = "/local/domain/7/device/vbd/51712"
/local/domain/3/backend/vbd/7/51712/frontend-id = "7"
/local/domain/3/backend/vbd/7/51712/online = "1"
/local/domain/3/backend/vbd/7/51712/state = "1"
/local/domain/3/backend/vbd/7/51712/params = "/dev/vg/root"
/local/domain/3/backend/vbd/7/51712/script = "/etc/xen/scripts/block"
/local/domain/3/backend/vbd/7/51712/removable = "0"
/local/domain/3/backend/vbd/7/51712/bootable = "1"
/local/domain/3/backend/vbd/7/51712/dev = "xvda"
/local/domain/3/backend/vbd/7/51712/type = "phy"
/local/domain/3/backend/vbd/7/51712/mode = "w"
/local/domain/3/backend/vbd/7/51712/device-type = "disk"
/local/domain/3/backend/vbd/7/51712/discard-enable = "1"
/local/domain/3/backend/vbd/7/51712/specification = "xen"
"#;

#[test]
fn every_source_is_served_by_its_own_kind() {
    let served_as = |vbd: Result<Vbd>| vbd.unwrap().ends(dom(7)).served_as;
    assert_eq!(served_as(Vbd::phy(xvda(), "/dev/sdz")), Kind::Vbd);
    assert_eq!(served_as(Vbd::file(xvda(), "/a.img")), Kind::Vbd);
    assert_eq!(served_as(Vbd::qdisk(xvda(), Format::Qcow2, "/a.q")), Kind::Qdisk);
    assert_eq!(served_as(Vbd::tap(xvda(), Blktap::Three, Format::Vhd, "/a.vhd")), Kind::Vbd3);
    assert_eq!(served_as(Vbd::tap(xvda(), Blktap::Two, Format::Vhd, "/a.vhd")), Kind::Tap);
}

#[test]
fn params_name_the_format_where_the_server_opens_an_image() {
    let params = |vbd: Result<Vbd>| vbd.unwrap().source().params();
    assert_eq!(params(Vbd::file(xvda(), "/a.img")), "/a.img");
    assert_eq!(params(Vbd::qdisk(xvda(), Format::Raw, "/a.img")), "aio:/a.img");
    assert_eq!(params(Vbd::tap(xvda(), Blktap::Two, Format::Vhd, "/a:b")), "vhd:/a:b");
    assert_eq!(params(Vbd::empty_drive(xvda(), Medium::Cdrom)), "aio:");
}

#[test]
fn what_is_written_is_read() {
    let disk = Vbd::tap(xvda(), Blktap::Three, Format::Vhd, "/a:b.vhd").unwrap();
    let disk = disk.script("/etc/xen/scripts/block-mine").unwrap();
    let disk = disk.untrusted().without_discard().direct_io_safe().protocol(Protocol::X86_64);
    assert_eq!(read_back(&disk).unwrap(), disk);
    let drive = Vbd::empty_drive("hdc".parse().unwrap(), Medium::Cdrom).unwrap();
    assert_eq!(read_back(&drive).unwrap(), drive);
    let floppy = Vbd::file(xvda(), "/a.img").unwrap().floppy().served_by(dom(3));
    assert_eq!(read_back(&floppy).unwrap(), floppy);
}

#[test]
fn only_a_drive_can_be_empty() {
    let error = Vbd::empty_drive(xvda(), Medium::Disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "describe a disk");
    let disk = Vbd::qdisk(xvda(), Format::Raw, "/a.img").unwrap();
    assert!(Vbd::from_record(&record_with(&disk, "params", "")).is_err());
    let cdrom = disk.cdrom();
    let drive = Vbd::from_record(&record_with(&cdrom, "params", "")).unwrap();
    assert!(drive.source().is_empty());
}

#[test]
fn a_drive_of_the_kernels_backend_waits_for_a_medium_and_takes_any() {
    let drive = Vbd::waiting_drive("xvdc".parse().unwrap(), Medium::Cdrom).unwrap();
    assert_eq!((drive.ends(dom(7)).served_as, drive.is_writable()), (Kind::Vbd, false));
    assert_eq!(read_back(&drive).unwrap(), drive);

    let full = drive.clone().with_medium(Some("/isos/a.iso")).unwrap();

    assert_eq!(full.source().params(), "/isos/a.iso");
    assert_eq!(full.medium(), Medium::Cdrom);
    assert_eq!(full.with_medium(None).unwrap(), drive);
    assert_eq!(Vbd::waiting_drive(xvda(), Medium::Disk).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_hard_disk_has_no_medium_and_qemus_is_not_changed_here() {
    let disk = Vbd::phy(xvda(), "/dev/sdz").unwrap();
    assert_eq!(disk.with_medium(None).unwrap_err().kind(), ErrorKind::Invalid);
    let qemus = Vbd::empty_drive(xvda(), Medium::Cdrom).unwrap();
    assert_eq!(qemus.with_medium(Some("/a.iso")).unwrap_err().kind(), ErrorKind::Unavailable);
    let disk = Vbd::file(xvda(), "/a.img").unwrap();
    assert!(Vbd::from_record(&record_with(&disk, "params", "")).is_err());
}

#[test]
fn a_cdrom_is_read_only() {
    let cdrom = Vbd::phy(xvda(), "/dev/sr0").unwrap().cdrom();
    assert!(!cdrom.is_writable());
    assert!(Vbd::from_record(&record_with(&cdrom, "mode", "w")).is_err());
}

#[test]
fn blocks_of_what_is_not_written_are_not_discarded() {
    let disk = Vbd::phy(xvda(), "/dev/sdz").unwrap().read_only();
    let lines = disk.tree(dom(7)).to_string();
    assert!(lines.contains("7/51712/discard-enable = \"0\""), "{lines}");
}

#[test]
fn only_those_who_run_scripts_get_one() {
    let qdisk = Vbd::qdisk(xvda(), Format::Raw, "/a.img").unwrap();
    assert_eq!(qdisk.hotplug_script(), None);
    assert_eq!(qdisk.script("/bin/true").unwrap_err().kind(), ErrorKind::Invalid);
    let phy = Vbd::phy(xvda(), "/dev/sdz").unwrap();
    assert_eq!(phy.hotplug_script(), Some("/etc/xen/scripts/block"));
    assert!(Vbd::from_record(&record_with(&phy, "script", "block-mine")).is_err());
    let qdisk = Vbd::qdisk(xvda(), Format::Raw, "/a.img").unwrap();
    assert!(Vbd::from_record(&record_with(&qdisk, "script", "/bin/true")).is_err());
    assert_eq!(phy.script("block-mine").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_record_of_something_else_is_refused() {
    let disk = Vbd::phy(xvda(), "/dev/sdz").unwrap();
    let refused = |key, value| Vbd::from_record(&record_with(&disk, key, value)).unwrap_err();
    let backend = "/local/domain/0/backend/vif/7/51712";
    assert_eq!(
        refused("backend", backend).to_string(),
        "understand the record of vbd 51712 of domain 7"
    );
    assert_eq!(refused("type", "toaster").kind(), ErrorKind::Invalid);
    assert_eq!(refused("params", "").kind(), ErrorKind::Invalid);
    assert_eq!(refused("device-type", "tape").kind(), ErrorKind::Invalid);
    assert_eq!(refused("removable", "yes").kind(), ErrorKind::Invalid);
    assert_eq!(refused("frontend/protocol", "pdp11-abi").kind(), ErrorKind::Invalid);
}

/// XSA-403.
#[test]
fn a_guest_is_told_of_a_disk_that_it_shall_not_trust() {
    let disk = Vbd::phy(xvda(), "/dev/vg/root").unwrap().untrusted();
    let tree = disk.tree(dom(7)).to_string();
    assert!(tree.contains("/device/vbd/51712/trusted = \"0\"\n"), "{tree}");
}
