//! What is refused about devices before anything is touched.

use std::time::Duration;

use devices::Spec as _;
use xenops::device::Vbd;
use xenops::{AttachOptions, DetachOptions, GuestKind, Hotplug, Kind};
use xs::{Store as _, View as _};

use crate::site::{Site, is_up};

#[test]
fn what_could_not_be_detached_is_not_attached_by_any_policy() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    is_up(&host, dom);
    let before = site.machine.snapshot().unwrap();
    let keyboard = devices::Vkb::new(0);
    let options = AttachOptions { hotplug: Hotplug::Scripts, ..AttachOptions::default() };

    let error =
        host.attach(dom, &keyboard, options, &host.limits(Duration::from_secs(20))).unwrap_err();

    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    assert_eq!(
        error.cause().to_string(),
        "devices of kind vkbd can be neither attached nor detached"
    );
    before.assert_unchanged(&site.machine);
}

fn disk() -> Vbd {
    Vbd::phy("xvda".parse().unwrap(), "/dev/null").unwrap()
}

#[test]
fn a_device_of_another_machine_is_not_attached_on_this_one() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    is_up(&host, dom);
    let before = site.machine.snapshot().unwrap();
    let limits = host.limits(Duration::from_secs(20));

    let error = host.attach(dom, &disk(), AttachOptions::default(), &limits).unwrap_err();

    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    assert!(error.cause().to_string().starts_with("the host is not this machine"), "{error:?}");
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_device_of_another_machine_is_not_detached_on_this_one() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    let (tree, ends) = (disk().tree(dom), disk().ends(dom));
    host.store().transaction(|tx| tree.write_to(tx)).unwrap();
    let limits = host.limits(Duration::from_secs(20));

    let detached = host.detach(&ends.device, DetachOptions { force: true }, &limits);
    let destroyed = host.destroy(dom, &limits);

    assert_eq!(detached.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(destroyed.unwrap_err().kind(), Kind::Unavailable);
    assert!(host.store().read_opt(&ends.record()).unwrap().is_some());
    assert!(host.xc().info(dom).is_ok());
}

#[test]
fn a_record_that_makes_no_sense_is_listed_with_the_reason_and_the_others_are_too() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    let (tree, ends) = (disk().tree(dom), disk().ends(dom));
    let bad = ends.record().parent().unwrap().join("51728");
    host.store().transaction(|tx| tree.write_to(tx)).unwrap();
    host.store().write(&bad.join("backend"), "/nowhere").unwrap();

    let listed = host.devices(dom).unwrap();

    let disks: Vec<_> =
        listed.iter().filter(|at| at.device.kind == xenops::device::Kind::Vbd).collect();
    assert_eq!(disks.len(), 2);
    assert_eq!(disks[0].found.as_ref().unwrap().source.as_deref(), Some("/dev/null"));
    assert_eq!(disks[1].found.as_ref().unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn a_record_that_makes_no_sense_is_another_device_to_a_removal() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    let bad = disk().ends(dom).record();
    host.store().write(&bad.join("backend"), "/nowhere").unwrap();
    let limits = host.limits(Duration::from_secs(20));

    let refused = host.destroy(dom, &limits).unwrap_err();
    assert_eq!(refused.cause().to_string(), "it has devices of kind vbd, which cannot be removed");

    host.store().rm(&bad).unwrap();
    host.destroy(dom, &limits).unwrap();
}
