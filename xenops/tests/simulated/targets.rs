//! Disks that are said to be of a type: one whose target is something else is refused before anything is
//! touched.

use std::path::Path;

use xen_types::DomId;
use xenops::{CreateOptions, DiskType, DomainConfig, GuestKind, Host, Kind, VbdConfig};

use crate::devices::{DISK, FILE, site};
use crate::site::{Site, long};

fn with_disk(site: &Site, target: &str, kind: DiskType) -> DomainConfig {
    let mut config = site.config(GuestKind::Pvh, "deaf");
    let mut disk = VbdConfig::new("xvda", target);
    disk.kind = Some(kind);
    config.vbd.push(disk);
    config
}

fn create(host: &Host, config: &DomainConfig) -> xenops::Result<DomId> {
    host.create(config, CreateOptions::default(), &long(host))
}

/// A guest with such a disk is refused with these words, and so is a disk for one that is there.
fn refused(target: &str, kind: DiskType, why: Kind, words: &str) {
    let site = site();
    let host = site.driving(&site.machine.process());
    let before = site.machine.snapshot().unwrap();

    let error = create(&host, &with_disk(&site, target, kind)).unwrap_err();
    assert_eq!((error.kind(), error.cause().to_string().as_str()), (why, words));
    assert!(error.leftovers().is_empty(), "{error:?}");
    let error = host.check_target(Path::new(target), kind).unwrap_err();
    assert_eq!((error.kind(), error.cause().to_string().as_str()), (why, words));

    before.assert_unchanged(&site.machine);
    // A domain that had been made and taken away would have had the number.
    assert_eq!(site.create(&host, GuestKind::Pvh, "deaf").unwrap().raw(), 1);
}

#[test]
fn a_file_is_no_block_device() {
    let words = "/images/data.img is no block device";
    refused(FILE, DiskType::Phy, Kind::Invalid, words);
}

#[test]
fn a_block_device_is_no_file() {
    refused(DISK, DiskType::File, Kind::Invalid, "/dev/sdb is not a file");
}

#[test]
fn a_folder_is_no_image_for_a_qemu() {
    let words = "/sys/block is neither a file nor a block device";
    refused("/sys/block", DiskType::Qdisk, Kind::Invalid, words);
}

#[test]
fn what_is_not_there_is_of_no_type() {
    refused("/no/such.img", DiskType::Qdisk, Kind::NotFound, "look at /no/such.img");
}

#[test]
fn a_guest_starts_with_disks_that_are_what_they_are_said_to_be() {
    let site = site();
    let host = site.driving(&site.machine.process());
    let mut config = with_disk(&site, FILE, DiskType::File);
    let mut disk = VbdConfig::new("xvdb", DISK);
    disk.kind = Some(DiskType::Phy);
    config.vbd.push(disk);

    let dom = create(&host, &config).unwrap();

    assert_eq!(site.machine.linux().loops(), ["/dev/loop0 /images/data.img"]);
    assert_eq!(host.devices(dom).unwrap().len(), 3);
}

#[test]
fn the_target_of_another_domain_is_not_looked_for_here() {
    let site = site();
    let host = site.driving(&site.machine.process());
    let driver = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    let mut config = with_disk(&site, "/dev/data", DiskType::Phy);
    config.name = "web".into();
    config.vbd[0].backend = Some("guest".into());

    // It is not waited for here.
    let options = CreateOptions::default();
    let limits = host.limits(std::time::Duration::from_secs(1));
    let late = host.create(&config, options, &limits).unwrap_err();

    assert_eq!(late.kind(), Kind::TimedOut, "{late:?}");
    host.destroy(driver, &long(&host)).unwrap();
}
