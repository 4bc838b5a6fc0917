//! How somebody who waits is woken.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar};

/// Somebody who waits for something on a connection.
#[derive(Debug, Clone)]
pub(super) enum Sleeper {
    /// A thread inside one of our calls.
    Thread(Arc<Condvar>),
    /// An event loop that is not ours: an eventfd.
    Descriptor(Arc<OwnedFd>),
}

impl Sleeper {
    pub(super) fn wake(&self) {
        match self {
            Self::Thread(bed) => bed.notify_one(),
            // It fails only if the counter is full: then it has been woken already.
            Self::Descriptor(bell) => {
                rustix::io::write(bell, &1_u64.to_ne_bytes()).map(drop).unwrap_or_default();
            }
        }
    }
}
