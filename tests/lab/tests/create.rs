//! `xenops create` and what follows, on the real Xen, with `xl` as the witness.

mod dom0;

use dom0::{Config, Guest, Leavings, in_mid_create, ok, pids_of, run, signal_store, until, xenops};

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
    let guest = Guest { name: "hello-pvh".into(), id: create("/guests/hello-pvh.toml") };
    guest.says("HELLO-READY");
    assert!(ok("xl", &["list", "hello-pvh"]).contains("hello-pvh"));
    ok("xenops", &["destroy", "hello-pvh"]);
    before.assert_unchanged();
}

fn create(file: &str) -> String {
    ok("xenops", &["create", file]).trim().to_owned()
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
fn json_lists_what_the_table_lists() {
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

fn xl_create(name: &str) -> Guest {
    let config = Config::new(
        name,
        &format!("name=\"{name}\"\nkernel=\"/guests/tiny.elf\"\nmemory=16\ntype=\"pv\"\n"),
    );
    ok("xl", &["create", config.path()]);
    let id = ok("xl", &["domid", name]).trim().to_owned();
    Guest { name: name.into(), id }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_store_that_sleeps_in_mid_create_is_waited_for() {
    let before = Leavings::now();
    let config = Config::tiny("sleeper", "pv", "");
    let create = in_mid_create(&config, "sleeper");
    signal_store("-STOP");
    std::thread::sleep(std::time::Duration::from_secs(2));
    signal_store("-CONT");
    let output = create.wait_with_output().expect("xenops ends");
    let guest = Guest { name: "sleeper".into(), id: "sleeper".into() };
    if output.status.success() {
        guest.says("TINY-READY");
        ok("xenops", &["destroy", "sleeper"]);
    }
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_interrupted_creation_is_undone() {
    let before = Leavings::now();
    let config = Config::new(
        "interrupted",
        "name = \"interrupted\"\ntype = \"pv\"\nkernel = \"/guests/vmlinux\"\nmemory = 128\n",
    );
    let create = in_mid_create(&config, "interrupted");
    ok("kill", &["-INT", &create.id().to_string()]);
    let output = create.wait_with_output().expect("xenops ends");
    assert_eq!(output.status.code(), Some(130));
    before.assert_unchanged();
}
