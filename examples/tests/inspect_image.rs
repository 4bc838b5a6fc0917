//! What `inspect-image` prints, of images that are made up here: no Xen, no file.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::io::Write as _;
use std::process::{Command, Stdio};

#[path = "../../xg/tests/images/sample.rs"]
mod sample;

/// Its exit status and what it prints.
fn inspect(image: &[u8], arguments: &[&str]) -> (Option<i32>, String) {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap().join("examples");
    let mut child = Command::new(folder.join("inspect-image"))
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(image).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_image_is_summed_up() {
    let (status, text) = inspect(&sample::xl(&sample::libxl(&sample::pv(), &[])), &[]);
    let expected = "\
format: Xl, version 3 of libxc's stream
written by: Xen 4.17
guest: Pv64, 2 virtual CPUs
map: 1024 pages, sent in 2 passes
sent: 10 pages (3 normal, 4 tables, 1 broken, 1 without contents, 1 invalid)
policy: 2 CPUID leaves, 1 registers
checkpoints: 0
records: 17, 44368 bytes in all
";
    assert_eq!((status, text.as_str()), (Some(0), expected));
}

#[test]
fn its_records_are_listed() {
    let (status, text) = inspect(&sample::pvh(), &["--records"]);
    let records: Vec<&str> = text.lines().take(8).collect();
    let expected = [
        "libxc: version 3",
        "     0         0x28 X86_CPUID_POLICY, 48 bytes: 2 leaves",
        "     1         0x60 STATIC_DATA_END, 0 bytes",
        "     2         0x68 PAGE_DATA, 12320 bytes: 3 pages (3 normal)",
        "     3       0x3090 X86_TSC_INFO, 24 bytes: AlwaysEmulate, 2400000 kHz, 5s",
        "     4       0x30b0 HVM_PARAMS, 40 bytes: 2 parameters",
        "     5       0x30e0 HVM_CONTEXT, 136 bytes: 3 entries",
        "     6       0x3170 END, 0 bytes",
    ];
    assert_eq!((status, records.as_slice()), (Some(0), expected.as_slice()));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let (status, text) = inspect(&sample::pvh()[..0x70], &[]);
    let expected = "refused: read the saved image -: the stream, which begins at byte 0: \
                    record 2 (PAGE_DATA) at byte 104: truncated: 12320 bytes or more are missing\n";
    assert_eq!((status, text.as_str()), (Some(1), expected));
}
