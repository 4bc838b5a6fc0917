//! Which process this is, without a system call: accesses to memory ask it each time.

use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// The id of the process that runs this, asked for once in each process.
pub(crate) fn current() -> u32 {
    static MARK: OnceLock<Option<Mark>> = OnceLock::new();
    let Some(mark) = MARK.get_or_init(Mark::new) else { return std::process::id() };
    match mark.number().load(Ordering::Relaxed) {
        0 => {
            let id = std::process::id();
            mark.number().store(id, Ordering::Relaxed);
            id
        }
        id => id,
    }
}

/// A number that the kernel sets to zero in a forked child (madvise(2), `MADV_WIPEONFORK`).
struct Mark(NonNull<AtomicU32>);

impl Mark {
    /// `None` if the kernel gives no such page.
    fn new() -> Option<Self> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: the mapping must replace none that is in use: without an address the kernel
        // chooses a free one.
        let page = unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE, protection, flags) }.ok()?;
        // SAFETY: the advice must be for memory of which nobody depends on being kept over a fork:
        // the page was made above and is known here only.
        unsafe { madvise(page, PAGE, Advice::LinuxWipeOnFork) }.ok()?;
        NonNull::new(page.cast()).map(Self)
    }

    fn number(&self) -> &AtomicU32 {
        // SAFETY: the page must stay mapped for as long as the reference lives: nobody unmaps it.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: a pointer may go to other threads if what it points to may: the page belongs to the
// process and holds an atomic.
unsafe impl Send for Mark {}
// SAFETY: as for Send: all access is atomic.
unsafe impl Sync for Mark {}

const PAGE: usize = 4096;
