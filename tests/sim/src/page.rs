//! What is in a page, for those who have it mapped.

use std::sync::atomic::{AtomicU32, Ordering};

/// 4096 bytes, in words that anybody may write at any time.
#[derive(Debug)]
pub(crate) struct Page(Vec<AtomicU32>);

impl Default for Page {
    /// Of zeros, as Xen scrubs what it gives.
    fn default() -> Self {
        Self((0..1024).map(|_| AtomicU32::new(0)).collect())
    }
}

impl Page {
    pub(crate) fn load(&self, offset: usize) -> u32 {
        self.0[offset / 4].load(Ordering::Acquire)
    }

    pub(crate) fn store(&self, offset: usize, value: u32) {
        self.0[offset / 4].store(value, Ordering::Release);
    }

    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        for (place, byte) in (offset..).zip(bytes) {
            *byte = self.load(place).to_ne_bytes()[place % 4];
        }
    }

    /// Of bytes of the same word only one side may write any.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        for (place, byte) in (offset..).zip(bytes) {
            let mut word = self.load(place).to_ne_bytes();
            word[place % 4] = *byte;
            self.store(place, u32::from_ne_bytes(word));
        }
    }
}
