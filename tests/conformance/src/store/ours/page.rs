//! A ring in the memory of this process: a page of words, and an event for each direction.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use xs::ring::{Bell as _, Page as _};

use super::{Ring, event};

/// Both ends; the clones are the same channel.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    page: Arc<Words>,
    towards_store: Arc<OwnedFd>,
    towards_domain: Arc<OwnedFd>,
}

impl Channel {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            page: Arc::new(Words((0..PAGE / 4).map(|_| AtomicU32::new(0)).collect())),
            towards_store: Arc::new(event()?),
            towards_domain: Arc::new(event()?),
        })
    }

    pub(super) fn of_domain(&self) -> Ring {
        let (heard, rung) = (Arc::clone(&self.towards_domain), Arc::clone(&self.towards_store));
        Ring { page: Arc::clone(&self.page) as _, bell: Arc::new(Events { heard, rung }) }
    }

    /// What a link is made of.
    pub(super) fn of_store(&self) -> (OfStore<Arc<Words>>, OfStore<Events>) {
        let (heard, rung) = (Arc::clone(&self.towards_store), Arc::clone(&self.towards_domain));
        (OfStore(Arc::clone(&self.page)), OfStore(Events { heard, rung }))
    }
}

/// The page.
#[derive(Debug)]
pub(super) struct Words(Vec<AtomicU32>);

impl Words {
    fn word(&self, offset: usize) -> &AtomicU32 {
        &self.0[offset / 4]
    }
}

impl xs::ring::Page for Words {
    fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    fn store(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        for (place, byte) in (offset..).zip(bytes) {
            *byte = self.word(place).load(Ordering::Relaxed).to_ne_bytes()[place % 4];
        }
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        for (place, byte) in (offset..).zip(bytes) {
            // Only one side writes to a word, but the other may read it.
            let mut word = self.word(place).load(Ordering::Relaxed).to_ne_bytes();
            word[place % 4] = *byte;
            self.word(place).store(u32::from_ne_bytes(word), Ordering::Relaxed);
        }
    }
}

/// The event channel, as one side has it.
#[derive(Debug)]
pub(super) struct Events {
    heard: Arc<OwnedFd>,
    rung: Arc<OwnedFd>,
}

impl xs::ring::Bell for Events {
    fn fd(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }

    fn ring(&self) -> io::Result<()> {
        rustix::io::write(&self.rung, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    fn acknowledge(&self) -> io::Result<()> {
        match rustix::io::read(&self.heard, &mut [0; 8]) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is the domain's way to the store is the store's way to the domain.
pub(super) struct OfStore<T>(T);

impl xs_server::Page for OfStore<Arc<Words>> {
    fn load(&self, offset: usize) -> u32 {
        self.0.load(offset)
    }

    fn store(&self, offset: usize, value: u32) {
        self.0.store(offset, value);
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.0.read(offset, bytes);
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.0.write(offset, bytes);
    }
}

impl xs_server::Bell for OfStore<Events> {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }

    fn ring(&self) -> io::Result<()> {
        self.0.ring()
    }

    fn acknowledge(&self) -> io::Result<()> {
        self.0.acknowledge()
    }
}

const PAGE: usize = 4096;
