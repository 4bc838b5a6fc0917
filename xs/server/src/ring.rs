//! The store's side of the ring that it shares with a domain.
//!
//! ```text
//!   connect ─▶ welcome: queues emptied, features told ─▶ bytes ─▶ ... ─▶ refuse: the error told
//!                 ▲                                        │
//!                 └──── wake: the domain begins anew ◀─────┘
//! ```
//!
//! A [`Machine`](crate::Machine) that can reach the page and the event channel of a domain brings
//! them as a [`Page`] and a [`Bell`], and returns a [`RingLink`]. What is where in the page, and what
//! the two sides may do, is in docs/misc/xenstore-ring.txt of Xen.
//!
//! Nothing in the page is trusted: each index of the other side is read once for each use and
//! checked, the own ones are kept here and compared, and bytes are copied before they are looked at.

use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;

use xs::proto::Features;
use xs::proto::ring::{
    Complaint, ERROR, FEATURES, Impossible, Indices, Queue, REPLIES, REQUESTS, STATE, State,
};

use crate::machine::Link;

/// The page that a domain shares with the store, 4096 bytes.
///
/// The other side writes it at any time, so it is never a slice: an implementation copies.
pub trait Page: Send {
    /// The word at `offset`, a multiple of 4, in one access. Nothing that the caller accesses
    /// afterwards is accessed before (acquire).
    fn load(&self, offset: usize) -> u32;

    /// Sets the word at `offset`, a multiple of 4, in one access. Everything that the caller
    /// accessed before is accessed before (release).
    fn store(&self, offset: usize, value: u32);

    /// Copies the bytes from `offset` on out of the page.
    fn read(&self, offset: usize, bytes: &mut [u8]);

    /// Copies bytes into the page, from `offset` on.
    fn write(&self, offset: usize, bytes: &[u8]);
}

/// The event channel that goes with a [`Page`]. None of its functions may block.
pub trait Bell: Send {
    /// Is readable from when the other side rings until [`Bell::acknowledge`]. It is the same one
    /// at every call.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Rings at the other side, which then sees what was stored in the page before.
    ///
    /// # Errors
    /// They end the connection.
    fn ring(&self) -> io::Result<()>;

    /// Takes note that the other side has rung, if it has: what it stored in the page before is
    /// seen from now on, and when it rings again the descriptor is readable again.
    ///
    /// # Errors
    /// They end the connection.
    fn acknowledge(&self) -> io::Result<()>;
}

/// The store's side of a ring.
#[derive(Debug)]
pub struct RingLink<P, B> {
    page: P,
    bell: B,
    offered: Features,
    /// The index of the next request byte to be taken.
    consumed: u32,
    /// The index of the next reply byte to be put.
    produced: u32,
}

impl<P: Page, B: Bell> RingLink<P, B> {
    /// The ring that this page is, which is used from [`Link::welcome`] on.
    pub fn new(page: P, bell: B) -> Self {
        Self { page, bell, offered: Features::empty(), consumed: 0, produced: 0 }
    }

    /// Empties both queues and tells what is offered. The state comes last: until it says so, the
    /// domain does not look at anything else.
    fn begin(&mut self) -> io::Result<()> {
        (self.consumed, self.produced) = (0, 0);
        for queue in [REQUESTS, REPLIES] {
            self.page.store(queue.consumer, 0);
            self.page.store(queue.producer, 0);
        }
        self.page.store(FEATURES, self.offered.bits());
        self.page.store(ERROR, Complaint::NONE.0);
        self.page.store(STATE, State::CONNECTED.0);
        self.ring()
    }

    /// The indices of a queue as they are in the page, if those of this side are as it left them.
    fn indices(&self, queue: Queue) -> io::Result<Indices> {
        let (consumer, producer) = (self.page.load(queue.consumer), self.page.load(queue.producer));
        let unchanged = match queue == REQUESTS {
            true => consumer == self.consumed,
            false => producer == self.produced,
        };
        let indices = match unchanged {
            true => Indices::new(consumer, producer),
            false => Err(Impossible { consumer, producer }),
        };
        indices.map_err(|why| {
            self.complain(Complaint::INDICES);
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }

    fn ring(&self) -> io::Result<()> {
        self.bell.ring().inspect_err(|_| self.complain(Complaint::COMMUNICATION))
    }

    fn complain(&self, why: Complaint) {
        if self.offered.contains(Features::ERROR) {
            self.page.store(ERROR, why.0);
        }
    }
}

impl<P: Page, B: Bell> Link for RingLink<P, B> {
    fn fd(&self) -> BorrowedFd<'_> {
        self.bell.fd()
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let (spans, next) = self.indices(REQUESTS)?.take(buffer.len());
        let mut rest = buffer;
        for Range { start, end } in spans {
            let (bytes, behind) = rest.split_at_mut(end - start);
            self.page.read(REQUESTS.bytes + start, bytes);
            rest = behind;
        }
        let count = next.wrapping_sub(self.consumed);
        if count == 0 {
            return Ok(None);
        }
        self.consumed = next;
        self.page.store(REQUESTS.consumer, next);
        self.ring()?;
        Ok(usize::try_from(count).ok())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let (spans, next) = self.indices(REPLIES)?.put(bytes.len());
        let mut rest = bytes;
        for Range { start, end } in spans {
            let (bytes, behind) = rest.split_at(end - start);
            self.page.write(REPLIES.bytes + start, bytes);
            rest = behind;
        }
        let count = next.wrapping_sub(self.produced);
        if count == 0 {
            return Ok(None);
        }
        self.produced = next;
        self.page.store(REPLIES.producer, next);
        self.ring()?;
        Ok(usize::try_from(count).ok())
    }

    /// Offers to begin anew besides: that is this side's own business.
    fn welcome(&mut self, features: Features) -> io::Result<()> {
        self.offered = features | Features::RECONNECTION;
        self.begin()
    }

    fn wake(&mut self) -> io::Result<bool> {
        self.bell.acknowledge().inspect_err(|_| self.complain(Complaint::COMMUNICATION))?;
        let anew = State(self.page.load(STATE)) == State::RECONNECT;
        if anew {
            self.begin()?;
        }
        Ok(anew)
    }

    fn refuse(&mut self, why: Complaint) {
        self.complain(why);
        // Whether it is heard makes no difference any more.
        self.bell.ring().unwrap_or_default();
    }
}
