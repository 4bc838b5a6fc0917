//! The kernel's note of pages that are mapped or shared, given up once.

use crate::shared::Fault;

/// Who gives a note up: the device that made it.
pub(super) trait Release {
    fn release(&self, index: u64, count: u32) -> Result<(), Fault>;
}

/// The note of `count` pages at `index`; what is mapped of them must be unmapped first, as the kernel
/// forgets only what is not in use.
#[derive(Debug)]
pub(super) struct Slot<D: Release> {
    pub(super) device: D,
    pub(super) index: u64,
    count: u32,
    held: bool,
}

impl<D: Release> Slot<D> {
    pub(super) fn new(device: D, index: u64, count: u32) -> Self {
        Self { device, index, count, held: true }
    }

    pub(super) fn release(&mut self) -> Result<(), Fault> {
        if !std::mem::take(&mut self.held) {
            return Ok(());
        }
        self.device.release(self.index, self.count)
    }
}

impl<D: Release> Drop for Slot<D> {
    fn drop(&mut self) {
        // Fails only if the kernel has no such note, which is what is wanted, and after a fork, when
        // it is the parent's.
        let _ = self.release();
    }
}
