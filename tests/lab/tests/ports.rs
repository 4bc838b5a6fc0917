//! Network interfaces that are changed while a guest uses them.

mod dom0;

use std::fs;
use std::path::Path;
use std::time::Instant;

use dom0::linux::Linux;
use dom0::{ok, run, until, xenops};

/// A guest with an interface in the bridge of dom0, which it reaches.
fn reaching(name: &'static str, kind: &str) -> Linux {
    let linux = Linux::boot(name, kind, "");
    ok("xenops", &["attach", "vif", name, "--bridge", "xenbr0", "--connected"]);
    linux.comes_to("test -e /sys/class/net/eth0");
    linux.does("ip addr add 10.9.9.2/24 dev eth0 && ip link set eth0 up");
    linux.comes_to("ping -c 1 -W 2 10.9.9.1");
    linux
}

fn set(linux: &Linux, what: &[&str]) {
    ok("xenops", &[&["vif", "set", linux.name(), "0"], what].concat());
}

fn node(linux: &Linux, end: &str, key: &str) -> String {
    let id = &linux.guest.id;
    let path = match end {
        "backend" => format!("/local/domain/0/backend/vif/{id}/0/{key}"),
        "record" => format!("/libxl/{id}/device/vif/0/{key}"),
        _ => format!("/local/domain/{id}/device/vif/0/{key}"),
    };
    ok("xenstore-read", &[&path]).trim().to_owned()
}

/// What netback itself says of an interface's first queue.
fn queue(linux: &Linux) -> String {
    let debug = Path::new("/sys/kernel/debug");
    if !debug.join("xen-netback").exists() {
        ok("mount", &["-t", "debugfs", "debugfs", "/sys/kernel/debug"]);
    }
    let queue = format!("xen-netback/vif{}.0/io_ring_q0", linux.guest.id);
    fs::read_to_string(debug.join(queue)).expect("netback has it")
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn netback_goes_by_a_new_rate_at_once_and_by_none_again() {
    let linux = reaching("rated", "pv");
    assert!(queue(&linux).contains("usec: 0\n"), "{}", queue(&linux));

    set(&linux, &["--rate", "10Mb/s@20ms"]);
    until("netback has the rate", || queue(&linux).contains("credit: 25000, usec: 20000"));
    assert_eq!(node(&linux, "record", "rate"), "25000,20000");
    linux.comes_to("ping -c 1 -W 2 10.9.9.1");

    set(&linux, &["--no-rate"]);
    until("netback has no rate", || queue(&linux).contains("usec: 0\n"));
    linux.comes_to("ping -c 1 -W 2 10.9.9.1");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_sends_no_faster_than_its_new_rate() {
    let linux = reaching("slowed", "pv");
    set(&linux, &["--rate", "20KB/s"]);
    until("netback has the rate", || queue(&linux).contains("credit: 1000, usec: 50000"));
    let received = format!("/sys/class/net/vif{}.0/statistics/rx_bytes", linux.guest.id);
    let received = || -> u64 {
        let text = fs::read_to_string(&received).expect("statistics of the port");
        text.trim().parse().expect("a number")
    };
    let (start, before) = (Instant::now(), received());

    let said = linux.ask("ping -q -c 200 -i 0.01 -s 1400 -W 1 10.9.9.1 | grep transmitted");

    let (time, bytes) = (start.elapsed().as_secs(), received() - before);
    assert!(said.contains("200 packets transmitted"), "{said}");
    // 288 kB were sent within a few seconds.
    eprintln!("{bytes} bytes came through in {time} s: {said}");
    assert!(bytes < 20_000 * (time + 2), "{bytes} bytes in {time} s");
    assert!(bytes > 1_000, "{bytes} bytes in {time} s");
}

fn cable_is_pulled(name: &'static str, kind: &str) {
    let linux = reaching(name, kind);
    let flags = format!("/sys/class/net/vif{}.0/flags", linux.guest.id);

    set(&linux, &["--carrier", "off"]);
    linux.does("! ping -c 2 -W 1 10.9.9.1");
    assert_eq!(node(&linux, "backend", "carrier"), "0");
    assert_eq!(node(&linux, "front", "disconnect"), "1");
    let down = fs::read_to_string(&flags).expect("flags of the port");
    // Linux's frontend does not look: it says that there is a carrier.
    assert!(linux.does("cat /sys/class/net/eth0/carrier").trim_end().ends_with('1'));

    set(&linux, &["--carrier", "on"]);
    linux.comes_to("ping -c 1 -W 2 10.9.9.1");
    assert_eq!(node(&linux, "backend", "carrier"), "1");
    assert_eq!(node(&linux, "front", "disconnect"), "0");
    let up = fs::read_to_string(&flags).expect("flags of the port");
    assert_ne!(down, up);
    ok("xenops", &["detach", "vif", name, "0"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn nothing_of_a_pv_guest_goes_through_a_pulled_cable() {
    cable_is_pulled("cable-pv", "pv");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn nothing_of_a_pvh_guest_goes_through_a_pulled_cable() {
    cable_is_pulled("cable-pvh", "pvh");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_mtu_counts_in_dom0_at_once_and_the_guest_is_told() {
    let linux = reaching("mtu", "pv");
    set(&linux, &["--mtu", "1400"]);
    let port = format!("/sys/class/net/vif{}.0/mtu", linux.guest.id);
    assert_eq!(fs::read_to_string(port).expect("its MTU").trim(), "1400");
    assert_eq!(node(&linux, "front", "mtu"), "1400");
    assert_eq!(node(&linux, "record", "mtu"), "1400");
    // Linux's frontend does not look.
    assert!(linux.does("cat /sys/class/net/eth0/mtu").contains("1500"));

    let refused = xenops(&["vif", "set", "mtu", "0", "--mtu", "60"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.err.contains("60 is not between 68 and 65535"), "{}", refused.err);
    let none = xenops(&["vif", "set", "mtu", "7", "--carrier", "off"]);
    assert!(none.err.contains("there is no record of it"), "{none:?}");
    assert_eq!(run("xenops", &["vif", "set", "mtu", "0"]).status, Some(2), "nothing to set");
}
