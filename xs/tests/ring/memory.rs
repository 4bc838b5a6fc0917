//! A page in this process, and a store on the other side of it. It shares no code with the crate.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use xs::Client;
use xs::ring::{Bell, Page};

pub(crate) const READ: u32 = 2;
pub(crate) const WATCH: u32 = 4;
pub(crate) const WRITE: u32 = 11;
pub(crate) const EVENT: u32 = 15;

pub(crate) const REQUESTS_CONSUMED: usize = 2048;
pub(crate) const REQUESTS_PRODUCED: usize = 2052;
pub(crate) const REPLIES_CONSUMED: usize = 2056;
pub(crate) const REPLIES_PRODUCED: usize = 2060;
pub(crate) const FEATURES: usize = 2064;
pub(crate) const STATE: usize = 2068;
pub(crate) const ERROR: usize = 2072;

/// The page of a domain, in words. Of each queue only one side changes the words.
#[derive(Debug)]
pub(crate) struct Memory(Vec<AtomicU32>);

/// One end of an event channel.
#[derive(Debug)]
pub(crate) struct Channel {
    own: OwnedFd,
    other: OwnedFd,
    broken: AtomicBool,
}

/// The other side of the page.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) page: Arc<Memory>,
    pub(crate) channel: Arc<Channel>,
    /// The most that it takes or puts before it rings.
    pub(crate) chunk: usize,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) op: u32,
    pub(crate) id: u32,
    pub(crate) payload: Vec<u8>,
}

impl Memory {
    fn word(&self, offset: usize) -> &AtomicU32 {
        assert_eq!(offset % 4, 0);
        &self.0[offset / 4]
    }
}

impl Page for Memory {
    fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    fn store(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        for (place, byte) in (offset..).zip(bytes) {
            *byte = self.load(place / 4 * 4).to_ne_bytes()[place % 4];
        }
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        for (place, byte) in (offset..).zip(bytes) {
            let mut word = self.load(place / 4 * 4).to_ne_bytes();
            word[place % 4] = *byte;
            self.store(place / 4 * 4, u32::from_ne_bytes(word));
        }
    }
}

impl Channel {
    /// Has every later ring at the other side fail.
    pub(crate) fn tear(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
}

impl Bell for Channel {
    fn fd(&self) -> BorrowedFd<'_> {
        self.own.as_fd()
    }

    fn ring(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        rustix::io::write(&self.other, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    fn acknowledge(&self) -> io::Result<()> {
        rustix::io::read(&self.own, &mut [0; 8]).unwrap_or_default();
        Ok(())
    }
}

/// A page with all indices at `start`, the guest's end of its event channel, and the store.
pub(crate) fn ring(start: u32) -> (Arc<Memory>, Arc<Channel>, Store) {
    let page = Arc::new(Memory((0..1024).map(|_| AtomicU32::new(0x5a5a_5a5a)).collect()));
    for offset in (REQUESTS_CONSUMED..=REPLIES_PRODUCED).step_by(4) {
        page.store(offset, start);
    }
    for offset in [FEATURES, STATE, ERROR] {
        page.store(offset, 0);
    }
    let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
    let (to_guest, to_store) = (event(), event());
    let end = |own: &OwnedFd, other: &OwnedFd| {
        let (own, other) = (own.try_clone().unwrap(), other.try_clone().unwrap());
        Arc::new(Channel { own, other, broken: AtomicBool::new(false) })
    };
    let guest = end(&to_guest, &to_store);
    let store = Store { page: page.clone(), channel: end(&to_store, &to_guest), chunk: 1024 };
    (page, guest, store)
}

/// Runs `act` with a guest whose store follows `script`.
pub(crate) fn against<T>(
    start: u32,
    script: impl FnOnce(&mut Store) + Send,
    act: impl FnOnce(Client) -> T,
) -> T {
    let (page, bell, mut store) = ring(start);
    thread::scope(|scope| {
        scope.spawn(move || script(&mut store));
        act(Client::over_ring(page, bell).unwrap())
    })
}

impl Store {
    /// Sets a word and rings.
    pub(crate) fn set(&self, offset: usize, value: u32) {
        self.page.store(offset, value);
        self.channel.ring().unwrap();
    }

    pub(crate) fn word(&self, offset: usize) -> u32 {
        self.page.load(offset)
    }

    /// Waits until something is so, looking whenever the guest has rung.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < end, "waited in vain until {what}");
            let mut fds = [PollFd::from_borrowed_fd(self.channel.fd(), PollFlags::IN)];
            let limit = Duration::from_secs(1).try_into().unwrap();
            poll(&mut fds, Some(&limit)).unwrap();
            self.channel.acknowledge().unwrap();
        }
    }

    /// Rings, and waits until the guest has looked at the page because of it.
    pub(crate) fn have_the_guest_look(&self) {
        self.channel.ring().unwrap();
        let unread = || {
            let mut fds = [PollFd::from_borrowed_fd(self.channel.other.as_fd(), PollFlags::IN)];
            poll(&mut fds, Some(&Duration::ZERO.try_into().unwrap())).unwrap() == 1
        };
        let end = Instant::now() + Duration::from_secs(20);
        while unread() {
            assert!(Instant::now() < end, "the guest does not look");
            thread::yield_now();
        }
    }

    /// How many bytes of requests are there.
    pub(crate) fn requested(&self) -> usize {
        let (end, start) = (self.word(REQUESTS_PRODUCED), self.word(REQUESTS_CONSUMED));
        end.wrapping_sub(start).try_into().unwrap()
    }

    fn take(&self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            self.until("there is a request", |store| store.requested() > 0);
            let wanted = self.chunk.min(count - bytes.len()).min(self.requested());
            let start = self.word(REQUESTS_CONSUMED);
            for n in 0..u32::try_from(wanted).unwrap() {
                let mut byte = [0];
                self.page.read((start.wrapping_add(n) % 1024).try_into().unwrap(), &mut byte);
                bytes.extend(byte);
            }
            self.set(REQUESTS_CONSUMED, start.wrapping_add(wanted.try_into().unwrap()));
        }
        bytes
    }

    fn put(&self, mut bytes: &[u8]) {
        let room = |store: &Self| {
            let consumed = store.word(REPLIES_CONSUMED);
            1024 - store.word(REPLIES_PRODUCED).wrapping_sub(consumed)
        };
        while !bytes.is_empty() {
            self.until("there is room", |store| room(store) > 0);
            let count = self.chunk.min(bytes.len()).min(room(self).try_into().unwrap());
            let (now, later) = bytes.split_at(count);
            let mut index = self.word(REPLIES_PRODUCED);
            for byte in now {
                self.page.write((1024 + index % 1024).try_into().unwrap(), &[*byte]);
                index = index.wrapping_add(1);
            }
            self.set(REPLIES_PRODUCED, index);
            bytes = later;
        }
    }

    pub(crate) fn request(&self) -> Request {
        let header = self.take(16);
        let (words, _) = header.as_chunks();
        let [op, id, _, len] = [0, 1, 2, 3].map(|n: usize| u32::from_ne_bytes(words[n]));
        Request { op, id, payload: self.take(len.try_into().unwrap()) }
    }

    pub(crate) fn send(&self, op: u32, id: u32, payload: &[u8]) {
        let header = [op, id, 0, payload.len().try_into().unwrap()].map(u32::to_ne_bytes);
        self.put(&[&header.concat(), payload].concat());
    }

    /// Answers requests, each with what it asked.
    pub(crate) fn echo(&self, requests: usize) {
        for _ in 0..requests {
            let Request { op, id, payload } = self.request();
            self.send(op, id, &payload);
        }
    }
}
