//! Guests that start with what a QEMU serves: their configuration has it, and the QEMU is started while
//! `xenops` waits for it.

use std::fs;
use std::process::Child;
use std::time::Duration;

use crate::dom0::linux::{Linux, md5};
use crate::dom0::{Config, Guest, Leavings, ended, ok, run, start, until, xenops};
use crate::pv_qemu::PvQemu;
use crate::{Shared, refused};

/// An image in dom0, of random bytes, removed with the test.
struct Image(String);

impl Image {
    fn new(name: &str) -> Self {
        let path = format!("/tmp/{name}.img");
        ok("dd", &["if=/dev/urandom", &format!("of={path}"), "bs=65536", "count=64"]);
        Self(path)
    }

    fn toml(&self, kind: &str) -> String {
        format!("[[vbd]]\nvdev = \"xvdb\"\ntarget = \"{}\"\ntype = \"{kind}\"\n", self.0)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A guest that is being made, found by its name once this device of it is listed (at once, if it is empty),
/// and its QEMU, with which it has come to run.
fn with_its_qemu(name: &str, making: Child, device: &str) -> (Linux, PvQemu) {
    until("the guest has its name", || run("xenops", &["list", name]).status == Some(0));
    until("its device is listed", || run("xenops", &["devices", name]).out.contains(device));
    let id = ok("xl", &["domid", name]).trim().to_owned();
    let guest = Guest { name: name.to_owned(), id };
    let qemu = PvQemu::of(&guest, &[]);
    let made = ended(making, Duration::from_secs(100));
    assert_eq!(
        (made.status, made.out.trim()),
        (Some(0), guest.id.as_str()),
        "{made:?}: {}",
        qemu.said()
    );
    (Linux::of(guest), qemu)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_starts_with_a_disk_a_console_and_folders_of_its_qemu() {
    let name = "qemu-starts";
    let (image, shared) = (Image::new(name), Shared::new(name));
    let said = format!("/tmp/{name}.said");
    let more = image.toml("qdisk")
        + &format!("[[console]]\nnumber = 1\nfile = \"{said}\"\n")
        + &format!("[[9pfs]]\nnumber = 0\npath = \"{}\"\ntag = \"files\"\n", shared.0)
        + "[[9pfs]]\nnumber = 1\npath = \"/guests\"\ntag = \"guests\"\n";
    let before = Leavings::now();
    let config = Linux::config(name, "pv", &more);

    let creating = start("xenops", &["create", config.path(), "--timeout", "90"]);
    let (linux, qemu) = with_its_qemu(name, creating, "9pfs     1");

    linux.guest.says("HELLO-READY");
    linux.comes_to("test -b /dev/xvdb");
    assert_eq!(linux.md5("/dev/xvdb"), md5(&image.0));
    linux.does("while read -r module; do insmod $module; done </lib/modules/9p");
    linux.does("mkdir -p /files /more");
    linux.does("mount -t 9p -o trans=xen,version=9p2000.L files /files");
    linux.does("mount -t 9p -o trans=xen,version=9p2000.L guests /more");
    assert_eq!(linux.md5("/files/random"), md5(&shared.file("random")));
    assert_eq!(linux.md5("/more/tiny.elf"), md5("/guests/tiny.elf"));
    linux.does("{ stty raw -echo; echo from the guest; } </dev/hvc1 >/dev/hvc1");
    until("it is in the file", || {
        fs::read_to_string(&said).is_ok_and(|said| said == "from the guest\n")
    });

    ok("xenops", &["destroy", name]);
    drop(qemu);
    before.assert_unchanged();
    fs::remove_file(said).expect("QEMU made it");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_saved_guest_is_made_again_with_the_image_and_the_console_of_another_qemu() {
    // The first QEMU starts as soon as the guest has its name, which it may where there are no folders.
    let name = "qemu-comes-back";
    let image = Image::new(name);
    let before = Leavings::now();
    let more = image.toml("qdisk") + "[[console]]\nnumber = 1\n";
    let config = Linux::config(name, "pv", &more);
    let creating = start("xenops", &["create", config.path(), "--timeout", "90"]);
    let (linux, qemu) = with_its_qemu(name, creating, "");
    linux.guest.says("HELLO-READY");
    linux.comes_to("test -b /dev/xvdb");
    linux.does("dd if=/dev/urandom of=/dev/xvdb bs=65536 seek=3 count=9 && sync");
    let saved = format!("/tmp/{name}.saved");

    ok("xenops", &["save", name, &saved]);
    drop(qemu);
    before.assert_unchanged();
    let restoring = start("xenops", &["restore", &saved, "--timeout", "90"]);
    let (back, qemu) = with_its_qemu(name, restoring, "console  1");

    let devices = ok("xenops", &["devices", back.name()]);
    assert!(devices.contains("xvdb") && devices.contains("console  1"), "{devices}");
    ok("xenops", &["destroy", name]);
    drop(qemu);
    before.assert_unchanged();
    fs::remove_file(saved).expect("it is there");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_without_its_qemu_or_with_another_type_of_disk_is_not_made() {
    let name = "qemu-none";
    let image = Image::new(name);
    let before = Leavings::now();
    let create = |more: &str| {
        let config = Config::tiny(name, "pv", more);
        xenops(&["create", config.path(), "--timeout", "3"])
    };

    let waited = "waited for the backend's driver to take it, last seen: backend Initialising";
    refused(&create(&image.toml("qdisk")), 5, waited);
    before.assert_unchanged();
    refused(&create("[[console]]\nnumber = 1\n"), 5, waited);
    before.assert_unchanged();
    refused(&create(&image.toml("phy")), 1, "/tmp/qemu-none.img is no block device");
    before.assert_unchanged();
}
