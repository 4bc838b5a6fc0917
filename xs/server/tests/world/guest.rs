//! A guest's end of a ring in the memory of this process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::event::{EventfdFlags, eventfd};

use super::Wire;

/// A page, in words.
#[derive(Debug)]
pub(crate) struct Memory(Vec<AtomicU32>);

/// The guest's end; its clones are the same.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) page: Arc<Memory>,
    pub(crate) bell: Bell,
    store: Bell,
}

/// One end of an event channel.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    own: Arc<OwnedFd>,
    other: Arc<OwnedFd>,
    torn: Arc<AtomicBool>,
}

pub(crate) const REQUESTS_CONSUMED: usize = 2048;
pub(crate) const REQUESTS_PRODUCED: usize = 2052;
pub(crate) const REPLIES_CONSUMED: usize = 2056;
pub(crate) const REPLIES_PRODUCED: usize = 2060;

impl Memory {
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        assert_eq!(offset % 4, 0);
        &self.0[offset / 4]
    }

    pub(crate) fn get(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        for (place, byte) in (offset..).zip(bytes) {
            *byte = self.get(place / 4 * 4).to_ne_bytes()[place % 4];
        }
    }

    /// Each queue has one writer, so that no byte of the same word is written meanwhile.
    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        for (place, byte) in (offset..).zip(bytes) {
            let mut word = self.get(place / 4 * 4).to_ne_bytes();
            word[place % 4] = *byte;
            self.set(place / 4 * 4, u32::from_ne_bytes(word));
        }
    }
}

impl Bell {
    /// Has every later ring fail, at either end.
    pub(crate) fn tear(&self) {
        self.torn.store(true, Ordering::SeqCst);
    }

    pub(crate) fn strike(&self) -> io::Result<()> {
        if self.torn.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        rustix::io::write(&self.other, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    fn hear(&self) {
        rustix::io::read(&self.own, &mut [0; 8]).unwrap_or_default();
    }
}

impl Guest {
    pub(crate) fn new() -> Self {
        // What is in the page before the store has begun must not matter.
        let page = Arc::new(Memory((0..1024).map(|_| AtomicU32::new(0x5a5a_5a5a)).collect()));
        let event =
            || Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap());
        let (own, other, torn) = (event(), event(), Arc::default());
        let bell = Bell { own: Arc::clone(&own), other: Arc::clone(&other), torn };
        let store = Bell { own: other, other: own, torn: Arc::clone(&bell.torn) };
        Self { page, bell, store }
    }

    /// What the store has of it.
    pub(crate) fn other_side(&self) -> (Shared, Bell) {
        (self.shared(), self.store.clone())
    }

    pub(crate) fn shared(&self) -> Shared {
        Shared(Arc::clone(&self.page))
    }

    /// Sets a word and rings.
    pub(crate) fn set(&self, offset: usize, value: u32) {
        self.page.set(offset, value);
        self.bell.strike().unwrap();
    }
}

impl Wire for Guest {
    fn put(&mut self, bytes: &[u8]) -> usize {
        let produced = self.page.get(REQUESTS_PRODUCED);
        let filled = produced.wrapping_sub(self.page.get(REQUESTS_CONSUMED));
        let count = bytes.len().min(1024_usize.saturating_sub(filled.try_into().unwrap()));
        let mut index = produced;
        for byte in &bytes[..count] {
            self.page.copy_in((index % 1024).try_into().unwrap(), &[*byte]);
            index = index.wrapping_add(1);
        }
        self.set(REQUESTS_PRODUCED, index);
        count
    }

    fn get(&mut self) -> Option<Vec<u8>> {
        self.bell.hear();
        let mut index = self.page.get(REPLIES_CONSUMED);
        let mut bytes = Vec::new();
        // A test may have broken the ring.
        while index != self.page.get(REPLIES_PRODUCED) && bytes.len() < 1024 {
            let mut byte = [0];
            self.page.copy_out((1024 + index % 1024).try_into().unwrap(), &mut byte);
            bytes.extend(byte);
            index = index.wrapping_add(1);
        }
        if !bytes.is_empty() {
            self.set(REPLIES_CONSUMED, index);
        }
        Some(bytes)
    }
}

/// The page as either side has it.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Memory>);

/// The traits of the two sides ask for the same.
macro_rules! is_an_end {
    ($side:ident $($module:ident)?) => {
        impl $side::$($module::)?Page for Shared {
            fn load(&self, offset: usize) -> u32 {
                self.0.get(offset)
            }

            fn store(&self, offset: usize, value: u32) {
                self.0.set(offset, value);
            }

            fn read(&self, offset: usize, bytes: &mut [u8]) {
                self.0.copy_out(offset, bytes);
            }

            fn write(&self, offset: usize, bytes: &[u8]) {
                self.0.copy_in(offset, bytes);
            }
        }

        impl $side::$($module::)?Bell for Bell {
            fn fd(&self) -> BorrowedFd<'_> {
                self.own.as_fd()
            }

            fn ring(&self) -> io::Result<()> {
                self.strike()
            }

            fn acknowledge(&self) -> io::Result<()> {
                self.hear();
                Ok(())
            }
        }
    };
}

is_an_end!(xs_server);
is_an_end!(xs ring);
