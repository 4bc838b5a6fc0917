//! Which process this is, without asking the kernel each time.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// A number that this process has and none that it was forked from.
///
/// Process ids do not serve: they are used again, and are the same in other namespaces. The number is
/// kept in a page that the kernel hands to a forked child filled with zeroes (madvise(2),
/// `MADV_WIPEONFORK`), so that a child notices that it is one at the price of a load from memory, and
/// takes the next number. Where the kernel has no such pages (before Linux 4.14) the process id serves
/// all the same.
#[inline]
pub(crate) fn token() -> u64 {
    // SAFETY: must be null or an atomic that stays: `page` makes it, and nobody unmaps it.
    match unsafe { MARK.load(Ordering::Acquire).as_ref() }.map(|mark| mark.load(Ordering::Relaxed))
    {
        None | Some(0) => take(),
        Some(token) => token,
    }
}

/// Gives this process its number.
#[cold]
fn take() -> u64 {
    let Some(mark) = mark() else { return WITHOUT_PAGE | u64::from(std::process::id()) };
    let next = TAKEN.fetch_add(1, Ordering::Relaxed) + 1;
    // Another thread may have been first.
    match mark.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(taken) => taken,
    }
}

/// The page, made when it is first asked for. Without a lock: a child forked while another thread held
/// one would wait for ever.
fn mark() -> Option<&'static AtomicU64> {
    let made = MARK.load(Ordering::Acquire);
    // SAFETY: as in `token`.
    if let Some(mark) = unsafe { made.as_ref() } {
        return Some(mark);
    }
    let page = page()?;
    match MARK.compare_exchange(ptr::null_mut(), page, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: must be an atomic that stays: a page of zeroes, made above, which nobody unmaps.
        Ok(_) => unsafe { page.as_ref() },
        // SAFETY: as in `token`. The page made in vain stays: at most one a thread, once.
        Err(theirs) => unsafe { theirs.as_ref() },
    }
}

/// A page of zeroes that is one again in a forked child.
fn page() -> Option<*mut AtomicU64> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the mapping must replace none that is in use: without an address the kernel chooses a
    // free one.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), PAGE, access, MapFlags::PRIVATE) }.ok()?;
    // SAFETY: nobody may depend on what is there being kept over a fork: it was made above.
    unsafe { madvise(page, PAGE, Advice::LinuxWipeOnFork) }.ok()?;
    Some(page.cast())
}

static MARK: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
/// How many numbers were taken: a forked child goes on from its parent's count.
static TAKEN: AtomicU64 = AtomicU64::new(0);
const WITHOUT_PAGE: u64 = 1 << 63;
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_its_number() {
        assert_eq!(token(), token());
        assert_eq!(token() & WITHOUT_PAGE, 0, "this kernel wipes pages on fork");
    }
}
