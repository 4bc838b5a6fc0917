use xen_types::Kind as ErrorKind;

use super::*;
use crate::testing::{dom, read_back, record_with};

fn vif() -> Vif {
    Vif::new(1, "00:16:3e:01:02:03".parse().unwrap())
}

#[test]
fn an_interface_stands_at_both_ends_and_in_the_record() {
    let lan = vif().bridge("xenbr0").unwrap().served_by(dom(3));
    assert_eq!(lan.tree(dom(7)).to_string(), LAN);
}

const LAN: &str = r#"/libxl/7/device/vif/1/frontend = "/local/domain/7/device/vif/1"
/libxl/7/device/vif/1/backend = "/local/domain/3/backend/vif/7/1"
/libxl/7/device/vif/1/frontend-id = "7"
/libxl/7/device/vif/1/online = "1"
/libxl/7/device/vif/1/state = "1"
/libxl/7/device/vif/1/script = "/etc/xen/scripts/vif-bridge"
/libxl/7/device/vif/1/mac = "00:16:3e:01:02:03"
/libxl/7/device/vif/1/bridge = "xenbr0"
/libxl/7/device/vif/1/handle = "1"
/libxl/7/device/vif/1/type = "vif"
/libxl/7/device/vif/1/hotplug-status = ""
/libxl/7/device/vif/1/frontend/trusted = "1"
/local/domain/7/device/vif/1 = ""   (n7,r3)
/local/domain/7/device/vif/1/backend = "/local/domain/3/backend/vif/7/1"
/local/domain/7/device/vif/1/backend-id = "3"
/local/domain/7/device/vif/1/state = "1"
/local/domain/7/device/vif/1/handle = "1"
/local/domain/7/device/vif/1/mac = "00:16:3e:01:02:03"
/local/domain/7/device/vif/1/trusted = "1"
/local/domain/7/device/vif/1/mtu = "1500"   (n3,r7)
/local/domain/3/backend/vif/7/1 = ""   (n3,r7)
/local/domain/3/backend/vif/7/1/frontend = "/local/domain/7/device/vif/1"
/local/domain/3/backend/vif/7/1/frontend-id = "7"
/local/domain/3/backend/vif/7/1/online = "1"
/local/domain/3/backend/vif/7/1/state = "1"
/local/domain/3/backend/vif/7/1/script = "/etc/xen/scripts/vif-bridge"
/local/domain/3/backend/vif/7/1/mac = "00:16:3e:01:02:03"
/local/domain/3/backend/vif/7/1/bridge = "xenbr0"
/local/domain/3/backend/vif/7/1/handle = "1"
/local/domain/3/backend/vif/7/1/type = "vif"
/local/domain/3/backend/vif/7/1/hotplug-status = ""
"#;

#[test]
fn a_wireless_interface_is_a_vwif_in_the_guest_alone() {
    let ends = vif().wireless().ends(dom(7));
    assert_eq!(ends.frontend().as_str(), "/local/domain/7/device/vwif/1");
    assert_eq!(ends.backend().as_str(), "/local/domain/0/backend/vif/7/1");
    assert_eq!(read_back(&vif().wireless()).unwrap(), vif().wireless());
}

#[test]
fn what_is_written_is_read() {
    let full = vif().emulated().untrusted().served_by(dom(3)).rate(Rate::new(5, 6).unwrap());
    let full = full.mtu(9000).unwrap().script("/bin/true").unwrap().name("lan7").unwrap();
    let full = full.ip("10.0.0.7 10.0.0.8").unwrap().gateway("eth0").unwrap();
    let full = full.vlan("7").unwrap().bridge("xenbr0").unwrap();
    assert_eq!(read_back(&full).unwrap(), full);
}

#[test]
fn the_usual_script_need_not_be_said() {
    assert_eq!(vif().script("/etc/xen/scripts/vif-bridge").unwrap(), vif());
    assert_eq!(vif().hotplug_script(), "/etc/xen/scripts/vif-bridge");
}

#[test]
fn what_no_interface_can_have_is_refused() {
    assert_eq!(vif().mtu(67).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(vif().mtu(65_536).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(vif().name("a234567890123456").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(vif().bridge("").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(vif().script("vif-bridge").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_record_of_something_else_is_refused() {
    let refused =
        |key, value| Vif::from_record(&record_with(&vif(), key, value)).unwrap_err().kind();
    assert_eq!(refused("backend", "/local/domain/0/backend/vbd/7/1"), ErrorKind::Invalid);
    assert_eq!(refused("mac", "ff:ff:ff:ff:ff:ff"), ErrorKind::Invalid);
    assert_eq!(refused("type", "toaster"), ErrorKind::Invalid);
    assert_eq!(refused("mtu", "1"), ErrorKind::Invalid);
    assert_eq!(refused("rate", "1"), ErrorKind::Invalid);
    assert_eq!(refused("bridge", "a\nb"), ErrorKind::Invalid);
    assert_eq!(refused("script", "vif-bridge"), ErrorKind::Invalid);
    assert_eq!(refused("vifname", "a234567890123456"), ErrorKind::Invalid);
}

/// XSA-403.
#[test]
fn a_guest_is_told_of_a_server_that_it_shall_not_trust() {
    let tree = vif().served_by(dom(3)).untrusted().tree(dom(7)).to_string();
    assert!(tree.contains("\n/local/domain/7/device/vif/1/trusted = \"0\"\n"), "{tree}");
}
