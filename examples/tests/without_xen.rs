//! The examples that need Xen say so in one line where there is none.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::path::Path;
use std::process::Command;

#[test]
fn what_needs_xen_says_that_it_is_not_there_and_ends_with_3() {
    if Path::new("/dev/xen").exists() {
        println!("skipped: this is a domain of Xen");
        return;
    }
    let hypervisor = "no Xen here: open the hypervisor: ";
    let host = "no Xen here: open the Xen host";
    for (name, says) in [
        ("attach-disk", host),
        ("build-guest", hypervisor),
        ("domains", hypervisor),
        ("host-info", hypervisor),
        ("saved", host),
        ("watch-devices", host),
    ] {
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().unwrap().parent().unwrap().join("examples");
        let output = Command::new(folder.join(name)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(3), 1), "{name}: {text}");
        assert!(text.starts_with(says), "{name}: {text}");
    }
}
