//! A guest's ring as the client wants it.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use store_daemons::Ring;
use xs::ring::{Bell, Page};

/// The page; the kernel copies each access whole, and in order.
struct SharedPage(Arc<Ring>);

/// The event channel.
struct Channel(Arc<Ring>);

/// Both ends of what a client needs.
pub(super) fn halves(ring: Ring) -> (impl Page, impl Bell) {
    let ring = Arc::new(ring);
    (SharedPage(Arc::clone(&ring)), Channel(ring))
}

impl Page for SharedPage {
    fn load(&self, offset: usize) -> u32 {
        self.0.load(offset).unwrap()
    }

    fn store(&self, offset: usize, value: u32) {
        self.0.store(offset, value).unwrap();
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.0.read(offset, bytes).unwrap();
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.0.write(offset, bytes).unwrap();
    }
}

impl Bell for Channel {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn ring(&self) -> io::Result<()> {
        self.0.notify()
    }

    fn acknowledge(&self) -> io::Result<()> {
        self.0.acknowledge()
    }
}
