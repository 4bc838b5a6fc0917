//! Guests that mean ill: they write what they may, and try what they may not, and the toolstack
//! does the right thing and touches nothing else (docs/threat-model.md).
//!
//! Where a test has to give a guest a right that neither xl nor xenops gives, it stands for a
//! domain made by a toolstack that was less careful.

mod dom0;

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use dom0::{Config, Guest, Leavings, ok, run, until, xenops};
use rustix::fs::OFlags;
use xc::foreign::ForeignMemory;
use xc::grant::Access;
use xen_types::{DomId, Gfn};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_writes_what_is_its_own_and_nothing_that_the_toolstack_goes_by() {
    let before = Leavings::now();
    let own = [
        "control/shutdown",
        "control/feature-poweroff",
        "control/sysrq",
        "data/anything",
        "drivers/0",
        "feature/balloon",
        "attr/os",
        "error/any",
        "device/suspend/event-channel",
    ];
    let others = [
        "name",
        "domid",
        "vm",
        "console/tty",
        "console/limit",
        "console/output",
        "console/type",
        "console/backend",
        "console/backend-id",
        "console/port",
        "console/ring-ref",
        "store/port",
        "memory/target",
        "cpu/0/availability",
        "control/anything",
        "device/vbd/51712/backend",
        "backend/vbd/0/0/frontend",
        "/local/domain/0/name",
        "/local/domain/0/backend/vbd/1/0/params",
        "/libxl/1/device/vbd/0/backend",
        "/tool/xenstored/domid",
        "/vm/x",
    ];
    let writes = |path: &&str| format!("write={path}:x");
    let words: Vec<String> = own.iter().chain(&others).map(writes).collect();
    for kind in ["pv", "pvh"] {
        let guest = hostile("writer", kind, &words.join(" "));
        let said = guest.says("TINY-READY");
        let lines = |start: &str| -> Vec<String> {
            said.lines()
                .filter_map(|line| Some(line.trim().strip_prefix(start)?.to_owned()))
                .collect()
        };
        assert_eq!(lines("TINY-WROTE "), own, "{said}");
        assert_eq!(lines("TINY-REFUSED "), others, "{said}");
        ok("xenops", &["destroy", "writer"]);
    }
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_name_that_a_guest_chose_moves_no_cursor_and_hides_nobody() {
    let neighbour = Guest::create("neighbour", &Config::tiny("neighbour", "pv", ""));
    let name = r"x\u001b[2J\u009b2J\u202ey";
    let liar = paused("renamed", &format!("write=name:{name}"));
    liar.may_write("name");
    liar.runs();
    let list = ok("xenops", &["list"]);
    assert!(list.contains("x\u{fffd}[2J\u{fffd}2J\u{fffd}y"), "{list:?}");
    assert!(list.contains("\nneighbour "), "{list:?}");
    assert!(!list.contains(OBEYED), "{list:?}");
    let json = ok("xenops", &["list", "-o", "json"]);
    assert!(json.contains(&format!("\"name\": \"{name}\"")), "{json:?}");
    assert!(!json.contains(OBEYED), "{json:?}");
    ok("xenops", &["destroy", &liar.id]);
    ok("xenops", &["destroy", &neighbour.id]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_name_that_is_no_text_is_no_name_and_hides_nobody() {
    let neighbour = Guest::create("lettered", &Config::tiny("lettered", "pv", ""));
    let guest = Guest::create("wordless", &Config::tiny("wordless", "pv", ""));
    let write = format!("xenstore-write {} \"$(printf 'a\\377b')\"", guest.path("name"));
    ok("sh", &["-c", &write]);
    let json = ok("xenops", &["list", "-o", "json"]);
    assert!(json.contains(&format!("\"domid\": {},\n    \"name\": null", guest.id)), "{json}");
    assert!(json.contains("\"name\": \"lettered\""), "{json}");
    ok("xenops", &["destroy", &guest.id]);
    ok("xenops", &["destroy", &neighbour.id]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_name_that_a_guest_took_from_another_means_neither() {
    let before = Leavings::now();
    let victim = Guest::create("victim", &Config::tiny("victim", "pv", ""));
    let thief = paused("thief", "write=name:victim");
    thief.may_write("name");
    thief.runs();
    let both = format!("domains {} and {} both answer to it", victim.id, thief.id);
    for command in ["destroy", "shutdown", "console", "pause"] {
        let ran = xenops(&[command, "victim"]);
        assert_eq!(ran.status, Some(1), "{command}: {ran:?}");
        assert!(ran.err.contains(&both), "{}", ran.err);
    }
    ok("xenops", &["destroy", &thief.id]);
    ok("xenops", &["shutdown", "victim"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_console_whose_terminal_the_guest_may_choose_is_refused() {
    let liar = paused("chooser", "write=console/tty:/dev/pts/0");
    liar.may_write("console/tty");
    liar.runs();
    until("it has chosen", || liar.reads("console/tty") == "/dev/pts/0\n");
    let ran = xenops(&["console", "chooser", "--timeout", "5"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""));
    let why = format!("/local/domain/{}/console/tty can be written by others", liar.id);
    assert!(ran.err.contains(&why), "{}", ran.err);
    ok("xenops", &["destroy", "chooser"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn nonsense_for_an_answer_is_no_shutdown_and_is_not_shown() {
    let before = Leavings::now();
    let guest = hostile("babbler", "pv", r"answer=\u001b[2Jpoweroff");
    guest.says("TINY-READY");
    let ran = xenops(&["shutdown", "babbler", "--timeout", "10"]);
    assert_eq!(ran.status, Some(5), "{ran:?}");
    assert!(ran.err.contains("the request is not acknowledged"), "{}", ran.err);
    assert!(!ran.err.contains(OBEYED) && !ran.err.contains("[2J"), "{:?}", ran.err);
    guest.says("TINY-ANSWERED");
    ok("xenops", &["destroy", "babbler"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_writes_without_end_keeps_nobody_waiting() {
    let before = Leavings::now();
    let neighbour = Guest::create("patient", &Config::tiny("patient", "pv", ""));
    let guest = hostile("flooder", "pv", "flood=control/shutdown");
    guest.says("TINY-READY");
    within(Duration::from_secs(30), || {
        assert_eq!(xenops(&["list"]).status, Some(0));
        let ran = xenops(&["shutdown", "flooder", "--timeout", "3"]);
        assert!(matches!(ran.status, Some(1 | 5)), "{ran:?}");
        ok("xenops", &["shutdown", "patient"]);
        ok("xenops", &["destroy", "flooder"]);
    });
    drop(neighbour);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_takes_no_input_keeps_nobody_waiting() {
    let guest = paused("glutted", "");
    let typed = "yes | xenops console glutted --timeout 3";
    within(Duration::from_secs(20), || drop(ok("sh", &["-c", typed])));
    ok("xenops", &["destroy", &guest.id]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_a_guest_says_of_its_devices_names_nothing_to_remove() {
    let before = Leavings::now();
    let victim = Guest::create("bystander", &Config::tiny("bystander", "pv", ""));
    victim.says("TINY-READY");
    let theirs = victim.nodes();
    // All that leads to somebody else, or would if it were followed.
    let victims_backend = format!("/local/domain/0/backend/console/{}/0", victim.id);
    let victims_vm = ok("xenstore-read", &[&victim.path("vm")]);
    let words = [
        format!("write=device/vif/0/backend:{victims_backend}"),
        format!("write=device/vif/0/backend-id:{}", victim.id),
        "write=device/vif/0/state:4".to_owned(),
        format!("write=console/backend:{victims_backend}"),
        format!("write=console/backend-id:{}", victim.id),
        format!("write=vm:{}", victims_vm.trim()),
        format!("write=domid:{}", victim.id),
    ];
    let liar = paused("pointer", &words.join(" "));
    ok("xenstore-write", &[&liar.path("device/vif/0/state"), "1"]);
    for owned in ["device/vif/0", "console/backend", "console/backend-id", "vm", "domid"] {
        liar.may_write(owned);
    }
    liar.may_write("device/vif/0/state");
    let said = liar.runs();
    assert_eq!(said.matches("TINY-WROTE").count(), words.len(), "{said}");

    ok("xenops", &["destroy", "pointer"]);

    assert_eq!(victim.nodes(), theirs);
    ok("xenops", &["shutdown", "bystander"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_run_that_lingers_takes_nothing_of_the_next_one_with_it() {
    let before = Leavings::now();
    let uuid = "6d1f5cb2-9a0e-4d5b-8a2e-0f6f2f8f2b12";
    let old = Guest::create("again", &Config::tiny("again", "pvh", &format!("uuid = \"{uuid}\"")));
    old.says("TINY-READY");
    // As a backend that does not let go.
    let dom = old.id.parse::<DomId>().expect("a number");
    let foreign = ForeignMemory::open().expect("privcmd");
    let held = foreign.map(dom, &[Gfn(1)], Access::Read).expect("map a page");
    ok("xl", &["destroy", &old.id]);
    let next = xl_create("again", uuid);
    let vm = format!("/vm/{uuid}/name");
    assert_eq!(ok("xenstore-read", &[&vm]), "again\n");

    let ran = xenops(&["destroy", &old.id]);

    assert!(ran.err.contains("its last page to be released"), "{ran:?}");
    assert_eq!(ok("xenstore-read", &[&vm]), "again\n");
    held.close().expect("unmap it");
    ok("xenops", &["destroy", &next.id]);
    until("the first run goes, too", || run("xl", &["domname", &old.id]).status != Some(0));
    until("the process that xl left with its guest ends", || dom0::pids_of("xl").is_empty());
    before.assert_unchanged();
}

/// A tiny guest with these words on its command line.
fn hostile(name: &str, kind: &str, words: &str) -> Guest {
    Guest::create(name, &Config::tiny(name, kind, &format!("cmdline = \"{words}\"")))
}

/// The same, not started yet, so that rights can be given to it.
fn paused(name: &str, words: &str) -> Guest {
    let config = Config::tiny(name, "pv", &format!("cmdline = \"{words}\""));
    let id = ok("xenops", &["create", "--paused", config.path()]).trim().to_owned();
    let guest = Guest { name: name.to_owned(), id };
    until("the console daemon serves it", || !guest.reads("console/tty").trim().is_empty());
    guest
}

impl Guest {
    fn path(&self, below: &str) -> String {
        format!("/local/domain/{}/{below}", self.id)
    }

    fn reads(&self, below: &str) -> String {
        ok("xenstore-read", &[&self.path(below)])
    }

    /// Gives it a right that it has not by itself.
    fn may_write(&self, below: &str) {
        ok("xenstore-chmod", &[&self.path(below), &format!("n{}", self.id), "r0"]);
    }

    /// Lets it run until it has written all that it is told to; what it said.
    fn runs(&self) -> String {
        let tty = self.reads("console/tty");
        ok("xenops", &["unpause", &self.id]);
        read_until(tty.trim(), "TINY-READY")
    }

    /// All nodes about it.
    fn nodes(&self) -> Vec<String> {
        let all = ok("xenstore-ls", &["-f", "-p"]);
        let about = [
            self.path(""),
            format!("/local/domain/0/backend/console/{}/", self.id),
            format!("/libxl/{}/", self.id),
            format!("{}/", self.reads("vm").trim()),
        ];
        let is_about = |line: &&str| about.iter().any(|start| line.starts_with(start));
        all.lines().filter(is_about).map(str::to_owned).collect()
    }
}

/// Reads a terminal by hand: the guest may have made xenops refuse its console.
fn read_until(terminal: &str, text: &str) -> String {
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(terminal);
    let mut terminal = opened.expect("the console daemon made it");
    let mut said = Vec::new();
    until(text, || {
        // Nothing there yet is an error, too.
        let _ = terminal.read_to_end(&mut said);
        String::from_utf8_lossy(&said).contains(text)
    });
    String::from_utf8_lossy(&said).into_owned()
}

fn within(time: Duration, act: impl FnOnce()) {
    let start = Instant::now();
    act();
    assert!(start.elapsed() < time, "it took {:?}", start.elapsed());
}

fn xl_create(name: &str, uuid: &str) -> Guest {
    let text = format!(
        "name=\"{name}\"\nuuid=\"{uuid}\"\nkernel=\"/guests/tiny.elf\"\nmemory=16\ntype=\"pv\"\n"
    );
    let config = Config::new(name, &text);
    ok("xl", &["create", config.path()]);
    Guest { name: name.to_owned(), id: ok("xl", &["domid", name]).trim().to_owned() }
}

/// What starts an escape sequence, or turns the direction of the text.
const OBEYED: [char; 3] = ['\u{1b}', '\u{9b}', '\u{202e}'];
