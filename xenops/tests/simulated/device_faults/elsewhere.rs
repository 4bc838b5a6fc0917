//! The same of devices that a Linux in another domain serves. It stays, and is as it was.

use xen_sim::How;
use xen_types::DomId;
use xenops::device::{Vbd, Vif};
use xenops::{CreateOptions, GuestKind, Host, VbdConfig, VifConfig};

use super::{attachments_to, creations_on, destructions_on, detachments_from, guest_on};
use crate::devices::{DISK, port, site};
use crate::misbehaviour::elsewhere::driver;
use crate::site::{Site, long};

/// A machine with a domain that serves others.
fn served() -> (Site, DomId) {
    let site = site();
    let host = site.driving(&site.machine.process());
    let driver = driver(&site, &host);
    (site, driver)
}

fn disk(driver: DomId) -> Vbd {
    Vbd::phy("xvdb".parse().unwrap(), DISK).unwrap().served_by(driver)
}

fn interface(driver: DomId) -> Vif {
    port().served_by(driver)
}

fn attachments_of_a_disk(how: How) -> usize {
    let (site, driver) = served();
    attachments_to(guest_on(site), &disk(driver), how)
}

fn attachments_of_an_interface(how: How) -> usize {
    let (site, driver) = served();
    attachments_to(guest_on(site), &interface(driver), how)
}

fn detachments_of_a_disk(how: How) -> usize {
    let (site, driver) = served();
    detachments_from(guest_on(site), &disk(driver), how)
}

/// A guest that starts with a disk and an interface of the other domain.
fn create(site: &Site, host: &Host) -> xenops::Result<DomId> {
    let mut config = site.config(GuestKind::Pvh, "");
    let (mut disk, mut port) = (VbdConfig::new("xvda", DISK), VifConfig::new("xenbr0"));
    disk.backend = Some("driver".into());
    port.backend = Some("driver".into());
    (config.vbd, config.vif) = (vec![disk], vec![port]);
    host.create(&config, CreateOptions::default(), &long(host))
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_disk_of_another_domains() {
    let failed = attachments_of_a_disk(How::Undone);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_an_attachment_killed_after_a_call_leaves_in_another_domain_the_next_takes() {
    let failed = attachments_of_a_disk(How::DeathAfter);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn a_call_that_fails_leaves_nothing_of_an_interface_of_another_domains() {
    let failed = attachments_of_an_interface(How::Undone);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_detachment_from_another_domain_fails_to_take_away_it_names_or_the_next_takes() {
    let failed = detachments_of_a_disk(How::Undone);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_detachment_from_another_domain_that_is_killed_leaves_the_next_takes() {
    let failed = detachments_of_a_disk(How::DeathBefore);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_guest_whose_devices_another_domain_serves() {
    let (site, _) = served();
    let failed = creations_on(&site, create, How::Undone);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn what_a_creation_with_devices_of_another_domain_that_is_killed_has_made_the_next_removes() {
    let (site, _) = served();
    let failed = creations_on(&site, create, How::DeathAfter);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn what_the_end_of_a_guest_with_devices_of_another_domain_fails_to_take_away_the_next_takes() {
    let (site, _) = served();
    let failed = destructions_on(&site, create, How::Undone);
    assert!(failed >= 30, "{failed} calls");
}

#[test]
fn what_the_end_of_a_guest_with_devices_of_another_domain_that_is_killed_leaves_the_next_takes() {
    let (site, _) = served();
    let failed = destructions_on(&site, create, How::DeathBefore);
    assert!(failed >= 30, "{failed} calls");
}
