//! Devices that a QEMU serves to PV and PVH guests of Linux: shared folders, further consoles, images.
//!
//! The machine of these tests has QEMU in dom0, 7.2 beside Xen 4.17 and 10.0 beside 4.20. Each guest has one
//! of its own, which the test starts. What the two cannot do is docs/devices.md's, with its places in QEMU.

mod dom0;
mod pv_qemu;
mod qemu_started;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use dom0::linux::{Linux, md5};
use dom0::{Config, Guest, Leavings, Ran, ended, ok, run, start, until, xenops};
use pv_qemu::PvQemu;

/// A folder of dom0 with one file of random bytes, removed with the test.
struct Shared(String);

impl Shared {
    fn new(name: &str) -> Self {
        let path = format!("/tmp/{name}");
        fs::create_dir(&path).expect("/tmp is writable in dom0");
        ok("dd", &["if=/dev/urandom", &format!("of={path}/random"), "bs=65536", "count=16"]);
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A guest that can mount shared folders.
fn mounting(name: &str, kind: &str) -> Linux {
    let linux = Linux::boot(name, kind, "");
    linux.does("while read -r module; do insmod $module; done </lib/modules/9p");
    linux
}

fn attach_folder<'a>(guest: &'a str, shared: &'a Shared) -> [&'a str; 11] {
    let folder = ["attach", "9pfs", guest, "--path", &shared.0, "--tag", "files"];
    let [a, b, c, d, e, f, g] = folder;
    [a, b, c, d, e, f, g, "--number", "0", "--timeout", "60"]
}

/// Gives a running guest a folder, and then the QEMU for it, which finds it when it starts. Every QEMU
/// serves that.
fn shared_with(linux: &Linux, shared: &Shared) -> PvQemu {
    let attach = [&attach_folder(linux.name(), shared)[..], &["--connected"]].concat();
    let attaching = start("xenops", &attach);
    let state = format!("/local/domain/0/backend/9pfs/{}/0/state", linux.guest.id);
    until("its nodes are written", || run("xenstore-read", &[&state]).status == Some(0));
    let qemu = PvQemu::of(&linux.guest, &[]);
    let attached = ended(attaching, Duration::from_secs(70));
    assert_eq!(attached.status, Some(0), "{attached:?}: {}", qemu.said());
    linux.does("mkdir -p /files && mount -t 9p -o trans=xen,version=9p2000.L files /files");
    qemu
}

fn refused(ran: &Ran, status: i32, because: &str) {
    assert_eq!(ran.status, Some(status), "{ran:?}");
    assert!(ran.err.contains(because), "{because:?} is not in {:?}", ran.err);
}

/// What Xen and QEMU there are.
fn release() -> &'static str {
    if ok("xl", &["info"]).contains("xen_minor              : 17") { "4.17" } else { "4.20" }
}

/// A guest reads what dom0 wrote, and dom0 reads what the guest wrote.
fn both_see_the_files_of_the_other(name: &str, kind: &str) {
    let shared = Shared::new(name);
    let linux = mounting(name, kind);
    let before = Leavings::now();
    let mut qemu = shared_with(&linux, &shared);

    assert_eq!(linux.md5("/files/random"), md5(&shared.file("random")));
    linux.does("dd if=/dev/urandom of=/files/back bs=65536 count=3 && sync");
    assert_eq!(md5(&shared.file("back")), linux.md5("/files/back"));

    linux.does("umount /files");
    ok("xenops", &["detach", "9pfs", linux.name(), "0"]);
    assert!(qemu.runs(), "{}", qemu.said());
    drop(qemu);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_and_dom0_see_the_files_of_the_other() {
    both_see_the_files_of_the_other("folder-pv", "pv");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_and_dom0_see_the_files_of_the_other() {
    both_see_the_files_of_the_other("folder-pvh", "pvh");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_qemu_that_runs_takes_a_folder_or_ends_and_nothing_is_left() {
    let shared = Shared::new("folder-hot");
    let linux = mounting("folder-hot", "pv");
    let before = Leavings::now();
    let mut qemu = PvQemu::of(&linux.guest, &[]);

    let attached =
        xenops(&[&attach_folder("folder-hot", &shared)[..9], &["--timeout", "8"]].concat());

    match release() {
        "4.17" => {
            assert_eq!(attached.status, Some(0), "{attached:?}");
            until("the guest has connected", || {
                ok("xenops", &["devices", "folder-hot"]).contains("Connected     Connected")
            });
            ok("xenops", &["detach", "9pfs", "folder-hot", "0"]);
            assert!(qemu.runs(), "{}", qemu.said());
        }
        _ => {
            let waited =
                "waited for the backend's driver to take it, last seen: backend Initialising";
            refused(&attached, 5, waited);
            assert!(qemu.said().contains("'xen-backend' does not support hotplugging"));
            assert!(!qemu.runs());
        }
    }
    drop(qemu);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_folder_that_a_guest_has_mounted_goes_and_the_guest_cannot_use_it_any_more() {
    let shared = Shared::new("folder-busy");
    let linux = mounting("folder-busy", "pv");
    let before = Leavings::now();
    let mut qemu = shared_with(&linux, &shared);
    linux.does("{ sleep 1000 </files/random & } && echo $! >/holder");

    // Linux closes its end whoever uses it.
    ok("xenops", &["detach", "9pfs", "folder-busy", "0"]);

    linux.does("! timeout -s KILL 20 cat /files/random >/dev/null");
    linux.does("! timeout -s KILL 20 ls /files");
    linux.does("kill $(cat /holder) && umount /files");
    assert!(qemu.runs(), "{}", qemu.said());
    drop(qemu);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_paused_guest_keeps_its_folder_until_it_is_taken_by_force() {
    let shared = Shared::new("folder-kept");
    let linux = mounting("folder-kept", "pv");
    let before = Leavings::now();
    let mut qemu = shared_with(&linux, &shared);
    ok("xenops", &["pause", "folder-kept"]);

    let asked = xenops(&["detach", "9pfs", "folder-kept", "0", "--timeout", "3"]);
    let states =
        "waited for the other end to let go, last seen: backend Closing, frontend Connected";
    refused(&asked, 5, states);
    assert!(ok("xenops", &["devices", "folder-kept"]).contains("9pfs"));

    ok("xenops", &["detach", "9pfs", "folder-kept", "0", "--timeout", "3", "--force"]);
    assert!(qemu.runs(), "{}", qemu.said());
    ok("xenops", &["unpause", "folder-kept"]);
    linux.does("! timeout -s KILL 20 ls /files");
    drop(qemu);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_folder_whose_qemu_was_killed_is_taken_and_goes_with_its_guest() {
    let shared = Shared::new("folder-dead");
    let before = Leavings::now();
    let linux = mounting("folder-dead", "pv");
    let with_guest = Leavings::now();
    let mut qemu = shared_with(&linux, &shared);
    qemu.kill();

    // The guest closes its end; nobody sees it.
    let forced = xenops(&["detach", "9pfs", "folder-dead", "0", "--timeout", "2", "--force"]);
    refused(&forced, 1, "waited for the other end to let go, last seen: backend Closing");
    drop(qemu);
    with_guest.assert_unchanged();
    linux.does("umount /files");

    let mut qemu = shared_with(&linux, &shared);
    qemu.kill();
    let begun = Instant::now();
    ok("xenops", &["destroy", "folder-dead"]);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    drop(qemu);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_no_qemu_serves_is_not_attached_and_leaves_nothing() {
    let shared = Shared::new("folder-none");
    let _guest = Guest::create("folder-none", &Config::tiny("folder-none", "pv", ""));
    let before = Leavings::now();

    let folder = [&attach_folder("folder-none", &shared)[..9], &["--timeout", "2"]].concat();
    let waited = "waited for the backend's driver to take it, last seen: backend Initialising";
    refused(&xenops(&folder), 5, waited);
    let console = ["attach", "console", "folder-none", "--number", "1", "--timeout", "2"];
    refused(&xenops(&console), 5, waited);
    let missing = ["attach", "9pfs", "folder-none", "--path", "/no/such", "--tag", "files"];
    refused(&xenops(&[&missing[..], &["--number", "0"]].concat()), 1, "/no/such");

    before.assert_unchanged();
}

/// The terminal that QEMU has made for a console.
fn terminal(linux: &Linux, number: &str) -> String {
    let tty = format!("/local/domain/{}/device/console/{number}/tty", linux.guest.id);
    ok("xenstore-read", &[&tty]).trim().to_owned()
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_and_dom0_talk_over_a_further_console() {
    let linux = Linux::boot("console-pty", "pv", "");
    let mut qemu = PvQemu::of(&linux.guest, &[]);
    let before = Leavings::now();
    let attach = ["attach", "console", "console-pty", "--number", "1", "--connected"];
    ok("xenops", &attach);
    let tty = terminal(&linux, "1");
    ok("stty", &["-F", &tty, "raw", "-echo"]);
    // QEMU throws away what is said while nobody has the terminal open, and looks once a second.
    let kept = fs::OpenOptions::new().read(true).write(true).custom_flags(O_NOCTTY).open(&tty);
    let mut kept = kept.expect("open the terminal");

    linux.does("stty -F /dev/hvc1 raw -echo && { sleep 1000 </dev/hvc1 & } && echo $! >/pids");
    linux
        .does("{ while :; do echo from the guest; sleep 1; done >/dev/hvc1 & } && echo $! >>/pids");
    assert_eq!(ok("head", &["-n", "1", &tty]).trim(), "from the guest");
    linux.does("{ head -n 1 </dev/hvc1 >/heard & } && echo $! >>/pids");
    until("the guest has heard it", || {
        kept.write_all(b"from dom0\n").expect("write to the terminal");
        linux.ask("cat /heard").contains("from dom0")
    });

    linux.ask("kill $(cat /pids)");
    drop(kept);
    ok("xenops", &["detach", "console", "console-pty", "1"]);
    linux.comes_to("! sh -c 'exec 5</dev/hvc1'");
    before.assert_unchanged();

    // Of another number: see below.
    ok("xenops", &["attach", "console", "console-pty", "--number", "2", "--connected"]);
    assert!(terminal(&linux, "2").starts_with("/dev/pts/"));
    ok("xenops", &["detach", "console", "console-pty", "2"]);
    before.assert_unchanged();
    assert!(qemu.runs());
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_a_guest_says_on_a_further_console_is_in_its_file() {
    let linux = Linux::boot("console-file", "pvh", "");
    let mut qemu = PvQemu::of(&linux.guest, &[]);
    let before = Leavings::now();
    let file = "/tmp/console-file.said";

    let attach = ["attach", "console", "console-file", "--number", "3", "--file", file];
    ok("xenops", &[&attach[..], &["--connected"]].concat());
    linux.does("{ stty raw -echo; echo from the guest; } </dev/hvc1 >/dev/hvc1");
    until("it is in the file", || {
        fs::read_to_string(file).is_ok_and(|said| said == "from the guest\n")
    });

    ok("xenops", &["detach", "console", "console-file", "3"]);
    fs::remove_file(file).expect("QEMU made it");
    assert!(qemu.runs(), "{}", qemu.said());
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_number_of_a_console_works_once_with_a_qemu() {
    let linux = Linux::boot("console-twice", "pv", "");
    let _qemu = PvQemu::of(&linux.guest, &[]);
    let before = Leavings::now();
    let attach = ["attach", "console", "console-twice", "--number", "1", "--timeout", "8"];
    ok("xenops", &attach);
    ok("xenops", &["detach", "console", "console-twice", "1"]);

    let again = xenops(&attach);

    match release() {
        "4.17" => {
            assert_eq!(again.status, Some(0), "{again:?}");
            assert_eq!(terminal(&linux, "1"), "");
            ok("xenops", &["detach", "console", "console-twice", "1"]);
        }
        _ => refused(&again, 5, "waited for the backend's driver to take it"),
    }
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_and_dom0_read_what_the_other_wrote_into_an_image_of_qemu() {
    let image = "/tmp/image-qemu.img";
    ok("dd", &["if=/dev/urandom", &format!("of={image}"), "bs=65536", "count=64"]);
    let linux = Linux::boot("image-qemu", "pv", "");
    let mut qemu = PvQemu::of(&linux.guest, &[]);
    let before = Leavings::now();
    let attach = ["attach", "vbd", "image-qemu", "--target", image, "--type", "qdisk"];

    ok("xenops", &[&attach[..], &["--vdev", "xvdb", "--connected", "--timeout", "60"]].concat());
    linux.comes_to("test -b /dev/xvdb");
    assert_eq!(linux.md5("/dev/xvdb"), md5(image));
    let second = xenops(&[&attach[..], &["--vdev", "xvdc"]].concat());
    refused(&second, 1, "is used by vbd 51728 of domain");
    linux.does("dd if=/dev/urandom of=/dev/xvdb bs=65536 seek=3 count=9 && sync");
    let written = linux.md5("/dev/xvdb");
    ok("xenops", &["detach", "vbd", "image-qemu", "xvdb"]);

    assert_eq!(md5(image), written);
    linux.comes_to("! test -e /dev/xvdb");
    assert!(qemu.runs(), "{}", qemu.said());
    before.assert_unchanged();
    fs::remove_file(image).expect("it is there");
}

/// `O_NOCTTY` of open(2) on x86.
const O_NOCTTY: i32 = 0o400;
