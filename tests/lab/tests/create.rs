//! `xenops create` on the real Xen: what it refuses, and what a failed one leaves.

mod dom0;

use std::process::Child;
use std::time::Duration;

use dom0::{
    Config, Guest, Leavings, ended, in_mid_create, ok, signal_store, start, xenops, xl_create,
};

/// A creation that must fail, leave nothing, and say these things.
fn refused(config: &Config, says: &[&str]) {
    let before = Leavings::now();
    let ran = xenops(&["create", config.path()]);
    assert_ne!(ran.status, Some(0), "{ran:?}");
    for text in says {
        assert!(ran.err.contains(text), "{text:?} is not in {:?}", ran.err);
    }
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_missing_kernel_is_named() {
    let config = Config::new(
        "no-kernel",
        "name = \"no-kernel\"\ntype = \"pv\"\nkernel = \"/guests/nothing-here\"\nmemory = 16\n",
    );
    refused(
        &config,
        &["create domain \"no-kernel\": read kernel /guests/nothing-here", "No such file"],
    );
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_truncated_kernel_is_refused() {
    let kernel = std::fs::read("/guests/tiny.elf").expect("read the tiny guest");
    std::fs::write("/tmp/cut.elf", &kernel[..kernel.len() / 2]).expect("write half of it");
    let config = Config::new(
        "cut",
        "name = \"cut\"\ntype = \"pv\"\nkernel = \"/tmp/cut.elf\"\nmemory = 16\n",
    );
    refused(&config, &["kernel /tmp/cut.elf"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_kernel_that_is_none_is_refused() {
    let config = Config::new(
        "text",
        "name = \"text\"\ntype = \"pvh\"\nkernel = \"/guests/hello-pv.toml\"\nmemory = 16\n",
    );
    refused(&config, &["kernel /guests/hello-pv.toml"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_missing_ramdisk_is_named() {
    let config = Config::tiny("no-ramdisk", "pv", "ramdisk = \"/guests/no-ramdisk\"");
    refused(&config, &["read ramdisk /guests/no-ramdisk", "No such file"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn too_much_memory_is_refused_with_both_figures() {
    let config = Config::new(
        "huge",
        "name = \"huge\"\ntype = \"pv\"\nkernel = \"/guests/tiny.elf\"\nmemory = 100000\n",
    );
    refused(&config, &["create domain \"huge\"", "100002 MiB must be free", "MiB are"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_cannot_hold_its_kernel_is_undone() {
    // 1 MiB passes every check before the build: the builder is the one to fail.
    let config = Config::new(
        "small",
        "name = \"small\"\ntype = \"pv\"\nkernel = \"/guests/vmlinux\"\nmemory = 1\n",
    );
    refused(&config, &["create domain \"small\"", "build"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_name_in_use_is_refused_and_its_holder_named() {
    let config = Config::tiny("twice", "pv", "");
    let first = Guest::create("twice", &config);
    refused(&config, &["create domain \"twice\"", &format!("domain {} has this name", first.id)]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_name_that_xl_gave_is_in_use_too() {
    let _guest = xl_create("of-xl");
    let config = Config::tiny("of-xl", "pv", "");
    refused(&config, &["has this name"]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_paused_creation_waits_to_be_unpaused() {
    let config = Config::tiny("waits", "pv", "");
    let id = ok("xenops", &["create", "--paused", config.path()]).trim().to_owned();
    let guest = Guest { name: "waits".into(), id };
    assert!(ok("xl", &["list", "waits"]).contains("--p---"));
    ok("xenops", &["unpause", "waits"]);
    guest.says("TINY-READY");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_uuid_in_use_is_refused_and_its_holder_unharmed() {
    let line = "uuid = \"6d1f5cb2-9a0e-4d5b-8a2e-0f6f2f8f2b11\"";
    let first = Guest::create("holder", &Config::tiny("holder", "pv", line));
    let second = Config::tiny("copy", "pv", line);
    refused(&second, &["create domain \"copy\"", &format!("domain {} has this UUID", first.id)]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn of_two_creations_of_one_name_exactly_one_succeeds() {
    let config = Config::tiny("rivals", "pv", "");
    let rivals = [(); 2].map(|()| start("xenops", &["create", config.path()]));
    let statuses = rivals.map(|rival| ended(rival, Duration::from_secs(60)).status);
    let _guest = Guest { name: "rivals".into(), id: "rivals".into() };
    assert!(statuses.contains(&Some(0)) && statuses.contains(&Some(1)), "{statuses:?}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_store_that_sleeps_in_mid_create_is_waited_for() {
    let before = Leavings::now();
    let (mut create, _config) = in_mid_create("sleeper", |_| signal_store("-STOP"));
    let still_at_it = create.try_wait().expect("look at a child").is_none();
    std::thread::sleep(Duration::from_secs(2));
    signal_store("-CONT");
    assert!(still_at_it, "the creation was over before the store stopped");
    assert_eq!(ended(create, Duration::from_secs(60)).status, Some(0));
    ok("xenops", &["destroy", "sleeper"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_store_that_sleeps_longer_than_the_creation_may_take_undoes_it() {
    let before = Leavings::now();
    let config = Config::tiny("impatient", "pv", "");
    signal_store("-STOP");
    let create = start("xenops", &["create", config.path(), "--timeout", "1"]);
    std::thread::sleep(Duration::from_secs(3));
    signal_store("-CONT");
    let ran = ended(create, Duration::from_secs(30));
    assert_eq!(ran.status, Some(5), "{ran:?}");
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_interrupted_creation_is_undone() {
    let before = Leavings::now();
    let interrupt = |create: &Child| drop(ok("kill", &["-INT", &create.id().to_string()]));
    let (create, _config) = in_mid_create("interrupted", interrupt);
    assert_eq!(ended(create, Duration::from_secs(60)).status, Some(130));
    before.assert_unchanged();
}
