//! Drives whose medium is changed while a guest has them, and disks that are paused.

mod dom0;

use std::path::Path;
use std::time::Duration;

use dom0::linux::{Linux, md5};
use dom0::{Config, Guest, Leavings, Ran, ended, ok, run, start, until, xenops};

/// A file with random bytes, removed with the test.
struct Medium(String);

impl Medium {
    fn new(name: &str, blocks: u32) -> Self {
        let path = format!("/tmp/{name}.iso");
        let (of, count) = (format!("of={path}"), format!("count={blocks}"));
        ok("dd", &["if=/dev/urandom", &of, "bs=65536", &count]);
        Self(path)
    }

    /// Whether a loop device is on it.
    fn is_used(&self) -> bool {
        ok("losetup", &["-a"]).contains(&self.0)
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn tiny_with_drive(name: &str, more: &[&str]) -> Guest {
    let guest = Guest::create(name, &Config::tiny(name, "pv", ""));
    ok("xenops", &[&["attach", "vbd", name, "--cdrom", "--vdev", "xvdc"], more].concat());
    guest
}

fn insert(name: &str, medium: &Medium) -> Ran {
    xenops(&["vbd", "insert", name, "xvdc", &medium.0, "--timeout", "110"])
}

fn eject(name: &str) {
    ok("xenops", &["vbd", "eject", name, "xvdc", "--timeout", "110"]);
}

fn refused(ran: &Ran, status: i32, because: &str) {
    assert_eq!(ran.status, Some(status), "{ran:?}");
    assert!(ran.err.contains(because), "{because:?} is not in {:?}", ran.err);
}

fn backend(guest: &Guest, key: &str) -> String {
    format!("/local/domain/0/backend/vbd/{}/51744/{key}", guest.id)
}

/// A medium comes, is read, and goes.
fn seen_and_gone(linux: &Linux, medium: &Medium) {
    ok("xenops", &["vbd", "insert", linux.name(), "xvdc", &medium.0, "--connected"]);
    linux.comes_to("test -b /dev/xvdc");
    assert_eq!(linux.md5("/dev/xvdc"), md5(&medium.0));
    eject(linux.name());
    linux.comes_to("! test -e /dev/xvdc");
    assert!(!medium.is_used());
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_has_one_medium_after_the_other() {
    let (small, large) = (Medium::new("media-1", 8), Medium::new("media-2", 24));
    let linux = Linux::boot("media", "pv", "");
    let before = Leavings::now();
    ok("xenops", &["attach", "vbd", "media", "--cdrom", "--vdev", "xvdc"]);
    linux.does("! test -e /dev/xvdc");

    seen_and_gone(&linux, &small);
    seen_and_gone(&linux, &large);
    ok("xenops", &["vbd", "insert", "media", "xvdc", &small.0, "--connected"]);
    linux.comes_to("test -b /dev/xvdc");
    assert_eq!(linux.does("cat /sys/block/xvdc/ro").trim_end().chars().last(), Some('1'));

    ok("xenops", &["detach", "vbd", "media", "xvdc"]);
    linux.comes_to("! test -e /dev/xvdc");
    before.assert_unchanged();
}

/// `blkfront_probe` of Linux leaves drives to the device model in every guest that is not PV.
#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_of_linux_says_that_it_takes_no_drive() {
    let (medium, _linux) = (Medium::new("media-pvh", 8), Linux::boot("media-pvh", "pvh", ""));
    let before = Leavings::now();
    ok("xenops", &["attach", "vbd", "media-pvh", "--cdrom", "--vdev", "xvdc"]);

    let insert = ["vbd", "insert", "media-pvh", "xvdc", &medium.0, "--connected"];
    let refused = run("xenops", &[&insert[..], &["--timeout", "5"]].concat());

    assert_eq!(refused.status, Some(5), "{refused:?}");
    assert!(refused.err.contains("\"19 xenbus_dev_probe on device/vbd/51744\""), "{refused:?}");
    assert!(!medium.is_used());
    ok("xenops", &["detach", "vbd", "media-pvh", "xvdc"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_medium_that_a_guest_holds_open_is_taken_and_the_next_one_works() {
    let (held, next) = (Medium::new("held", 8), Medium::new("next", 8));
    let linux = Linux::boot("holds", "pv", "");
    ok("xenops", &["attach", "vbd", "holds", "--cdrom", "--vdev", "xvdc", "--target", &held.0]);
    linux.comes_to("test -b /dev/xvdc");
    linux.does("exec 5</dev/xvdc");

    eject("holds");

    assert!(!held.is_used());
    linux.does("! dd if=/dev/fd/5 of=/dev/null bs=4096 count=1 skip=9 2>/dev/null");
    linux.does("exec 5<&-");
    linux.comes_to("! test -e /dev/xvdc");
    seen_and_gone(&linux, &next);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn media_change_ten_times_and_a_guest_misses_none() {
    let medium = Medium::new("ten", 8);
    let linux = Linux::boot("ten", "pv", "");
    ok("xenops", &["attach", "vbd", "ten", "--cdrom", "--vdev", "xvdc"]);
    for _ in 0..10 {
        ok("xenops", &["vbd", "insert", "ten", "xvdc", &medium.0, "--connected"]);
        eject("ten");
    }
    seen_and_gone(&linux, &medium);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn scripts_make_a_medium_ready_and_take_it_back() {
    let medium = Medium::new("by-script", 8);
    let guest = tiny_with_drive("by-script", &["--hotplug", "scripts"]);
    // With its first medium it gets its ends, which stay.
    assert_eq!(insert("by-script", &medium).status, Some(0));
    eject("by-script");
    let before = Leavings::now();

    assert_eq!(insert("by-script", &medium).status, Some(0));
    assert!(medium.is_used());
    assert_eq!(ok("xenstore-read", &[&backend(&guest, "hotplug-status")]).trim(), "connected");
    eject("by-script");

    assert!(!medium.is_used());
    before.assert_unchanged();
    ok("xenops", &["detach", "vbd", "by-script", "xvdc"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_medium_that_cannot_be_leaves_the_drive_empty_and_usable() {
    let (medium, other) = (Medium::new("one-cd", 8), Medium::new("other-cd", 8));
    let _guest = tiny_with_drive("refuses", &[]);
    let writer = Guest::create("writes-cd", &Config::tiny("writes-cd", "pv", ""));
    ok("xenops", &["attach", "vbd", "writes-cd", "--target", &other.0, "--vdev", "xvda"]);
    let before = Leavings::now();

    let missing = xenops(&["vbd", "insert", "refuses", "xvdc", "/tmp/no-such.iso"]);
    refused(&missing, 1, "No such file");
    refused(&insert("refuses", &other), 1, "is used by /dev/loop");
    let hard_disk = xenops(&["vbd", "eject", "writes-cd", "xvda"]);
    refused(&hard_disk, 1, "it is no drive");
    before.assert_unchanged();

    assert_eq!(insert("refuses", &medium).status, Some(0));
    refused(&insert("refuses", &medium), 1, "something is in it");
    eject("refuses");
    let before = Leavings::now();
    eject("refuses");
    refused(&insert("refuses", &other), 1, "is used by /dev/loop");
    before.assert_unchanged();
    drop(writer);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xl_lists_a_drive_that_nothing_was_in_and_takes_it_away() {
    let guest = Guest::create("for-xl", &Config::tiny("for-xl", "pv", ""));
    let before = Leavings::now();
    ok("xenops", &["attach", "vbd", &guest.name, "--cdrom", "--vdev", "xvdc"]);
    assert!(ok("xl", &["block-list", &guest.name]).contains("51744"));
    ok("xl", &["block-detach", &guest.name, "51744"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_medium_that_no_guest_connects_to_in_time_is_taken_out_again() {
    let medium = Medium::new("too-late", 8);
    // A tiny guest has no frontend.
    let _guest = tiny_with_drive("too-late", &[]);
    let before = Leavings::now();
    let connected =
        ["vbd", "insert", "too-late", "xvdc", &medium.0, "--connected", "--timeout", "10"];
    refused(&xenops(&connected), 5, "waited for both ends to connect");
    assert!(!medium.is_used());
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_locked_tray_is_opened_by_force_alone_and_a_guest_that_asked_is_answered() {
    let medium = Medium::new("locked", 8);
    let guest = tiny_with_drive("locked", &["--target", &medium.0]);
    let eject_node = format!("/local/domain/{}/device/vbd/51744/eject", guest.id);
    ok("xenstore-write", &[&backend(&guest, "locked"), "true"]);
    refused(&xenops(&["vbd", "eject", "locked", "xvdc"]), 1, "its tray is locked by the guest");
    assert!(medium.is_used());

    ok("xenops", &["vbd", "eject", "locked", "xvdc", "--force"]);
    assert!(!medium.is_used());
    ok("xenstore-write", &[&eject_node, "eject"]);
    eject("locked");
    assert_eq!(ok("xenstore-read", &[&eject_node]).trim(), "");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_drive_that_lost_its_ends_to_a_killed_process_takes_a_medium() {
    let (medium, other) = (Medium::new("lost-1", 8), Medium::new("lost-2", 8));
    let guest = tiny_with_drive("lost", &["--target", &medium.0]);
    let before = Leavings::now();
    // As far as an ejection is when it has removed the ends and is killed.
    ok("xenstore-rm", &[&format!("/local/domain/{}/device/vbd/51744", guest.id)]);
    let folder = format!("/sys/bus/xen-backend/devices/vbd-{}-51744", guest.id);
    until("the backend has let go", || !Path::new(&folder).exists());
    ok("xenstore-rm", &[&format!("/local/domain/0/backend/vbd/{}/51744", guest.id)]);
    assert!(!medium.is_used());

    assert_eq!(insert("lost", &other).status, Some(0));
    assert!(other.is_used());
    eject("lost");
    assert_eq!(insert("lost", &medium).status, Some(0));
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_backend_that_cannot_pause_a_disk_is_told_and_forgotten() {
    let medium = Medium::new("unpausable", 8);
    let _guest = tiny_with_drive("unpausable", &["--target", &medium.0]);
    let before = Leavings::now();
    let asked = xenops(&["vbd", "pause", "unpausable", "xvdc", "--timeout", "2"]);
    refused(&asked, 3, "its backend did not answer, as one that cannot pause a disk");
    before.assert_unchanged();
    ok("xenops", &["vbd", "unpause", "unpausable", "xvdc"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_disk_is_paused_and_runs_when_its_backend_has_answered() {
    let medium = Medium::new("pausable", 8);
    let guest = tiny_with_drive("pausable", &["--target", &medium.0]);
    let before = Leavings::now();
    let (ask, done) = (backend(&guest, "pause"), backend(&guest, "pause-done"));
    // This test plays the backend of OpenXT's kernel.
    let pausing = start("xenops", &["vbd", "pause", "pausable", "xvdc"]);
    until("it is asked to pause", || run("xenstore-read", &[&ask]).status == Some(0));
    ok("xenstore-write", &[&done, ""]);
    assert_eq!(ended(pausing, Duration::from_secs(20)).status, Some(0));

    let running = start("xenops", &["vbd", "unpause", "pausable", "xvdc"]);
    until("it is asked to run", || run("xenstore-read", &[&ask]).status != Some(0));
    ok("xenstore-rm", &[&done]);
    assert_eq!(ended(running, Duration::from_secs(20)).status, Some(0));
    before.assert_unchanged();
}
