//! The command as a program, on a host without Xen.

use std::path::Path;
use std::process::{Command, Output};

fn xenops(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xenops")).args(arguments).output().expect("start xenops")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_xen_it_says_what_is_missing_and_never_pretends() {
    if Path::new("/sys/hypervisor/version").exists() {
        eprintln!("skipped: this host runs on Xen");
        return;
    }
    let output = xenops(&["list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    assert!(said(&output).contains("/dev/xen/privcmd"), "{}", said(&output));
}

#[test]
fn a_wrong_configuration_is_found_before_xen_is_looked_for() {
    let path = std::env::temp_dir().join(format!("xenops-wrong-{}.toml", std::process::id()));
    std::fs::write(&path, "name = \"web\"\ntype = \"pv\"\nkernel = \"/k\"\nmemroy = 1\n")
        .expect("write a file");
    let output = xenops(&["create", &path.to_string_lossy()]);
    std::fs::remove_file(&path).expect("remove it");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("memroy"), "{}", said(&output));
}

#[test]
fn a_configuration_file_is_quoted_without_what_a_terminal_obeys() {
    let name = format!("xenops-\u{1b}]0;title-{}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, "name = \"web\"\n# \u{1b}[2J\u{9b}2J\n").expect("write a file");
    let output = xenops(&["create", &path.to_string_lossy()]);
    std::fs::remove_file(&path).expect("remove it");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("# \u{fffd}[2J"), "{}", said(&output));
    assert!(!said(&output).contains(['\u{1b}', '\u{9b}']), "{:?}", said(&output));
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let output = xenops(&["create", "/nowhere/web.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("read /nowhere/web.toml: No such file"), "{}", said(&output));
}

#[test]
fn a_domain_that_was_saved_is_looked_at_before_xen_is_looked_for() {
    let output = xenops(&["restore", "/nowhere/web.saved"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("/nowhere/web.saved"), "{}", said(&output));
    assert!(said(&output).ends_with(": No such file or directory (os error 2)\n"));

    let path = std::env::temp_dir().join(format!("xenops-other-{}.saved", std::process::id()));
    std::fs::write(&path, [0; 4096]).expect("write a file");
    let output = xenops(&["restore", &path.to_string_lossy()]);
    std::fs::remove_file(&path).expect("remove it");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("does not begin with its magic number"), "{}", said(&output));
}

#[test]
fn a_domain_that_goes_on_is_not_left_paused_too() {
    let output = xenops(&["save", "web", "web.saved", "--checkpoint", "--leave-paused"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("cannot be used with"), "{}", said(&output));
}

#[test]
fn no_library_of_xen_is_linked() {
    let ldd = Command::new("ldd").arg(env!("CARGO_BIN_EXE_xenops")).output().expect("start ldd");
    let libraries = String::from_utf8_lossy(&ldd.stdout);
    assert!(libraries.contains("libc.so"), "{libraries}");
    assert!(!libraries.contains("libxen"), "{libraries}");
}
