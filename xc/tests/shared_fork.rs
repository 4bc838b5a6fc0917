//! Grants after a fork: the child has no mappings, and leaves the parent's alone.

#![allow(unsafe_code, reason = "forks")]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use xc::Kind;
use xc::grant::backend::{Mapping, ShareDevice, UnmapNotify};
use xc::grant::{Access, Shares};
use xen_types::DomId;

/// Counts the requests.
#[derive(Debug)]
struct Counting(OwnedFd, AtomicUsize);

impl Counting {
    fn count<T>(&self, answer: T) -> Result<T, Errno> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(answer)
    }
}

impl ShareDevice for Counting {
    fn alloc_gref(&self, _: u16, _: bool, _: u32) -> Result<(u64, Vec<u32>), Errno> {
        self.count((0, vec![8]))
    }
    fn mmap(&self, index: u64, pages: usize) -> Result<Mapping, Errno> {
        self.count(Mapping::new(self.0.as_fd(), index, pages, true)?)
    }
    fn dealloc_gref(&self, _: u64, _: u32) -> Result<(), Errno> {
        self.count(())
    }
    fn set_unmap_notify(&self, _: UnmapNotify) -> Result<(), Errno> {
        self.count(())
    }
}

#[test]
fn a_forked_child_is_refused_and_does_not_end_the_share_it_drops() {
    let file = memfd_create("share", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, 4096).unwrap();
    let device = Arc::new(Counting(file, AtomicUsize::new(0)));
    let shares = Shares::with_device(device.clone());
    let share = shares.share(DomId::DOM0, 1, Access::Write).unwrap();
    share.store_u8(0, 5).unwrap();
    let before = device.1.load(Ordering::SeqCst);

    // SAFETY: the child of a program with threads may only do what is async-signal-safe: it compares
    // numbers, makes a system call, allocates, which glibc allows after a fork, and exits.
    let child = unsafe { fork() };
    if child == 0 {
        let gone = |done: xc::Result<()>| done.is_err_and(|e| e.kind() == Kind::Gone);
        let refused = gone(share.load_u8(0).map(drop))
            && gone(share.write(0, b"x"))
            && gone(share.close())
            && gone(shares.share(DomId::DOM0, 1, Access::Write).map(drop));
        let untouched = device.1.load(Ordering::SeqCst) == before;
        let own = Mapping::new(device.0.as_fd(), 0, 1, true);
        let has_its_own = own.is_ok_and(|mapping| mapping.load_u8(0) == Ok(5));
        let status = if refused && untouched && has_its_own { 7 } else { 1 };
        // SAFETY: none needed: the process ends without running anything of ours.
        unsafe { _exit(status) };
    }
    let mut status = 0;
    // SAFETY: `status` must be writable for one int: it is a local variable.
    let waited = unsafe { waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 7 << 8));
    assert_eq!(share.load_u8(0).unwrap(), 5);
    share.close().unwrap();
    assert_eq!(device.1.load(Ordering::SeqCst), before + 1);
}

unsafe extern "C" {
    fn fork() -> i32;
    fn _exit(status: i32) -> !;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
}
