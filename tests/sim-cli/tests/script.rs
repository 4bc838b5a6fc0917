//! Scripts for the command on a simulated machine.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Runs a script without being shown it.
fn run(test: &str, script: &str) -> Output {
    run_with(&[], test, script)
}

/// Runs a script in which `KERNEL` and `CONFIG` are files of this test's alone.
fn run_with(arguments: &[&str], test: &str, script: &str) -> Output {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).unwrap();
    let (kernel, config) = (folder.join("kernel"), folder.join("web.toml"));
    let text = format!("name = \"web\"\ntype = \"pvh\"\nkernel = {kernel:?}\nmemory = 8\n");
    fs::write(&config, text).unwrap();
    let script = script
        .replace("KERNEL", kernel.to_str().unwrap())
        .replace("CONFIG", config.to_str().unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_xenops-sim"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_guest_is_created_listed_shut_down_and_gone() {
    let script = "kernel KERNEL\ncreate CONFIG # as on a real host\nlist\nshutdown web\nlist\n";
    let output = run("life", script);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert_eq!(printed.lines().next(), Some("1"), "{printed}");
    assert_eq!(printed.matches("web").count(), 1, "{printed}");
    assert_eq!(printed.matches("Domain-0").count(), 2, "{printed}");
}

#[test]
fn what_fails_says_why_and_the_script_goes_on() {
    let output = run("failure", "destroy web\ncreate CONFIG\nlist\n");
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(!output.status.success());
    assert!(err.contains("web") && err.contains("kernel"), "{err}");
    assert!(out.contains("Domain-0"), "{out}");
}

#[test]
fn a_script_that_is_shown_tells_what_is_run_and_what_is_left() {
    let script = "# One guest\nkernel KERNEL\ncreate CONFIG\ndestroy web\nunchanged\n";
    let output = run_with(&["--show"], "shown", script);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(printed.starts_with("\n== One guest\nsimulation# kernel "), "{printed}");
    assert!(printed.contains("\nsimulation# xenops destroy web\n"), "{printed}");
    assert!(
        printed.ends_with("the machine is as it was: domains, memory, event channels, store\n")
    );
}

#[test]
fn a_guest_that_is_left_is_a_machine_that_is_not_as_it_was() {
    let output = run("left", "kernel KERNEL\ncreate CONFIG\nunchanged\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.starts_with("the machine is not as it was"), "{said}");
}
