//! Memory that somebody else changes at any time: another domain, the kernel, another process.

use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering, fence};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

use crate::process;

/// Pages of a file mapped into this process; unmapped when dropped.
///
/// There is no reference into it, only copies and single atomic accesses: what is read twice may
/// differ. A forked child does not inherit the mapping (it would put off what the kernel does at the
/// unmapping), and every access there is refused.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
    writable: bool,
    /// The process that has it.
    owner: u64,
}

/// An access to a [`Mapping`] that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// It goes beyond the end.
    #[error("it goes beyond the {len} bytes that are mapped")]
    OutOfBounds {
        /// How long the mapping is.
        len: usize,
    },
    /// The mapping is for reading only.
    #[error("it is mapped for reading only")]
    ReadOnly,
    /// A number does not lie at a multiple of its size.
    #[error("a number of {0} bytes must lie at a multiple of that")]
    Unaligned(usize),
    /// This process was forked from the one that has the mapping.
    #[error("it was mapped by another process, before a fork")]
    UsedAfterFork,
}

impl Mapping {
    /// The size of a page.
    pub const PAGE: usize = 4096;

    /// Maps `pages` pages of a file from `offset`, in bytes, on, shared with all who map them.
    ///
    /// # Errors
    /// The kernel's; `EINVAL` for no pages or more than there are addresses.
    pub fn new(
        file: BorrowedFd<'_>,
        offset: u64,
        pages: usize,
        writable: bool,
    ) -> Result<Self, Errno> {
        let len = pages.checked_mul(Self::PAGE).ok_or(Errno::INVAL)?;
        let write = if writable { ProtFlags::WRITE } else { ProtFlags::empty() };
        let (protection, anywhere) = (ProtFlags::READ | write, std::ptr::null_mut());
        // SAFETY: the mapping must replace none that is in use: without an address the kernel
        // chooses a free one.
        let start = unsafe { mmap(anywhere, len, protection, MapFlags::SHARED, file, offset) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::FAULT)?;
        let made = Self { start, len, writable, owner: process::token() };
        // SAFETY: the advice must be for memory of which nobody depends on being there after a fork:
        // every access asks for the process first.
        unsafe { madvise(made.address(), len, Advice::LinuxDontFork) }?;
        Ok(made)
    }

    /// Its length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it may be written.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Where it starts, for the kernel: not to be accessed through.
    pub(crate) fn address(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }

    /// Unmaps it, telling whether that worked.
    ///
    /// # Errors
    /// The kernel's; the mapping is given up in any case.
    pub fn unmap(self) -> Result<(), Errno> {
        let this = std::mem::ManuallyDrop::new(self);
        this.release()
    }

    /// Copies the bytes from `offset` on out of the memory.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`], [`AccessError::UsedAfterFork`].
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), AccessError> {
        self.check(offset, bytes.len())?;
        let (head, words) = split(offset, bytes.len());
        let (start, rest) = bytes.split_at_mut(head);
        let (middle, end) = rest.as_chunks_mut::<WORD>();
        let after = offset + head + words * WORD;
        for (i, byte) in start.iter_mut().enumerate() {
            *byte = self.load(offset + i);
        }
        for (i, word) in middle.iter_mut().enumerate() {
            *word = self.load::<u64>(offset + head + i * WORD).to_ne_bytes();
        }
        for (i, byte) in end.iter_mut().enumerate() {
            *byte = self.load(after + i);
        }
        Ok(())
    }

    /// Copies bytes into the memory, from `offset` on.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`], [`AccessError::ReadOnly`], [`AccessError::UsedAfterFork`].
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), AccessError> {
        self.check_writable(offset, bytes.len())?;
        let (head, words) = split(offset, bytes.len());
        let (start, rest) = bytes.split_at(head);
        let (middle, end) = rest.as_chunks::<WORD>();
        let after = offset + head + words * WORD;
        for (i, byte) in start.iter().enumerate() {
            self.store(offset + i, *byte);
        }
        for (i, word) in middle.iter().enumerate() {
            self.store(offset + head + i * WORD, u64::from_ne_bytes(*word));
        }
        for (i, byte) in end.iter().enumerate() {
            self.store(after + i, *byte);
        }
        Ok(())
    }

    /// The byte at `offset`. Nothing that the caller accesses afterwards is accessed before
    /// (acquire).
    ///
    /// # Errors
    /// As for [`Mapping::read`].
    pub fn load_u8(&self, offset: usize) -> Result<u8, AccessError> {
        self.check(offset, 1)?;
        let value = self.load(offset);
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// The number at `offset`, in one access, with acquire as [`Mapping::load_u8`].
    ///
    /// # Errors
    /// As for [`Mapping::read`], and [`AccessError::Unaligned`].
    pub fn load_u32(&self, offset: usize) -> Result<u32, AccessError> {
        aligned(offset, 4)?;
        self.check(offset, 4)?;
        let value = self.load(offset);
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// Sets the byte at `offset`. Everything that the caller accessed before is accessed before
    /// (release).
    ///
    /// # Errors
    /// As for [`Mapping::write`].
    pub fn store_u8(&self, offset: usize, value: u8) -> Result<(), AccessError> {
        self.check_writable(offset, 1)?;
        fence(Ordering::Release);
        self.store(offset, value);
        Ok(())
    }

    /// Sets the number at `offset` in one access, with release as [`Mapping::store_u8`].
    ///
    /// # Errors
    /// As for [`Mapping::write`], and [`AccessError::Unaligned`].
    pub fn store_u32(&self, offset: usize, value: u32) -> Result<(), AccessError> {
        aligned(offset, 4)?;
        self.check_writable(offset, 4)?;
        fence(Ordering::Release);
        self.store(offset, value);
        Ok(())
    }

    /// Sets bits of the byte at `offset`; what it was. No access of the caller moves over it in
    /// either direction.
    ///
    /// # Errors
    /// As for [`Mapping::write`].
    pub fn fetch_or_u8(&self, offset: usize, bits: u8) -> Result<u8, AccessError> {
        self.check_writable(offset, 1)?;
        fence(Ordering::SeqCst);
        let before = self.byte(offset).fetch_or(bits, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Ok(before)
    }

    /// Keeps only these bits of the byte at `offset`; what it was. Ordered as
    /// [`Mapping::fetch_or_u8`].
    ///
    /// # Errors
    /// As for [`Mapping::write`].
    pub fn fetch_and_u8(&self, offset: usize, bits: u8) -> Result<u8, AccessError> {
        self.check_writable(offset, 1)?;
        fence(Ordering::SeqCst);
        let before = self.byte(offset).fetch_and(bits, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Ok(before)
    }

    fn check(&self, offset: usize, len: usize) -> Result<(), AccessError> {
        if process::token() != self.owner {
            return Err(AccessError::UsedAfterFork);
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(AccessError::OutOfBounds { len: self.len }),
        }
    }

    fn check_writable(&self, offset: usize, len: usize) -> Result<(), AccessError> {
        if self.writable { self.check(offset, len) } else { Err(AccessError::ReadOnly) }
    }

    /// Reads a number, in one access.
    fn load<T: Number>(&self, offset: usize) -> T {
        let at = self.place::<T>(offset);
        // SAFETY: must be aligned and readable, and any bytes a number: `place` checked the one, the
        // mapping is readable while `self` lives, numbers have no other bytes. That it changes meanwhile
        // is what volatile is for: see at `Sync`.
        unsafe { at.read_volatile() }
    }

    /// Writes a number, in one access. The callers have checked that writing is allowed.
    fn store<T: Number>(&self, offset: usize, value: T) {
        assert!(self.writable, "checked by the callers");
        let at = self.place::<T>(offset);
        // SAFETY: must be aligned and writable: `place` checked the one, and the mapping is writable by
        // the assertion, while `self` lives.
        unsafe { at.write_volatile(value) };
    }

    /// The byte at `offset`, to change bits of it.
    fn byte(&self, offset: usize) -> &AtomicU8 {
        assert!(self.writable, "checked by the callers");
        let at = self.place(offset);
        // SAFETY: the byte must stay readable and writable for as long as the reference lives: that
        // borrows `self`, which is writable by the assertion. Others access it by single machine
        // instructions: see at `Sync`.
        unsafe { AtomicU8::from_ptr(at) }
    }

    fn place<T: Number>(&self, offset: usize) -> *mut T {
        let inside = offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.len);
        assert!(inside && offset.is_multiple_of(size_of::<T>()), "checked by the callers");
        // SAFETY: the sum must stay within the mapping: it was compared with its length above.
        unsafe { self.start.add(offset) }.as_ptr().cast()
    }

    /// To be called once.
    fn release(&self) -> Result<(), Errno> {
        if process::token() != self.owner {
            return Ok(()); // nothing of it is here, and the addresses may be somebody else's by now
        }
        // SAFETY: nobody may use the memory afterwards: the callers own the mapping and end it, and
        // no reference into it outlives a method.
        unsafe { munmap(self.address(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Fails only for arguments that are no mapping.
        let _ = self.release();
    }
}

// SAFETY: a mapping may go to another thread if nothing of it belongs to one: memory belongs to the
// process.
unsafe impl Send for Mapping {}
// SAFETY: several threads may access it at once if no access of one makes another's undefined. Each is
// volatile, aligned, at most eight bytes wide and so one instruction on x86-64, the only processor this
// crate compiles for: it is neither torn nor left out nor repeated, and what it reads is believed by
// nobody. Rust's memory model has no word for memory that other domains write, nor for accesses of
// several widths to the same bytes; nothing of it is ever borrowed, so no such assumption reaches a
// compiler beyond these instructions.
unsafe impl Sync for Mapping {}

/// What is read or written in one access.
trait Number: Copy {}

impl Number for u8 {}
impl Number for u32 {}
impl Number for u64 {}

/// How many bytes come before the first whole word, and how many whole words follow.
fn split(offset: usize, len: usize) -> (usize, usize) {
    let head = (offset.next_multiple_of(WORD) - offset).min(len);
    (head, (len - head) / WORD)
}

fn aligned(offset: usize, size: usize) -> Result<(), AccessError> {
    if offset.is_multiple_of(size) { Ok(()) } else { Err(AccessError::Unaligned(size)) }
}

const WORD: usize = size_of::<u64>();

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
