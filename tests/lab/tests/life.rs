//! From a guest's first line to its end, on the real Xen, with `xl` as the witness and the rival.

mod dom0;

use std::time::Duration;

use dom0::{Config, Guest, Leavings, ended, ok, pids_of, run, start, until, xenops, xl_create};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_linux_pv_guest_runs_and_leaves_nothing() {
    let before = Leavings::now();
    let guest = Guest { name: "hello-pv".into(), id: create("/guests/hello-pv.toml") };
    guest.says("HELLO-READY");
    assert!(ok("xl", &["list", "hello-pv"]).contains("hello-pv"));
    ok("xenops", &["shutdown", "hello-pv"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_linux_pvh_guest_runs_and_leaves_nothing() {
    let before = Leavings::now();
    let _guest = booted_pvh();
    assert!(ok("xl", &["list", "hello-pvh"]).contains("hello-pvh"));
    ok("xenops", &["destroy", "hello-pvh"]);
    before.assert_unchanged();
}

/// The Linux PVH guest, booted. A triple fault in its early boot, which the emulated processor makes
/// now and then (`booted` in build.rs has the details), is tried again, and nothing else.
fn booted_pvh() -> Guest {
    for _ in 0..3 {
        let guest = Guest { name: "hello-pvh".into(), id: create("/guests/hello-pvh.toml") };
        let said = ["console", "hello-pvh", "--until", "HELLO-READY", "--timeout", "45"];
        let ran = xenops(&said);
        if ran.status == Some(0) {
            return guest;
        }
        let state = ok("xenops", &["list", "hello-pvh"]);
        assert!(state.contains(" reboot ") && ran.out.is_empty(), "{ran:?} {state}");
        eprintln!("hello-pvh: a triple fault in early boot, tried again");
        ok("xenops", &["destroy", "hello-pvh"]);
    }
    panic!("three triple faults in a row are not the emulator's");
}

fn create(file: &str) -> String {
    ok("xenops", &["create", file]).trim().to_owned()
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn both_kinds_of_tiny_guest_answer_to_name_number_and_uuid() {
    for kind in ["pv", "pvh"] {
        let uuid = "6d1f5cb2-9a0e-4d5b-8a2e-0f6f2f8f2b11";
        let config = Config::tiny("tiny-ids", kind, &format!("uuid = \"{uuid}\""));
        let before = Leavings::now();
        let guest = Guest::create("tiny-ids", &config);
        guest.says("TINY-READY");
        ok("xenops", &["pause", &guest.id]);
        assert!(ok("xenops", &["list", uuid]).contains(" paused "));
        ok("xenops", &["unpause", uuid]);
        ok("xenops", &["shutdown", "tiny-ids"]);
        before.assert_unchanged();
    }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn json_names_number_and_name_of_the_domain() {
    let config = Config::tiny("in-json", "pv", "");
    let guest = Guest::create("in-json", &config);
    let json = ok("xenops", &["list", "--output", "json", "in-json"]);
    assert!(json.contains("\"name\": \"in-json\""), "{json}");
    assert!(json.contains(&format!("\"domid\": {}", guest.id)), "{json}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_does_not_exist_has_its_own_status() {
    let ran = xenops(&["destroy", "nobody"]);
    assert_eq!(
        (ran.status, ran.err.as_str()),
        (Some(4), "xenops: find domain \"nobody\": no such domain\n")
    );
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_crash_is_reported_and_the_domain_kept() {
    let config = Config::tiny("crashes", "pv", "cmdline = \"crash\"");
    let guest = Guest::create("crashes", &config);
    until("the guest crashes", || ok("xenops", &["list", "crashes"]).contains(" crash "));
    let ran = xenops(&["shutdown", "crashes"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.err.contains("it stopped with crash"), "{}", ran.err);
    ok("xenops", &["destroy", &guest.id]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xl_removes_what_xenops_made() {
    let before = Leavings::now();
    let config = Config::tiny("ours", "pvh", "");
    let guest = Guest::create("ours", &config);
    guest.says("TINY-READY");
    ok("xl", &["destroy", "ours"]);
    until("xl has removed it", || run("xl", &["domid", "ours"]).status != Some(0));
    drop(guest);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xenops_removes_what_xl_made() {
    let before = Leavings::now();
    let guest = xl_create("theirs");
    ok("xenops", &["destroy", "theirs"]);
    drop(guest);
    until("the process that xl left with its guest ends", || pids_of("xl").is_empty());
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn shutting_down_what_xl_made_leaves_nothing_either() {
    let before = Leavings::now();
    let guest = xl_create("theirs-too");
    until("the guest is up", || is_up(&guest));
    ok("xenops", &["shutdown", "theirs-too"]);
    drop(guest);
    until("the process that xl left with its guest ends", || pids_of("xl").is_empty());
    before.assert_unchanged();
}

fn is_up(guest: &Guest) -> bool {
    let node = format!("/local/domain/{}/data/tiny", guest.id);
    run("xenstore-read", &[&node]).out == "up\n"
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_does_not_heed_a_shutdown_is_kept_and_told_of() {
    let config = Config::tiny("deaf", "pv", "");
    let id = ok("xenops", &["create", "--paused", config.path()]).trim().to_owned();
    let _guest = Guest { name: "deaf".into(), id };
    let ran = xenops(&["shutdown", "deaf", "--timeout", "10"]);
    assert_eq!(ran.status, Some(5), "{ran:?}");
    assert!(ran.err.contains("paused, the request is not acknowledged"), "{}", ran.err);
    ok("xenops", &["unpause", "deaf"]);
    until("it heeds the request that still stands", || {
        ok("xenops", &["list", "deaf"]).contains(" poweroff ")
    });
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_wait_for_a_shutdown_ends_with_the_first_signal() {
    let config = Config::tiny("patient", "pv", "");
    let id = ok("xenops", &["create", "--paused", config.path()]).trim().to_owned();
    let guest = Guest { name: "patient".into(), id };
    let wait = start("xenops", &["shutdown", "patient"]);
    let request = format!("/local/domain/{}/control/shutdown", guest.id);
    until("it is asked", || run("xenstore-read", &[&request]).out == "poweroff\n");
    ok("kill", &["-INT", &wait.id().to_string()]);
    assert_eq!(ended(wait, Duration::from_secs(5)).status, Some(130));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_control_domain_is_left_alone() {
    for command in ["pause", "shutdown", "destroy"] {
        let ran = xenops(&[command, "Domain-0"]);
        assert_eq!(ran.status, Some(1), "{command}: {ran:?}");
        assert!(ran.err.contains("it is the control domain"), "{}", ran.err);
    }
    assert_eq!(run("xenstore-read", &["/local/domain/0/control/shutdown"]).status, Some(1));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_console_ends_with_its_domain() {
    let config = Config::tiny("ends", "pv", "");
    let guest = Guest::create("ends", &config);
    guest.says("TINY-READY");
    let console = start("xenops", &["console", "ends"]);
    ok("xenops", &["destroy", "ends"]);
    assert_eq!(ended(console, Duration::from_secs(10)).status, Some(0));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_is_typed_reaches_the_guest() {
    let config = Config::tiny("typed", "pv", "");
    let guest = Guest::create("typed", &config);
    guest.says("TINY-READY");
    let typed = "printf 'one\\ntwo\\n' | xenops console typed --until 'TINY-COUNT 2' --timeout 20";
    ok("sh", &["-c", typed]);
}
