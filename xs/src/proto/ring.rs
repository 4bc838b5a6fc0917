//! The page that a domain shares with its store, and the arithmetic of its two queues.
//!
//! ```text
//!      0 ┌────────────────────────┐            2048  consumer ┐ of the requests
//!        │ requests, to the store │            2052  producer ┘
//!   1024 ├────────────────────────┤            2056  consumer ┐ of the replies and events
//!        │ replies and events     │            2060  producer ┘
//!   2048 ├────────────────────────┤            2064  features   2068  state   2072  error
//!        │ indices and flags      │
//!        └────────────────────────┘
//! ```
//!
//! Indices count bytes since the beginning and wrap at 2^32; byte `n` stands at `n % 1024` of its
//! queue. The producer is never more than 1024 ahead of the consumer. The authority is
//! docs/misc/xenstore-ring.txt and `struct xenstore_domain_interface` (`io/xs_wire.h`) of Xen 4.20.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

/// How many bytes a queue holds (`XENSTORE_RING_SIZE`).
pub const CAPACITY: u32 = 1024;

/// Where the [`Features`](super::Features) of the store stand in the page.
pub const FEATURES: usize = 2064;

/// Where the [`State`] of the connection stands in the page.
pub const STATE: usize = 2068;

/// Where the [`Complaint`] of the store stands in the page.
pub const ERROR: usize = 2072;

/// The queue of the requests: the domain produces, the store consumes.
pub const REQUESTS: Queue = Queue { bytes: 0, consumer: 2048, producer: 2052 };

/// The queue of the replies and events: the store produces, the domain consumes.
pub const REPLIES: Queue = Queue { bytes: 1024, consumer: 2056, producer: 2060 };

/// Where the parts of a queue stand in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// The first of its [`CAPACITY`] bytes.
    pub bytes: usize,
    /// The index of the next byte to be taken.
    pub consumer: usize,
    /// The index of the next byte to be put.
    pub producer: usize,
}

/// The indices of a queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indices {
    consumer: u32,
    producer: u32,
}

/// Indices that no queue can have: one side broke the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a ring of {CAPACITY} bytes cannot have consumed {consumer} and produced {producer}")]
pub struct Impossible {
    /// The index of the consumer as found.
    pub consumer: u32,
    /// The index of the producer as found.
    pub producer: u32,
}

/// Whether the two sides are connected. It means something only where the store offers
/// [`RECONNECTION`](super::Features::RECONNECTION).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State(pub u32);

/// Why the store has given up on the domain. It means something only where the store offers
/// [`ERROR`](super::Features::ERROR), and then not for decisions: new ones may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Complaint(pub u32);

impl Indices {
    /// The indices as they were read.
    ///
    /// # Errors
    /// [`Impossible`] if they are further apart than the queue is long.
    pub const fn new(consumer: u32, producer: u32) -> Result<Self, Impossible> {
        match producer.wrapping_sub(consumer) {
            0..=CAPACITY => Ok(Self { consumer, producer }),
            _ => Err(Impossible { consumer, producer }),
        }
    }

    /// How many bytes can be taken.
    pub const fn filled(self) -> u32 {
        self.producer.wrapping_sub(self.consumer)
    }

    /// How many bytes can be put.
    pub const fn free(self) -> u32 {
        CAPACITY - self.filled()
    }

    /// Takes as many as there are of `wanted` bytes: where they are in the queue, the second part
    /// behind the first, and the consumer's index from then on.
    pub fn take(self, wanted: usize) -> (Spans, u32) {
        spans(self.consumer, self.filled(), wanted)
    }

    /// Puts as many as fit of `offered` bytes: where they go in the queue, the second part behind
    /// the first, and the producer's index from then on.
    pub fn put(self, offered: usize) -> (Spans, u32) {
        spans(self.producer, self.free(), offered)
    }
}

/// Two pieces of a queue that follow each other in the stream; either may be empty.
pub type Spans = [Range<usize>; 2];

/// At most `wanted` of `there` bytes from `index` on, cut where the queue ends, and the next index.
fn spans(index: u32, there: u32, wanted: usize) -> (Spans, u32) {
    let count = u32::try_from(wanted).map_or(there, |wanted| wanted.min(there));
    let start = index % CAPACITY;
    let first = count.min(CAPACITY - start);
    let place = |offset: u32| usize::try_from(offset).expect("it is at most 1024");
    let spans = [place(start)..place(start + first), 0..place(count - first)];
    (spans, index.wrapping_add(count))
}

impl State {
    /// Both sides may use the queues.
    pub const CONNECTED: Self = Self(0);
    /// The domain, or who built it, asks the store to begin anew; nothing else in the page counts.
    pub const RECONNECT: Self = Self(1);
}

impl Complaint {
    /// There is none.
    pub const NONE: Self = Self(0);
    /// The event channel does not work.
    pub const COMMUNICATION: Self = Self(1);
    /// The indices are [`Impossible`].
    pub const INDICES: Self = Self(2);
    /// A packet was too long.
    pub const PROTOCOL: Self = Self(3);
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("no error"),
            Self::COMMUNICATION => f.write_str("the event channel does not work"),
            Self::INDICES => f.write_str("the indices of the ring are wrong"),
            Self::PROTOCOL => f.write_str("a packet was too long"),
            Self(other) => write!(f, "error {other}"),
        }
    }
}

#[cfg(test)]
mod tests;
