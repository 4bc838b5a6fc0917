//! Guests that the `xenops` command saves and restores.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use xenops::{GuestKind, State};

use crate::counting::{Counting, config};
use crate::dom0::linux::{Linux, md5};
use crate::dom0::{Config, Guest, Leavings, Ran, ok, xenops};
use crate::support::{Image, host};

/// A file system of this size, in dom0's memory, unmounted with the test.
struct Small(&'static str);

impl Small {
    fn mount(at: &'static str, size: &str) -> Self {
        fs::create_dir_all(at).expect("/tmp is writable in dom0");
        ok("mount", &["-t", "tmpfs", "-o", size, "none", at]);
        Self(at)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = crate::dom0::run("umount", &[self.0]);
    }
}

fn path(image: &Image) -> &str {
    image.0.to_str().expect("made from text")
}

fn refused(ran: &Ran, because: &str) {
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.err.contains(because), "{because:?} is not in {:?}", ran.err);
    assert!(!ran.err.contains("left behind"), "{ran:?}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_the_command_saves_comes_back_with_its_disk() {
    let disk = "/tmp/commands-disk.img";
    ok("dd", &["if=/dev/urandom", &format!("of={disk}"), "bs=65536", "count=16"]);
    let before = Leavings::now();
    let more = format!("[[vbd]]\nvdev = \"xvdb\"\ntarget = \"{disk}\"\n");
    let linux = Linux::boot("commands-pvh", "pvh", &more);
    linux.comes_to("test -b /dev/xvdb");
    let image = Image::new("commands-pvh");

    assert_eq!(ok("xenops", &["save", linux.name(), path(&image)]), "");

    before.assert_unchanged();
    let id = ok("xenops", &["restore", path(&image)]).trim().to_owned();
    assert_ne!(id, linux.guest.id);
    let _again = Guest { name: linux.name().to_owned(), id };
    // It has read nothing of it yet.
    assert_eq!(linux.md5("/dev/xvdb"), md5(disk));
    ok("xenops", &["shutdown", linux.name()]);
    before.assert_unchanged();
    fs::remove_file(disk).expect("remove it");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_the_command_saves_goes_on_or_stays_paused_as_asked() {
    let (host, name) = (host(), "commands-pv");
    let guest = Counting::start(&host, &config(name, GuestKind::Pv, ""));
    let (image, later) = (Image::new(name), Image::new("commands-later"));

    ok("xenops", &["save", name, path(&image), "--checkpoint"]);
    guest.goes_on();
    ok("xenops", &["save", name, path(&later), "--leave-paused"]);
    assert_eq!(host.domain(guest.id).expect("it is there").state, State::Paused);
    ok("xenops", &["unpause", name]);
    guest.goes_on();

    // The file's own configuration has the name and the UUID of the one that goes on.
    refused(&xenops(&["restore", path(&image)]), "has this UUID");
    let toml = "name = \"commands-copy\"\ntype = \"pv\"\nkernel = \"\"\nmemory = 128\n";
    let other = Config::new("commands-copy", toml);
    let id = ok("xenops", &["restore", path(&image), "--config", other.path(), "--paused"]);
    let copy = Counting { id: id.trim().parse().expect("a number"), name: "commands-copy".into() };
    assert_eq!(host.domain(copy.id).expect("it is there").state, State::Paused);
    ok("xenops", &["unpause", &copy.name]);
    copy.goes_on();
    assert_eq!(copy.checksum(), guest.checksum());
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_save_that_the_command_refuses_leaves_the_guest_running_and_no_file() {
    let (host, name) = (host(), "commands-no");
    let guest = Counting::start(&host, &config(name, GuestKind::Pv, ""));

    let taken = Config::new("commands-taken", "kept");
    refused(&xenops(&["save", name, taken.path()]), "File exists");
    assert_eq!(fs::read(taken.path()).expect("it is there"), b"kept");
    guest.goes_on();

    let small = Small::mount("/tmp/commands-small", "size=8m");
    let file = format!("{}/image", small.0);
    refused(&xenops(&["save", name, &file]), "No space left on device");
    assert!(fs::metadata(&file).is_err());
    guest.goes_on();
    guest.checksum();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_damaged_file_costs_the_command_no_domain() {
    let (host, name) = (host(), "commands-bad");
    let guest = Counting::start(&host, &config(name, GuestKind::Pv, ""));
    let image = Image::new(name);
    ok("xenops", &["save", name, path(&image)]);
    drop(guest);
    let before = Leavings::now();
    let file = OpenOptions::new().read(true).write(true).open(&image.0).expect("it was saved");
    flip(&file, 40_000_000);
    refused(&xenops(&["restore", path(&image)]), "damaged: the checksum of its stream differs");
    flip(&file, 40_000_000);
    // In the description.
    flip(&file, 70);
    refused(
        &xenops(&["restore", path(&image)]),
        "damaged: the checksum of its description differs",
    );
    flip(&file, 70);
    file.set_len(40_000_000).expect("truncate");
    refused(&xenops(&["restore", path(&image)]), "truncated");
    before.assert_unchanged();
}

/// Turns the lowest bit of a byte.
fn flip(file: &File, at: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 1], at).expect("write");
}
