//! A guest's end of its ring, as a client wants it and as facts handle it.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use xs::ring::{Bell, Page};

/// The page and its event channel.
pub(super) struct Ring {
    pub(super) page: Arc<dyn Page>,
    pub(super) bell: Arc<dyn Bell>,
}

impl Ring {
    /// That of a domain of a real daemon.
    pub(super) fn of_file(ring: store_daemons::Ring) -> Self {
        let ring = Arc::new(ring);
        Self { page: Arc::new(SharedPage(Arc::clone(&ring))), bell: Arc::new(Channel(ring)) }
    }
}

/// The page; the kernel copies each access whole, and in order.
struct SharedPage(Arc<store_daemons::Ring>);

/// The event channel.
struct Channel(Arc<store_daemons::Ring>);

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
