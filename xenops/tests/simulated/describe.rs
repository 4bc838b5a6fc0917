//! What a configuration would say of a domain that is there.

use devices::{Spec as _, Vkb};
use xen_types::DomId;
use xenops::device::{Vbd, Vif};
use xenops::{DiskMode, GuestKind, Host, Kind, Problem, VbdConfig, VifConfig};
use xs::{Path, Store as _};

use crate::site::Site;

fn add(host: &Host, dom: DomId, device: &impl devices::Spec) {
    let tree = device.tree(dom);
    host.store().transaction(|tx| tree.write_to(tx)).unwrap();
}

#[test]
fn a_domain_is_described_as_it_was_created_and_with_what_was_attached_since() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    let mac = "00:16:3e:01:02:03";
    add(&host, dom, &Vbd::phy("xvdb".parse().unwrap(), "/images/data").unwrap().read_only());
    add(&host, dom, &Vif::new(0, mac.parse().unwrap()).bridge("xenbr0").unwrap());

    let config = host.config(dom).unwrap();

    let mut wanted = site.config(GuestKind::Pvh, "");
    wanted.kernel = "".into();
    wanted.uuid = Some(host.domain(dom).unwrap().uuid);
    let mut disk = VbdConfig::new("xvdb", "/images/data");
    disk.mode = DiskMode::Read;
    wanted.vbd.push(disk);
    let mut port = VifConfig::new("xenbr0");
    port.mac = Some(mac.to_owned());
    wanted.vif.push(port);
    assert_eq!(config, wanted);
}

#[test]
fn a_domain_with_a_device_that_would_not_come_back_is_not_described() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pv, "deaf").unwrap();
    let keyboard = Vkb::new(0);
    add(&host, dom, &keyboard);
    let error = host.config(dom).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    let refused = Problem::NotDescribed(keyboard.ends(dom).device);
    assert_eq!(error.cause().to_string(), refused.to_string());
}

#[test]
fn an_hvm_guest_and_one_of_no_known_kind_are_not_described() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    let kind = Path::from_static("/libxl").join(dom).join("type");
    host.store().write(&kind, "hvm").unwrap();
    assert_eq!(host.config(dom).unwrap_err().kind(), Kind::Unavailable);
    host.store().write(&kind, "unikernel").unwrap();
    assert_eq!(host.config(dom).unwrap_err().kind(), Kind::Invalid);
}
