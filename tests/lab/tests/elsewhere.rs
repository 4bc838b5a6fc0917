//! The host's part of a device done by others: by the scripts that a real udev runs in dom0, by the rules that
//! come with xenops, and by a Linux guest that serves another one.

mod dom0;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use dom0::linux::{Linux, Machine};
use dom0::{Config, Guest, Leavings, Ran, ended, ok, run, start, until, xenops, xl_create};

/// A file of 1 MiB with random bytes, removed with the test. It is in the root, where Xen's script finds
/// out who else uses a file (see `what_a_script_says_of_its_failure_is_told` in hotplug.rs).
struct Image(String);

impl Image {
    fn new(name: &str) -> Self {
        let path = format!("/root/{name}.img");
        ok("dd", &["if=/dev/urandom", &format!("of={path}"), "bs=65536", "count=16"]);
        Self(path)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A running udevd with one file of rules, and the script that they name.
struct Udev(Child);

impl Udev {
    fn with(rules: &str) -> Self {
        for folder in ["/etc/udev/rules.d", "/usr/lib/xenops", "/run/udev"] {
            fs::create_dir_all(folder).expect("dom0's files are in memory");
        }
        fs::write(RULES, rules).expect("write the rules");
        fs::write(SCRIPT, include_str!("../../../xenops/udev/hotplug")).expect("write the script");
        fs::set_permissions(SCRIPT, fs::Permissions::from_mode(0o755)).expect("make it a program");
        let mut daemon = std::process::Command::new("systemd-udevd");
        let quiet = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = quiet.spawn();
        let udev = Self(daemon.expect("start systemd-udevd"));
        until("udevd listens", || run("udevadm", &["control", "--ping"]).status == Some(0));
        udev
    }
}

impl Drop for Udev {
    fn drop(&mut self) {
        let _ = run("udevadm", &["settle"]);
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = fs::remove_file(RULES);
        let _ = fs::remove_file(SCRIPT);
    }
}

const RULES: &str = "/etc/udev/rules.d/60-xenops.rules";
const SCRIPT: &str = "/usr/lib/xenops/hotplug";
const UPSTREAM: &str = include_str!("../../../xenops/udev/60-xenops.rules");
const OPENXT: &str = include_str!("../../../xenops/udev/60-xenops-openxt.rules");
const BY_UDEV: [&str; 4] = ["--hotplug", "udev", "--timeout", "100"];

fn tiny(name: &str) -> Guest {
    Guest::create(name, &Config::tiny(name, "pv", ""))
}

fn attach_disk(name: &str, image: &Image, more: &[&str]) -> Ran {
    let disk = ["attach", "vbd", name, "--target", &image.0, "--vdev", "xvda"];
    xenops(&[&disk, more].concat())
}

fn did(ran: &Ran) {
    assert_eq!(ran.status, Some(0), "{ran:?}");
}

fn backend(guest: &Guest, device: &str) -> String {
    let (kind, number) = device.split_once('/').expect("kind and number");
    format!("/local/domain/0/backend/{kind}/{}/{number}", guest.id)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_disk_and_an_interface_come_and_go_by_udevs_scripts() {
    let (image, guest) = (Image::new("by-udev"), tiny("by-udev"));
    let before = Leavings::now();
    let _udev = Udev::with(UPSTREAM);

    did(&attach_disk("by-udev", &image, &BY_UDEV));
    did(&xenops(&[&["attach", "vif", "by-udev", "--bridge", "xenbr0"][..], &BY_UDEV].concat()));

    let status =
        |device| ok("xenstore-read", &[&format!("{}/hotplug-status", backend(&guest, device))]);
    assert_eq!(status("vbd/51712"), "connected\n");
    assert_eq!(status("vif/0"), "connected\n");
    assert!(ok("losetup", &["-a"]).contains(&image.0));
    assert!(Path::new(&format!("/sys/class/net/xenbr0/brif/vif{}.0", guest.id)).exists());
    assert_ne!(run("xenstore-exists", &["/xapi"]).status, Some(0));

    ok("xenops", &["detach", "vbd", "by-udev", "xvda", "--timeout", "100"]);
    ok("xenops", &["detach", "vif", "by-udev", "0", "--timeout", "100"]);
    ok("udevadm", &["settle"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn with_the_rules_for_openxt_the_answers_stand_in_its_place_too() {
    let (image, guest) = (Image::new("openxt"), tiny("openxt"));
    let before = Leavings::now();
    let _udev = Udev::with(OPENXT);
    let place = |device: &str| format!("/xapi/{}/hotplug/{device}", guest.id);

    did(&attach_disk("openxt", &image, &BY_UDEV));
    did(&xenops(&[&["attach", "vif", "openxt", "--bridge", "xenbr0"][..], &BY_UDEV].concat()));

    // The answer in the backend, which the toolstack waits for, comes first.
    let online = |device: &str| format!("{}/hotplug", place(device));
    until("OpenXT's answers", || {
        ["vbd/51712", "vif/0"]
            .iter()
            .all(|device| run("xenstore-read", &[&online(device)]).out == "online\n")
    });
    let name = ok("xenstore-read", &[&format!("{}/vif", place("vif/0"))]);
    assert_eq!(name, format!("vif{}.0\n", guest.id));

    ok("xenops", &["detach", "vbd", "openxt", "xvda", "--timeout", "100"]);
    ok("xenops", &["detach", "vif", "openxt", "0", "--timeout", "100"]);
    // For an interface the toolstack waits for netback alone.
    until("udev's scripts forget", || run("xenstore-exists", &["/xapi"]).status != Some(0));
    ok("udevadm", &["settle"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_a_script_of_udev_says_of_its_failure_is_told() {
    let (image, one, two) = (Image::new("udev-busy"), tiny("udev-busy-1"), tiny("udev-busy-2"));
    let _udev = Udev::with(UPSTREAM);
    did(&attach_disk(&one.name, &image, &[]));
    let before = Leavings::now();
    let refused = attach_disk(&two.name, &image, &BY_UDEV);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.err.contains("is loopback-mounted through"), "{}", refused.err);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn udevs_scripts_pass_over_devices_of_other_policies_and_of_xl() {
    let (image, theirs) = (Image::new("native"), Image::new("xls"));
    let (_ours, _xls) = (tiny("native"), xl_create("xls"));
    let before = Leavings::now();
    let _udev = Udev::with(UPSTREAM);
    did(&attach_disk("native", &image, &[]));
    ok("xl", &["block-attach", "xls", &format!("format=raw,vdev=xvda,target={}", theirs.0)]);
    ok("udevadm", &["settle"]);
    for image in [&image, &theirs] {
        assert_eq!(ok("losetup", &["-a"]).matches(&image.0).count(), 1);
    }
    ok("xenops", &["detach", "vbd", "native", "xvda"]);
    ok("xenops", &["detach", "vbd", "xls", "xvda"]);
    ok("udevadm", &["settle"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn without_udev_its_answer_is_waited_for_until_the_deadline() {
    let (image, _guest) = (Image::new("no-udev"), tiny("no-udev"));
    let before = Leavings::now();
    let late = attach_disk("no-udev", &image, &["--hotplug", "udev", "--timeout", "3"]);
    assert_eq!(late.status, Some(5), "{late:?}");
    assert!(late.err.contains("waited for the hotplug script's answer"), "{}", late.err);
    before.assert_unchanged();
}

/// A Linux guest that serves others, with the drivers for that. What a daemon like `xl devd` would do in it is
/// typed by the test.
struct Driver(Linux);

impl Driver {
    fn boot(name: &str) -> Self {
        // Dom0's drivers, behind the archive of every hello guest: the kernel unpacks one after the other.
        let script = "rm -rf /tmp/driver; mkdir -p /tmp/driver/usr/lib/modules && cd /tmp/driver && \
                      for m in loop xen_blkback xen_netback; do \
                      cp /lib/modules/$m.ko /tmp/driver/usr/lib/modules/ || exit 1; done && \
                      find . | cpio -o -H newc >/tmp/drivers.cpio && \
                      cat /guests/hello.cpio /tmp/drivers.cpio >/tmp/driver.cpio";
        ok("sh", &["-c", script]);
        let machine = Machine { ramdisk: "/tmp/driver.cpio", ..Machine::of("pv") };
        let linux = Linux::boot_on(name, &machine, "");
        for module in ["loop", "xen_blkback", "xen_netback"] {
            linux.does(&format!("insmod /lib/modules/{module}.ko"));
        }
        Self(linux)
    }

    /// Sends the store a request, as the driver domain itself, without waiting for the answer.
    fn request(&self, kind: u8, payload: &str) {
        // A header of io/xs_wire.h; an escape of printf is a byte.
        let length = payload.replace("\\000", "\0").len();
        let number = |number: usize| format!("\\{number:03o}\\000\\000\\000");
        let header = [number(kind.into()), number(0), number(0), number(length)].concat();
        self.0.does(&format!("printf '{header}{payload}' >/dev/xen/xenbus"));
    }

    fn write(&self, path: &str, value: &str) {
        self.request(11, &format!("{path}\\000{value}"));
    }

    fn remove(&self, path: &str) {
        self.request(13, &format!("{path}\\000"));
    }

    /// Once its end of a device shows this state.
    fn comes_to_state(&self, end: &str, state: &str) {
        let node = format!("/local/domain/{}/{end}/state", self.0.guest.id);
        until("the driver domain's end", || run("xenstore-read", &[&node]).out.trim_end() == state);
    }
}

fn begin(words: &[&str]) -> Child {
    start("xenops", &[words, &["--timeout", "100"]].concat())
}

fn ends_well(child: Child) {
    did(&ended(child, Duration::from_secs(110)));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_reads_a_disk_that_another_guest_serves() {
    let (driver, client) = (Driver::boot("serves"), Linux::boot("reads", "pv", ""));
    let before = Leavings::now();
    driver
        .0
        .does("dd if=/dev/urandom of=/exported bs=65536 count=16 && losetup /dev/loop0 /exported");
    let end = format!("backend/vbd/{}/51728", client.guest.id);
    let disk = ["vbd", "reads", "--backend", "serves", "--target", "/dev/loop0", "--vdev", "xvdb"];

    let attaching = begin(&[&["attach"][..], &disk, &["--connected"]].concat());
    driver.comes_to_state(&end, "2");
    driver.write(&format!("{end}/physical-device"), "7:0");
    driver.write(&format!("{end}/hotplug-status"), "connected");
    ends_well(attaching);

    client.comes_to("test -b /dev/xvdb");
    assert_eq!(client.md5("/dev/xvdb"), driver.0.md5("/exported"));
    client.does("dd if=/dev/urandom of=/dev/xvdb bs=65536 count=3 && sync");
    assert_eq!(client.md5("/dev/xvdb"), driver.0.md5("/dev/loop0"));
    let listed = ok("xenops", &["devices", "reads"]);
    assert!(listed.contains("/dev/loop0"), "{listed}");

    let detaching = begin(&["detach", "vbd", "reads", "xvdb"]);
    driver.comes_to_state(&end, "6");
    driver.remove(&end);
    ends_well(detaching);
    client.comes_to("! test -e /dev/xvdb");
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_starts_with_a_disk_that_another_guest_serves() {
    let driver = Driver::boot("serves-start");
    let before = Leavings::now();
    driver.0.does("dd if=/dev/zero of=/exported bs=65536 count=4 && losetup /dev/loop0 /exported");
    let disk = "[[vbd]]\nvdev = \"xvdb\"\ntarget = \"/dev/loop0\"\nbackend = \"serves-start\"";
    let config = Config::tiny("starts", "pv", disk);

    let creating = begin(&["create", config.path()]);
    let id = || run("xl", &["domid", "starts"]).out.trim().to_owned();
    until("a domain of the name", || !id().is_empty());
    let guest = Guest { name: "starts".to_owned(), id: id() };
    let end = format!("backend/vbd/{}/51728", guest.id);
    driver.comes_to_state(&end, "2");
    driver.write(&format!("{end}/physical-device"), "7:0");
    driver.write(&format!("{end}/hotplug-status"), "connected");
    ends_well(creating);

    let listed = ok("xenops", &["devices", "starts"]);
    assert!(listed.contains("/dev/loop0"), "{listed}");
    let going = begin(&["destroy", "starts"]);
    driver.comes_to_state(&end, "6");
    driver.remove(&end);
    ends_well(going);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn two_guests_talk_over_an_interface_that_one_serves() {
    let (driver, client) = (Driver::boot("netback"), Linux::boot("netfront", "pv", ""));
    let before = Leavings::now();
    let end = format!("backend/vif/{}/0", client.guest.id);

    let port = ["attach", "vif", "netfront", "--backend", "netback", "--bridge", "none"];
    let attaching = begin(&[&port[..], &["--connected"]].concat());
    driver.comes_to_state(&end, "2");
    let link = format!("vif{}.0", client.guest.id);
    driver.0.does(&format!("ip addr add 10.8.8.1/24 dev {link} && ip link set {link} up"));
    driver.write(&format!("{end}/hotplug-status"), "connected");
    ends_well(attaching);

    client.does("ip addr add 10.8.8.2/24 dev eth0 && ip link set eth0 up");
    client.comes_to("ping -c 1 -W 2 10.8.8.1");
    assert!(!ok("ip", &["link"]).contains(&link), "it is not dom0's");

    // netback removes its hotplug-status itself when it goes: nothing else is waited for.
    ok("xenops", &["detach", "vif", "netfront", "0", "--timeout", "100"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_disk_is_gone_after_the_guest_that_served_it_was_destroyed() {
    let (driver, client) = (Driver::boot("dies"), Linux::boot("orphan", "pv", ""));
    driver.0.does("dd if=/dev/zero of=/exported bs=65536 count=16 && losetup /dev/loop0 /exported");
    let end = format!("backend/vbd/{}/51728", client.guest.id);
    let disk = ["vbd", "orphan", "--backend", "dies", "--target", "/dev/loop0", "--vdev", "xvdb"];
    let attaching = begin(&[&["attach"][..], &disk].concat());
    driver.comes_to_state(&end, "2");
    driver.write(&format!("{end}/physical-device"), "7:0");
    driver.write(&format!("{end}/hotplug-status"), "connected");
    ends_well(attaching);
    let gone = format!("/local/domain/{}", driver.0.guest.id);
    ok("xenops", &["destroy", "dies"]);

    ok("xenops", &["detach", "vbd", "orphan", "xvdb"]);

    assert!(!ok("xenops", &["devices", "orphan"]).contains("51728"));
    assert_ne!(run("xenstore-exists", &[&gone]).status, Some(0), "a write made it again");
    // No such domain.
    assert_eq!(xenops(&[&["attach"][..], &disk].concat()).status, Some(4));
}
