//! A handle after a fork, which libxc does not allow to be used.

#![allow(unsafe_code, reason = "forks")]

use std::path::Path;
use std::sync::Arc;

use xen_abi::Stub;
use xenctrl_sys::{Interface, Library, Release, UsedAfterFork};

#[test]
fn a_handle_is_refused_in_a_forked_child_and_lives_on_in_the_parent() {
    let stub = Stub::new(Path::new(env!("CARGO_TARGET_TMPDIR")), 17);
    // SAFETY: the folder must hold libxenctrl of 4.17: it holds one with its prototypes.
    let library = unsafe { Library::load_from(stub.directory(), Release::new(4, 17)) }.unwrap();
    let interface = Interface::open(Arc::new(library)).unwrap();

    // SAFETY: the child of a program with threads may only do what is async-signal-safe: it compares
    // two numbers and exits.
    let child = unsafe { fork() };
    if child == 0 {
        let refused = interface.as_ptr() == Err(UsedAfterFork);
        // SAFETY: none needed: the process ends without running anything of ours.
        unsafe { _exit(if refused { 7 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` must be writable for one int: it is a local variable.
    let waited = unsafe { waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 7 << 8));
    assert!(interface.as_ptr().is_ok());
}

unsafe extern "C" {
    fn fork() -> i32;
    fn _exit(status: i32) -> !;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
}
