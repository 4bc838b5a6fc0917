//! One direction of a byte ring shared with another domain.
//!
//! The two indices run freely through all of `u32` and are taken modulo the size, a power of two
//! (docs/misc/xenstore-ring.txt, public/io/console.h). The other side writes at any moment, hence
//! atomics; it may write nonsense, hence no index of its making is used unclamped.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Borrowed parts of a shared page: the bytes, who reads how far, who wrote how far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring<'a> {
    bytes: &'a [AtomicU8],
    read: &'a AtomicU32,
    written: &'a AtomicU32,
}

impl<'a> Ring<'a> {
    pub(crate) fn new(bytes: &'a [AtomicU8], read: &'a AtomicU32, written: &'a AtomicU32) -> Self {
        debug_assert!(bytes.len().is_power_of_two());
        Self { bytes, read, written }
    }

    /// How many bytes the ring holds when full.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes can be put now.
    pub(crate) fn room(&self) -> usize {
        self.size() - self.waiting()
    }

    /// Puts as many of `bytes` as there is room for, and says how many.
    pub(crate) fn put(&self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        let mut index = self.written.load(Ordering::Relaxed);
        for &byte in &bytes[..count] {
            self.slot(index).store(byte, Ordering::Relaxed);
            index = index.wrapping_add(1);
        }
        self.written.store(index, Ordering::Release);
        count
    }

    /// Takes as many bytes as are there and fit `buffer`, and says how many.
    pub(crate) fn take(&self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.waiting());
        let mut index = self.read.load(Ordering::Relaxed);
        for byte in &mut buffer[..count] {
            *byte = self.slot(index).load(Ordering::Relaxed);
            index = index.wrapping_add(1);
        }
        self.read.store(index, Ordering::Release);
        count
    }

    fn waiting(&self) -> usize {
        let written = self.written.load(Ordering::Acquire);
        let read = self.read.load(Ordering::Acquire);
        (written.wrapping_sub(read) as usize).min(self.size())
    }

    fn slot(&self, index: u32) -> &AtomicU8 {
        &self.bytes[index as usize & (self.size() - 1)]
    }
}
