//! A device after a fork: the child must leave the parent's ports alone.

#![allow(unsafe_code, reason = "forks")]

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventchn::{Backend, EventChannels, Kind};
use rustix::io::Errno;
use xen_types::{Deadline, DomId, Port};

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Counts the calls made.
#[derive(Debug)]
struct Counting;

fn count<T>(answer: T) -> Result<T, Errno> {
    CALLS.fetch_add(1, Ordering::SeqCst);
    Ok(answer)
}

impl Backend for Counting {
    fn bind_interdomain(&self, _: DomId, _: Port) -> Result<Port, Errno> {
        count(Port(1))
    }
    fn bind_unbound_port(&self, _: DomId) -> Result<Port, Errno> {
        count(Port(1))
    }
    fn bind_virq(&self, _: u32) -> Result<Port, Errno> {
        count(Port(1))
    }
    fn unbind(&self, _: Port) -> Result<(), Errno> {
        count(())
    }
    fn notify(&self, _: Port) -> Result<(), Errno> {
        count(())
    }
    fn poll(&self, _: Deadline) -> Result<bool, Errno> {
        count(false)
    }
    fn read(&self, _: &mut [u32]) -> Result<usize, Errno> {
        count(0)
    }
    fn unmask(&self, _: Port) -> Result<(), Errno> {
        count(())
    }
    fn reset(&self) -> Result<(), Errno> {
        count(())
    }
    fn restrict(&self, _: DomId) -> Result<(), Errno> {
        count(())
    }
    fn fd(&self) -> BorrowedFd<'_> {
        unimplemented!("not asked for")
    }
}

#[test]
fn a_forked_child_is_refused_and_does_not_unbind_what_it_drops() {
    let channels = EventChannels::with_backend(Box::new(Counting));
    let bound = channels.bind_interdomain(DomId::DOM0, Port(9)).unwrap();
    let before = CALLS.load(Ordering::SeqCst);

    // SAFETY: the child of a program with threads may only do what is async-signal-safe: it
    // compares numbers, allocates, which glibc allows after a fork, and exits.
    let child = unsafe { fork() };
    if child == 0 {
        let gone = |done: eventchn::Result<()>| done.is_err_and(|e| e.kind() == Kind::Gone);
        let refused = gone(bound.notify())
            && gone(bound.unmask())
            && gone(bound.wait(Deadline::at(std::time::Instant::now())))
            && gone(channels.pending().map(drop))
            && gone(channels.restrict(DomId::DOM0))
            && gone(channels.bind_unbound_port(DomId::DOM0).map(drop));
        drop(bound);
        let untouched = CALLS.load(Ordering::SeqCst) == before;
        // SAFETY: none needed: the process ends without running anything of ours.
        unsafe { _exit(if refused && untouched { 7 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` must be writable for one int: it is a local variable.
    let waited = unsafe { waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 7 << 8));
    bound.notify().unwrap();
    bound.close().unwrap();
    assert_eq!(CALLS.load(Ordering::SeqCst), before + 2);
}

unsafe extern "C" {
    fn fork() -> i32;
    fn _exit(status: i32) -> !;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
}
