//! Who uses what on the host: policies, sharing, other toolstacks, failures. The guests are tiny ones,
//! which have no frontends: their backends wait.

mod dom0;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use dom0::{Config, Guest, Leavings, Ran, ended, ok, run, start, until, xenops, xl_create};

/// A file of 1 MiB, removed with the test.
struct Image(String);

impl Image {
    fn new(name: &str) -> Self {
        Self::at(&format!("/tmp/{name}.img"))
    }

    fn at(path: &str) -> Self {
        ok("dd", &["if=/dev/zero", &format!("of={path}"), "bs=65536", "count=16"]);
        Self(path.to_owned())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn tiny(name: &str) -> Guest {
    Guest::create(name, &Config::tiny(name, "pv", ""))
}

fn attach(guest: &Guest, target: &str, vdev: &str, more: &[&str]) -> Ran {
    let disk = ["attach", "vbd", &guest.name, "--target", target, "--vdev", vdev];
    xenops(&[&disk, more].concat())
}

fn attached(guest: &Guest, target: &str, vdev: &str, more: &[&str]) {
    let ran = attach(guest, target, vdev, more);
    assert_eq!(ran.status, Some(0), "{ran:?}");
}

fn refused(ran: &Ran, because: &str) {
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.err.contains(because), "{because:?} is not in {:?}", ran.err);
}

fn loops() -> String {
    ok("losetup", &["-a"])
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_disk_that_a_guest_writes_to_is_nobody_elses_by_any_name() {
    let (image, one, two) = (Image::new("shared"), tiny("one"), tiny("two"));
    let before = Leavings::now();
    ok("ln", &[&image.0, "/tmp/other-name.img"]);
    ok("ln", &["-s", &image.0, "/tmp/a-link.img"]);
    attached(&one, &image.0, "xvda", &[]);

    refused(&attach(&two, &image.0, "xvda", &[]), "shared.img is used by /dev/loop");
    refused(&attach(&two, "/tmp/other-name.img", "xvda", &["--mode", "r"]), "is used by");
    refused(&attach(&two, "/tmp/a-link.img", "xvda", &[]), "is used by");
    refused(&attach(&one, &image.0, "xvdb", &[]), "is used by");

    ok("xenops", &["detach", "vbd", "one", "xvda"]);
    attached(&two, "/tmp/a-link.img", "xvda", &[]);
    ok("xenops", &["detach", "vbd", "two", "xvda"]);
    ok("rm", &["/tmp/other-name.img", "/tmp/a-link.img"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_block_device_is_shared_by_those_who_only_read_it() {
    let (image, one, two) = (Image::new("reads"), tiny("reads-1"), tiny("reads-2"));
    let device = ok("losetup", &["-f"]).trim().to_owned();
    ok("losetup", &[&device, &image.0]);
    attached(&one, &device, "xvda", &["--mode", "r"]);
    attached(&two, &device, "xvda", &["--mode", "r"]);
    let three = tiny("reads-3");
    refused(
        &attach(&three, &device, "xvda", &[]),
        &format!("is used by vbd 51712 of domain {}", one.id),
    );
    ok("xenops", &["detach", "vbd", "reads-1", "xvda"]);
    ok("xenops", &["detach", "vbd", "reads-2", "xvda"]);
    attached(&three, &device, "xvda", &[]);
    refused(&attach(&two, &device, "xvda", &["--mode", "r"]), "is used by vbd 51712 of domain");
    ok("xenops", &["detach", "vbd", "reads-3", "xvda"]);
    ok("losetup", &["-d", &device]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_disk_that_dom0_uses_is_refused() {
    let (image, guest) = (Image::new("dom0s"), tiny("dom0s"));
    let device = ok("losetup", &["-f"]).trim().to_owned();
    ok("losetup", &[&device, &image.0]);
    refused(&attach(&guest, &image.0, "xvda", &[]), &format!("is used by {device}"));
    // As a file system claims its device: O_EXCL.
    let claimed = OpenOptions::new().read(true).custom_flags(0o200).open(&device);
    refused(&attach(&guest, &device, "xvda", &[]), "is used by the control domain");
    drop(claimed.expect("claim it"));
    attached(&guest, &device, "xvda", &[]);
    ok("xenops", &["detach", "vbd", "dom0s", "xvda"]);
    ok("losetup", &["-d", &device]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn scripts_do_the_same_as_system_calls() {
    let (image, guest) = (Image::new("scripts"), tiny("scripts"));
    let before = Leavings::now();
    attached(&guest, &image.0, "xvda", &["--hotplug", "scripts", "--timeout", "110"]);
    ok(
        "xenops",
        &[
            "attach",
            "vif",
            "scripts",
            "--bridge",
            "xenbr0",
            "--hotplug",
            "scripts",
            "--timeout",
            "110",
        ],
    );
    let port = format!("/sys/class/net/xenbr0/brif/vif{}.0", guest.id);
    assert!(std::path::Path::new(&port).exists());
    assert!(loops().contains(&image.0));
    let listed = ok("xenops", &["devices", "scripts"]);
    assert_eq!(listed.matches("scripts").count(), 3, "two devices and a path: {listed}");

    ok("xenops", &["detach", "vif", "scripts", "0"]);
    ok("xenops", &["detach", "vbd", "scripts", "xvda"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_a_script_says_of_its_failure_is_told() {
    // In the root, whose device has a number below ten: Xen's script looks for the hexadecimal one of
    // stat(1) in the decimal ones of losetup(8), and lets files of other file systems be shared.
    let (image, one, two) = (Image::at("/root/busy.img"), tiny("busy-1"), tiny("busy-2"));
    attached(&one, &image.0, "xvda", &["--hotplug", "scripts", "--timeout", "110"]);
    let before = Leavings::now();
    let second = attach(&two, &image.0, "xvda", &["--hotplug", "scripts", "--timeout", "110"]);
    refused(&second, "is loopback-mounted through");
    assert!(second.err.contains("hotplug-status \"busy\""), "{}", second.err);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_xl_attached_is_detached_here() {
    let (image, guest) = (Image::new("of-xl"), xl_create("of-xl"));
    let before = Leavings::now();
    ok("xl", &["block-attach", "of-xl", &format!("format=raw,vdev=xvda,target={}", image.0)]);
    ok("xl", &["network-attach", "of-xl", "bridge=xenbr0"]);
    let listed = ok("xenops", &["devices", "of-xl"]);
    assert!(listed.contains(&image.0) && listed.contains("xenbr0"), "{listed}");

    ok("xenops", &["detach", "vbd", "of-xl", "xvda"]);
    ok("xenops", &["detach", "vif", "of-xl", "0"]);

    assert!(!loops().contains(&image.0));
    assert!(!ok("ip", &["link"]).contains(&format!("vif{}.0", guest.id)));
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_was_attached_here_is_detached_by_xl() {
    let (image, guest) = (Image::new("to-xl"), xl_create("to-xl"));
    let before = Leavings::now();
    attached(&guest, &image.0, "xvda", &[]);
    ok("xenops", &["attach", "vif", "to-xl", "--bridge", "xenbr0"]);
    assert!(ok("xl", &["block-list", "to-xl"]).contains("51712"));
    assert!(ok("xl", &["network-list", "to-xl"]).contains("00:16:3e:"));

    // By force: no frontend would close.
    ok("xl", &["block-detach", "--force", "to-xl", "xvda"]);
    ok("xl", &["network-detach", "to-xl", "0"]);

    assert!(!loops().contains(&image.0));
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_of_xl_is_destroyed_with_its_devices() {
    let (image, before) = (Image::new("xl-dies"), Leavings::now());
    let guest = xl_create("xl-dies");
    ok("xl", &["block-attach", "xl-dies", &format!("format=raw,vdev=xvda,target={}", image.0)]);
    ok("xl", &["network-attach", "xl-dies", "bridge=xenbr0"]);
    ok("xenops", &["destroy", &guest.id]);
    until("xl has seen it", || run("pidof", &["xl"]).status != Some(0));
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_device_is_attached_once_and_to_a_domain_that_is_there() {
    let (image, other, guest) = (Image::new("once"), Image::new("twice"), tiny("once"));
    attached(&guest, &image.0, "xvda", &[]);
    let before = Leavings::now();
    refused(&attach(&guest, &other.0, "xvda", &[]), "attach vbd 51712 of domain");
    refused(&attach(&guest, &other.0, "xvda", &[]), "there is one already");
    refused(&attach(&guest, "/tmp/no-such.img", "xvdb", &[]), "No such file");
    refused(&attach(&guest, "/tmp", "xvdb", &[]), "neither a file nor a block device");
    let vif = ["attach", "vif", "once", "--bridge"];
    refused(&xenops(&[&vif[..], &["no-br"]].concat()), "there is no bridge \"no-br\"");
    let filtered = xenops(&[&vif[..], &["xenbr0", "--ip", "10.9.9.7"]].concat());
    refused(&filtered, "does not let only some addresses through");
    refused(&xenops(&["detach", "vbd", "once", "xvdc"]), "there is no record of it");
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_a_guest_writes_into_its_end_does_not_lead_anywhere() {
    let (image, guest, other) = (Image::new("lies"), tiny("lies"), tiny("lied-about"));
    attached(&guest, &image.0, "xvda", &[]);
    ok("xenops", &["attach", "vif", "lied-about", "--bridge", "xenbr0"]);
    let before = ok("xenops", &["devices", "lied-about"]);
    // As the guest could: it owns these nodes.
    let front = format!("/local/domain/{}/device/vbd/51712", guest.id);
    let theirs = format!("/local/domain/0/backend/vif/{}/0", other.id);
    for (key, value) in [("backend", &*theirs), ("backend-id", "7"), ("state", "\x1b[2J9999999999")]
    {
        ok("xenstore-write", &[&format!("{front}/{key}"), value]);
    }
    let listed = xenops(&["devices", "lies"]);
    assert_eq!(listed.status, Some(0), "{listed:?}");
    assert!(listed.out.contains(&image.0) && !listed.out.contains('\x1b'), "{}", listed.out);

    ok("xenops", &["detach", "vbd", "lies", "xvda"]);

    assert_eq!(ok("xenops", &["devices", "lied-about"]), before);
    assert!(!loops().contains(&image.0));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_killed_attachment_leaves_no_loop_device_that_nobody_knows() {
    let (image, guest) = (Image::new("killed"), tiny("killed"));
    for _ in 0..5 {
        let attaching =
            start("xenops", &["attach", "vbd", "killed", "--target", &image.0, "--vdev", "xvda"]);
        until("it has made a loop device", || loops().contains(&image.0));
        ok("kill", &["-KILL", &attaching.id().to_string()]);
        ended(attaching, Duration::from_secs(5));
        if ok("xenops", &["devices", "killed"]).contains("xvda") {
            ok("xenops", &["detach", "vbd", "killed", "xvda"]);
        }
        until("nothing is left", || !loops().contains(&image.0));
    }
    attached(&guest, &image.0, "xvda", &[]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_creation_that_cannot_have_all_its_devices_leaves_nothing() {
    let (image, before) = (Image::new("halfway"), Leavings::now());
    let devices = format!(
        "[[vbd]]\nvdev = \"xvda\"\ntarget = \"{}\"\n[[vif]]\nbridge = \"no-br\"\n",
        image.0
    );
    let ran = xenops(&["create", Config::tiny("halfway", "pvh", &devices).path()]);
    refused(&ran, "create domain \"halfway\": attach vif 0 of domain");
    assert!(ran.err.contains("there is no bridge \"no-br\""), "{}", ran.err);
    before.assert_unchanged();
    assert!(!loops().contains(&image.0));
}
