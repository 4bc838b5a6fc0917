//! Disks and network interfaces between dom0 and Linux guests, with the frontends of Linux.

mod dom0;

use dom0::linux::{Linux, md5};
use dom0::{Leavings, ok, run, until, xenops};

/// A file of 4 MiB with random bytes, removed with the test.
struct File(&'static str);

impl File {
    fn new(path: &'static str) -> Self {
        ok("dd", &["if=/dev/urandom", &format!("of={path}"), "bs=65536", "count=64"]);
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

/// A loop device that dom0 made of a file, taken away with the test: a block device like any other.
struct BlockDevice(String);

impl BlockDevice {
    fn of(file: &File) -> Self {
        let device = ok("losetup", &["-f"]).trim().to_owned();
        ok("losetup", &[&device, file.0]);
        Self(device)
    }
}

impl Drop for BlockDevice {
    fn drop(&mut self) {
        let _ = run("losetup", &["-d", &self.0]);
    }
}

fn attach_disk(linux: &Linux, target: &str, vdev: &str, more: &[&str]) {
    let disk = ["attach", "vbd", linux.name(), "--target", target, "--vdev", vdev, "--connected"];
    ok("xenops", &[&disk, more].concat());
}

/// A guest reads what dom0 wrote, and dom0 reads what the guest wrote.
fn both_read_what_the_other_wrote(name: &'static str, kind: &str, image: &'static str) {
    let file = File::new(image);
    let linux = Linux::boot(name, kind, "");
    let before = Leavings::now();

    attach_disk(&linux, file.0, "xvdb", &[]);
    linux.comes_to("test -b /dev/xvdb");
    assert_eq!(linux.md5("/dev/xvdb"), md5(file.0));
    linux.does("dd if=/dev/urandom of=/dev/xvdb bs=65536 seek=3 count=9 && sync");
    let written = linux.md5("/dev/xvdb");
    ok("xenops", &["detach", "vbd", linux.name(), "xvdb"]);

    assert_eq!(md5(file.0), written);
    linux.comes_to("! test -e /dev/xvdb");
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_and_dom0_read_what_the_other_wrote() {
    both_read_what_the_other_wrote("disk-pv", "pv", "/tmp/disk-pv.img");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_and_dom0_read_what_the_other_wrote() {
    both_read_what_the_other_wrote("disk-pvh", "pvh", "/tmp/disk-pvh.img");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_cannot_write_to_a_block_device_that_it_may_only_read() {
    let file = File::new("/tmp/readonly.img");
    let device = BlockDevice::of(&file);
    let linux = Linux::boot("readonly", "pv", "");
    let before = md5(file.0);

    attach_disk(&linux, &device.0, "xvdb", &["--mode", "r", "--type", "phy"]);
    linux.comes_to("test -b /dev/xvdb");

    assert_eq!(linux.md5("/dev/xvdb"), before);
    assert_eq!(linux.does("cat /sys/block/xvdb/ro").trim_end().chars().last(), Some('1'));
    let written = linux.ask("dd if=/dev/zero of=/dev/xvdb count=8; sync");
    assert!(written.contains("Operation not permitted"), "{written}");
    assert_eq!(md5(&device.0), before);
    ok("xenops", &["detach", "vbd", linux.name(), "xvdb"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn two_interfaces_of_a_guest_reach_dom0_through_the_bridge() {
    let linux = Linux::boot("ports", "pv", "");
    let before = Leavings::now();
    for _ in 0..2 {
        ok("xenops", &["attach", "vif", linux.name(), "--bridge", "xenbr0", "--connected"]);
    }
    linux.comes_to("test -e /sys/class/net/eth1");
    // One at a time: with both up, Linux would answer for either on each of them.
    linux.does("ip addr add 10.9.9.2/24 dev eth0 && ip link set eth0 up");
    linux.comes_to("ping -c 1 -W 2 10.9.9.1");
    until("dom0 reaches it", || run("ping", &["-c", "1", "-W", "2", "10.9.9.2"]).status == Some(0));
    linux.does("ip addr del 10.9.9.2/24 dev eth0 && ip link set eth0 down");
    linux.does("ip addr add 10.9.9.3/24 dev eth1 && ip link set eth1 up");
    linux.comes_to("ping -c 1 -W 2 10.9.9.1");

    ok("xenops", &["detach", "vif", linux.name(), "0"]);
    linux.does("ping -c 1 -W 5 10.9.9.1");
    ok("xenops", &["detach", "vif", linux.name(), "1"]);

    let links = ok("ip", &["link"]);
    assert!(!links.contains(&format!("vif{}.", linux.guest.id)), "{links}");
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_paused_guest_keeps_its_disk_until_it_is_taken_by_force() {
    let file = File::new("/tmp/kept.img");
    let linux = Linux::boot("keeps", "pv", "");
    attach_disk(&linux, file.0, "xvdb", &[]);
    linux.comes_to("test -b /dev/xvdb");
    ok("xenops", &["pause", linux.name()]);

    let asked = xenops(&["detach", "vbd", linux.name(), "xvdb", "--timeout", "3"]);
    assert_eq!(asked.status, Some(5), "{asked:?}");
    let states =
        "waited for the other end to let go, last seen: backend Closing, frontend Connected";
    assert!(asked.err.contains(states), "{}", asked.err);
    assert!(ok("losetup", &["-a"]).contains(file.0));

    ok("xenops", &["detach", "vbd", linux.name(), "xvdb", "--timeout", "8", "--force"]);
    assert!(!ok("losetup", &["-a"]).contains(file.0));
    assert!(!ok("xenops", &["devices", linux.name()]).contains("vbd"));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_destroyed_guest_gives_its_devices_back() {
    let file = File::new("/tmp/destroyed.img");
    let before = Leavings::now();
    let linux = Linux::boot("destroyed", "pv", "");
    attach_disk(&linux, file.0, "xvdb", &[]);
    ok("xenops", &["attach", "vif", linux.name(), "--bridge", "xenbr0", "--connected"]);
    assert!(ok("losetup", &["-a"]).contains(file.0));

    ok("xenops", &["destroy", linux.name()]);

    before.assert_unchanged();
    let links = ok("ip", &["link"]);
    assert!(!links.contains(&format!("vif{}.", linux.guest.id)), "{links}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_starts_with_the_devices_of_its_configuration() {
    let (file, disc) = (File::new("/tmp/configured.img"), File::new("/tmp/configured.iso"));
    let before = Leavings::now();
    let devices = format!(
        "[[vbd]]\nvdev = \"xvda\"\ntarget = \"{}\"\nmode = \"r\"\n\
         [[vbd]]\nvdev = \"xvdc\"\ntarget = \"{}\"\ncdrom = true\n\
         [[vbd]]\nvdev = \"xvdd\"\ncdrom = true\n\
         [[vif]]\nbridge = \"xenbr0\"\nmac = \"00:16:3e:00:00:07\"\n\
         [[vif]]\nbridge = \"xenbr0\"\nmac = \"00:16:3e:00:00:08\"\nnumber = 3\nhotplug = \"scripts\"\n",
        file.0, disc.0
    );
    let linux = Linux::boot("configured", "pv", &devices);
    linux.comes_to("test -b /dev/xvda");
    assert_eq!(linux.md5("/dev/xvda"), md5(file.0));
    assert_eq!(linux.md5("/dev/xvdc"), md5(disc.0));
    assert!(linux.does("cat /sys/class/net/eth0/address").contains("00:16:3e:00:00:07"));
    assert!(linux.does("cat /sys/class/net/eth1/address").contains("00:16:3e:00:00:08"));
    let policy = format!("/libxl/{}/device/vif/3/hotplug", linux.guest.id);
    assert_eq!(ok("xenstore-read", &[&policy]).trim(), "scripts");
    ok("xenops", &["vbd", "eject", linux.name(), "xvdc"]);
    linux.comes_to("! test -e /dev/xvdc");
    ok("xenops", &["vbd", "insert", linux.name(), "xvdc", file.0, "--connected"]);
    linux.comes_to("test -b /dev/xvdc");
    // The drive that nothing was in: a Linux that found it would have waited for it.
    linux.does("! test -e /sys/bus/xen/devices/vbd-51760");
    ok("xenops", &["vbd", "insert", linux.name(), "xvdd", disc.0, "--connected"]);
    linux.comes_to("test -b /dev/xvdd");
    assert_eq!(linux.md5("/dev/xvdd"), md5(disc.0));
    ok("xenops", &["destroy", linux.name()]);
    before.assert_unchanged();
}
