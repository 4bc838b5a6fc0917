//! Many devices, and many who change them at once.

mod dom0;

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dom0::linux::{Linux, Machine, md5};
use dom0::{Config, Guest, Leavings, Ran, ended, ok, run, start, until, xenops};

/// Files of 64 KiB, each with bytes of its own, removed with the test.
struct Images(Vec<String>);

impl Images {
    fn new(name: &str, count: u8) -> Self {
        let made = (0..count).map(|number| {
            let path = format!("/tmp/{name}-{number}.img");
            fs::write(&path, vec![number; 65536]).expect("/tmp is writable in dom0");
            path
        });
        Self(made.collect())
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        self.0.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

fn tiny(name: &str) -> Guest {
    Guest::create(name, &Config::tiny(name, "pv", ""))
}

/// Starts all of these at once; how they ended.
fn at_once(commands: &[Vec<String>]) -> Vec<Ran> {
    let begun: Vec<Child> = commands
        .iter()
        .map(|words| start("xenops", &words.iter().map(String::as_str).collect::<Vec<_>>()))
        .collect();
    begun.into_iter().map(|child| ended(child, Duration::from_secs(120))).collect()
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// That one of them did it, and all the others say this.
fn one_did(ran: &[Ran], the_others_say: &str) {
    let (did, did_not): (Vec<_>, Vec<_>) = ran.iter().partition(|ran| ran.status == Some(0));
    assert_eq!(did.len(), 1, "{ran:#?}");
    let others = did_not.iter().filter(|ran| ran.err.contains(the_others_say)).count();
    assert_eq!(others, ran.len() - 1, "{ran:#?}");
}

/// The number of a whole disk (xen-vbd-interface(7)).
fn virtual_disk(number: usize) -> usize {
    if number < 16 { 202 << 8 | number << 4 } else { 1 << 28 | number << 8 }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn sixty_four_disks_of_a_guest_come_and_go() {
    let images = Images::new("many", 64);
    let large = Machine { memory: 512, ..Machine::of("pv") };
    let linux = Linux::boot_on("many", &large, "");
    let before = Leavings::now();

    for (number, image) in images.0.iter().enumerate() {
        let vdev = virtual_disk(number).to_string();
        let disk = ["attach", "vbd", "many", "--target", image, "--vdev", &vdev, "--connected"];
        ok("xenops", &disk);
    }
    linux.comes_to("[ $(ls /sys/block | grep -c xvd) = 64 ]");
    assert_eq!(linux.md5("/dev/xvda"), md5(&images.0[0]));
    assert_eq!(linux.md5("/dev/xvdbl"), md5(&images.0[63]));
    assert_eq!(ok("xenops", &["devices", "many"]).matches("Connected").count(), 128);

    for number in 0..64 {
        ok("xenops", &["detach", "vbd", "many", &virtual_disk(number).to_string()]);
    }
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_has_used_up_its_nodes_is_told_of_and_gets_nothing() {
    let images = Images::new("quota", 1);
    let linux = Linux::boot("quota", "pv", "");
    let before = Leavings::now();
    // 1000 nodes is what either daemon grants. They are given to it by dom0, which may go beyond.
    let home = format!("/local/domain/{}/data", linux.guest.id);
    let nodes: Vec<String> = (0..1100).map(|node| format!("{home}/n{node}")).collect();
    let given: Vec<&str> = nodes.iter().flat_map(|node| [node.as_str(), "x"]).collect();
    ok("xenstore-write", &given);
    let owner = format!("n{}", linux.guest.id);
    ok("xenstore-chmod", &["-r", &home, &owner]);

    let disk = ["attach", "vbd", "quota", "--target", &images.0[0], "--vdev", "xvdb"];
    let ran = xenops(&[&disk[..], &["--connected", "--timeout", "30"]].concat());

    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.err.contains("the guest's driver gave up"), "{}", ran.err);
    ok("xenstore-rm", &[&home]);
    ok("xenstore-write", &[&home, ""]);
    ok("xenstore-chmod", &[&home, &owner]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn of_eight_who_attach_and_detach_at_once_one_does_it() {
    let images = Images::new("eight", 8);
    let _guest = tiny("eight");
    let before = Leavings::now();
    for _ in 0..3 {
        let attach = |image: &String| {
            words(&format!("attach vbd eight --target {image} --vdev xvda --timeout 110"))
        };
        let attaching: Vec<_> = images.0.iter().map(attach).collect();
        one_did(&at_once(&attaching), "there is one already");
        let detaching = vec![words("detach vbd eight xvda --timeout 110"); 8];
        one_did(&at_once(&detaching), "there is no record of it");
        before.assert_unchanged();
    }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn of_eight_guests_that_are_given_one_file_at_once_one_gets_it() {
    let images = Images::new("wanted", 1);
    let guests: Vec<Guest> = (0..8).map(|number| tiny(&format!("wants-{number}"))).collect();
    let before = Leavings::now();
    let attach = |guest: &Guest| {
        let (name, image) = (&guest.name, &images.0[0]);
        words(&format!("attach vbd {name} --target {image} --vdev xvda --timeout 110"))
    };
    let ran = at_once(&guests.iter().map(attach).collect::<Vec<_>>());
    one_did(&ran, "is used by");
    let got = ran.iter().position(|ran| ran.status == Some(0)).expect("one did");
    ok("xenops", &["detach", "vbd", &guests[got].name, "xvda"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn devices_of_many_guests_come_at_once() {
    let images = Images::new("crowd", 8);
    let guests: Vec<Guest> = (0..8).map(|number| tiny(&format!("crowd-{number}"))).collect();
    let before = Leavings::now();
    let attach = |(guest, image): (&Guest, &String)| {
        let name = &guest.name;
        [
            words(&format!("attach vbd {name} --target {image} --vdev xvda --timeout 110")),
            words(&format!("attach vif {name} --bridge xenbr0 --timeout 110")),
        ]
    };
    let attaching: Vec<_> = guests.iter().zip(&images.0).flat_map(attach).collect();
    let failed: Vec<_> =
        at_once(&attaching).into_iter().filter(|ran| ran.status != Some(0)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let detach = |guest: &Guest| {
        let name = &guest.name;
        [
            words(&format!("detach vbd {name} xvda --timeout 110")),
            words(&format!("detach vif {name} 0 --timeout 110")),
        ]
    };
    let detaching: Vec<_> = guests.iter().flat_map(detach).collect();
    let failed: Vec<_> =
        at_once(&detaching).into_iter().filter(|ran| ran.status != Some(0)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn who_waits_for_a_guest_keeps_no_other_guest_from_its_disk() {
    let images = Images::new("waits", 2);
    let (_deaf, _other) = (tiny("deaf"), tiny("other"));
    let disk = ["attach", "vbd", "deaf", "--target", &images.0[0], "--vdev", "xvda"];
    // A tiny guest has no driver: this waits for it.
    let waiting = start("xenops", &[&disk[..], &["--connected", "--timeout", "60"]].concat());
    until("its backend waits", || ok("xenops", &["devices", "deaf"]).contains("InitWait"));

    ok("xenops", &["attach", "vbd", "other", "--target", &images.0[1], "--vdev", "xvda"]);

    ok("kill", &["-INT", &waiting.id().to_string()]);
    assert_ne!(ended(waiting, Duration::from_secs(60)).status, Some(0));
    assert!(ok("xenops", &["devices", "other"]).contains("vbd"));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_examples_show_a_disk_come_and_go() {
    let images = Images::new("shown", 1);
    let linux = Linux::boot("shown", "pv", "");
    let before = Leavings::now();
    let seen = "/tmp/shown.watched";
    let watching = start("sh", &["-c", &format!("exec watch-devices shown >{seen}")]);
    let mut attaching = Command::new("attach-disk")
        .args(["shown", "xvdb", &images.0[0]])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start attach-disk");
    linux.comes_to("test -b /dev/xvdb");
    let disk = format!("vbd 51728 of domain {}", linux.guest.id);
    // Who watches is told of changes, and looks when it is its turn.
    let connected = format!("{disk}: served by domain 0, backend Connected, frontend Connected");
    let told = || fs::read_to_string(seen).unwrap_or_default();
    until("the watcher to see both ends connected", || told().contains(&connected));
    attaching.stdin.as_mut().expect("it is piped").write_all(b"\n").expect("a line");
    let ran = ended(attaching, Duration::from_secs(60));
    assert_eq!(ran.out, format!("{disk} is there; a line takes it away\n{disk} is gone\n"));
    before.assert_unchanged();
    let domain = format!("domain {} is gone", linux.guest.id);
    drop(run("xenops", &["destroy", "shown"]));
    drop(ended(watching, Duration::from_secs(60)));
    for line in [&format!("{disk} is gone"), &domain] {
        let told = told();
        assert!(told.lines().any(|said| said.starts_with(line.as_str())), "{line:?} in {told}");
    }
    let _ = fs::remove_file(seen);
}
