//! What is refused about devices before anything is touched.

use std::time::Duration;

use xenops::device::Vbd;
use xenops::{AttachOptions, GuestKind, Hotplug, Kind};

use crate::site::{Site, within};

#[test]
fn what_could_not_be_detached_is_not_attached_by_any_policy() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    let before = site.machine.snapshot().unwrap();
    let disk = Vbd::qdisk("xvda".parse().unwrap(), devices::Format::Raw, "/a.img").unwrap();
    let options = AttachOptions { hotplug: Hotplug::Scripts, ..AttachOptions::default() };

    let error = host.attach(dom, &disk, options, &within(Duration::from_secs(20))).unwrap_err();

    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    assert_eq!(
        error.cause().to_string(),
        "devices of kind qdisk can be neither attached nor detached"
    );
    before.assert_unchanged(&site.machine);
}
