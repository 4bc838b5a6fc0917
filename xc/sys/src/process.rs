//! Which process this is, without asking the kernel each time.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// The process id.
///
/// It is kept in a page that the kernel hands to a forked child filled with zeroes, so that a child
/// notices that it is one at the price of a load from memory. Where the kernel cannot do that (before
/// Linux 4.14) it is asked each time.
#[inline]
pub(crate) fn id() -> u32 {
    match KEPT.get() {
        Some(Some(kept)) => match kept.load(Ordering::Relaxed) {
            0 => ask(),
            id => id,
        },
        _ => ask(),
    }
}

#[cold]
fn ask() -> u32 {
    let id = std::process::id();
    if let Some(kept) = KEPT.get_or_init(page) {
        kept.store(id, Ordering::Relaxed);
    }
    id
}

/// A page of zeroes that is one again in a forked child.
fn page() -> Option<&'static AtomicU32> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the address must be free or null: it is null.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), PAGE, access, MapFlags::PRIVATE) }.ok()?;
    // SAFETY: the range must be a mapping that nobody has data in: it was made above.
    unsafe { madvise(page, PAGE, Advice::LinuxWipeOnFork) }.ok()?;
    // SAFETY: must be aligned, never unmapped and accessed atomically: it is a page, which nobody
    // unmaps and nothing else refers to; zeroes are an atomic of 0.
    Some(unsafe { &*page.cast::<AtomicU32>() })
}

static KEPT: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_id_is_that_of_the_process() {
        assert_eq!((id(), id()), (std::process::id(), std::process::id()));
        assert!(KEPT.get().is_some_and(Option::is_some), "this kernel wipes pages on fork");
    }
}
