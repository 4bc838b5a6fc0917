//! What an end does with the shared page: bytes in and out, and whether the bell must be rung. No
//! waiting, no bell.
//!
//! The order of accesses is what keeps a wake-up from being lost:
//!
//! ```text
//!   one end                                  the other end
//!   nothing there, or no room                bytes, then the index
//!   asks to be rung for                      takes the request back, and rings if there was one
//!   looks again
//! ```

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

use xc::grant::{MappedGrants, OnUnmap, Share, SharedMemory};
use xen_types::{GrantRef, Port};

use super::layout::{
    AWAITED, CLIENT_LIVES, CLIENT_RINGS, GONE, Indices, LEFT, ORDERS, Orders, Place, READ,
    REFERENCES, RIGHT, SERVER_LIVES, SERVER_RINGS, THERE, WRITTEN,
};
use super::ring::{Incoming, OutOfRange, Outgoing};
use crate::error::{Cause, Problem};

/// Pages that this end shares or has mapped.
#[derive(Debug)]
pub(super) enum Pages {
    Shared(Share),
    Mapped(MappedGrants),
}

impl Deref for Pages {
    type Target = SharedMemory;

    fn deref(&self) -> &SharedMemory {
        match self {
            Self::Shared(share) => share,
            Self::Mapped(mapped) => mapped,
        }
    }
}

impl Pages {
    pub(super) fn close(self) -> xc::Result<()> {
        match self {
            Self::Shared(share) => share.close(),
            Self::Mapped(mapped) => mapped.close(),
        }
    }
}

/// One end of a channel.
#[derive(Debug)]
pub(super) struct Core {
    /// What was found wrong, for good.
    broken: Option<Problem>,
    /// Whether the other end was seen to have gone, whatever it writes from then on.
    gone: AtomicBool,
    incoming: Way<Incoming>,
    outgoing: Way<Outgoing>,
    /// Where the other end says whether it is there.
    their_life: usize,
    /// What this end asks to be rung for.
    our_wishes: usize,
    /// What the other end asks to be rung for.
    their_wishes: usize,
    control: Pages,
}

/// One of the queues.
#[derive(Debug)]
struct Way<R> {
    ring: R,
    indices: Indices,
    /// Where its bytes start, in pages of its own or in the shared one.
    start: usize,
    pages: Option<Pages>,
}

/// What a call has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) bytes: usize,
    /// The other end wants to know.
    pub(super) ring: bool,
}

/// Whether the other end is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Awaited,
    There,
    Gone,
}

impl Core {
    /// The server's end, on a fresh page that nobody else has seen.
    pub(super) fn serve(
        control: Share,
        orders: Orders,
        left: Option<Share>,
        right: Option<Share>,
    ) -> xc::Result<Self> {
        let references = [&left, &right].into_iter().flatten().flat_map(Share::refs);
        for (i, GrantRef(reference)) in references.enumerate() {
            control.store_u32(REFERENCES + 4 * i, *reference)?;
        }
        control.write(ORDERS, &orders.bytes())?;
        control.store_u8(CLIENT_RINGS, WRITTEN)?;
        control.store_u8(CLIENT_LIVES, AWAITED)?;
        control.store_u8(SERVER_LIVES, THERE)?;
        let (left, right) = (left.map(Pages::Shared), right.map(Pages::Shared));
        let ((left_size, left_place), (right_size, right_place)) = (orders.left(), orders.right());
        Ok(Self {
            broken: None,
            gone: AtomicBool::new(false),
            incoming: Way::new(Incoming::new(left_size, 0), LEFT, left_place, left),
            outgoing: Way::new(Outgoing::new(right_size, 0), RIGHT, right_place, right),
            their_life: CLIENT_LIVES,
            our_wishes: CLIENT_RINGS,
            their_wishes: SERVER_RINGS,
            control: Pages::Shared(control),
        })
    }

    /// The client's end, on a page that the server wrote; `map` maps the references of further
    /// pages, `true` for those that this end writes. The server does not see it yet: see
    /// [`Core::enter`].
    pub(super) fn attend(
        control: MappedGrants,
        map: impl Fn(&[GrantRef], bool) -> xc::Result<MappedGrants>,
    ) -> Result<Self, Cause> {
        if control.load_u8(SERVER_LIVES)? == GONE {
            return Err(Problem::OtherEndGone.into());
        }
        if control.load_u8(CLIENT_LIVES)? == THERE {
            return Err(Problem::OtherClient.into());
        }
        // Read once: the server may write it again at any time.
        let mut orders = [0; 4];
        control.read(ORDERS, &mut orders)?;
        let orders = Orders::from_bytes(orders)?;
        let ((left_size, left_place), (right_size, right_place)) = (orders.left(), orders.right());
        let mut next = REFERENCES;
        let mut further = |place, written| match place {
            Place::InPage(_) => Ok(None),
            Place::Pages(count) => {
                let mut references = Vec::new();
                for _ in 0..count {
                    references.push(GrantRef(control.load_u32(next)?));
                    next += 4;
                }
                map(&references, written).map(|mapped| Some(Pages::Mapped(mapped)))
            }
        };
        let left = further(left_place, true)?;
        let right = further(right_place, false)?;
        // A server that outlives its clients goes on where the last one was.
        let producer = control.load_u32(LEFT.producer)?;
        let consumer = control.load_u32(RIGHT.consumer)?;
        Ok(Self {
            broken: None,
            gone: AtomicBool::new(false),
            outgoing: Way::new(Outgoing::new(left_size, producer), LEFT, left_place, left),
            incoming: Way::new(Incoming::new(right_size, consumer), RIGHT, right_place, right),
            their_life: SERVER_LIVES,
            our_wishes: SERVER_RINGS,
            their_wishes: CLIENT_RINGS,
            control: Pages::Mapped(control),
        })
    }

    /// Tells the server that its client is there, and has the kernel tell it, through this port, when
    /// it no longer is.
    pub(super) fn enter(&self, port: Port) -> xc::Result<()> {
        if let Pages::Mapped(control) = &self.control {
            control.on_unmap(OnUnmap::clear_and_send(CLIENT_LIVES, port))?;
        }
        self.control.fetch_or_u8(self.our_wishes, WRITTEN)?;
        self.control.store_u8(CLIENT_LIVES, THERE)
    }

    /// Reads what is there, at most as many bytes as fit. Where that is fewer, the other end will
    /// ring when there is more.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> Result<Moved, Cause> {
        self.intact()?;
        let mut ready = self.ready()?;
        if (ready as usize) < bytes.len() {
            self.control.fetch_or_u8(self.our_wishes, WRITTEN)?;
            ready = self.ready()?;
        }
        let count = ready.min(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        if count == 0 {
            return Ok(Moved { bytes: 0, ring: false });
        }
        let way = &mut self.incoming;
        let memory = way.pages.as_ref().unwrap_or(&self.control);
        let mut rest = bytes;
        for piece in way.ring.pieces(count) {
            let (part, after) = rest.split_at_mut(piece.len());
            memory.read(way.start + piece.start, part)?;
            rest = after;
        }
        let consumer = way.ring.advance(count);
        self.control.store_u32(way.indices.consumer, consumer)?;
        Ok(Moved { bytes: count as usize, ring: self.wished(READ)? })
    }

    /// Writes what there is room for. Where that is not all, the other end will ring when there is
    /// more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Moved, Cause> {
        self.intact()?;
        let mut room = self.room()?;
        if (room as usize) < bytes.len() {
            self.control.fetch_or_u8(self.our_wishes, READ)?;
            room = self.room()?;
        }
        let count = room.min(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        if count == 0 {
            return Ok(Moved { bytes: 0, ring: false });
        }
        let way = &mut self.outgoing;
        let memory = way.pages.as_ref().unwrap_or(&self.control);
        let mut rest = bytes;
        for piece in way.ring.pieces(count) {
            let (part, after) = rest.split_at(piece.len());
            memory.write(way.start + piece.start, part)?;
            rest = after;
        }
        let producer = way.ring.advance(count);
        self.control.store_u32(way.indices.producer, producer)?;
        Ok(Moved { bytes: count as usize, ring: self.wished(WRITTEN)? })
    }

    /// Whether the other end is there. One that was seen to have gone does not come back.
    pub(super) fn peer(&self) -> Result<Peer, Cause> {
        match &self.broken {
            Some(Problem::OtherEndGone) => return Ok(Peer::Gone),
            Some(problem) => return Err(problem.clone().into()),
            None if self.gone.load(Ordering::Relaxed) => return Ok(Peer::Gone),
            None => {}
        }
        Ok(match self.control.load_u8(self.their_life)? {
            GONE => {
                self.gone.store(true, Ordering::Relaxed);
                Peer::Gone
            }
            AWAITED if self.their_life == CLIENT_LIVES => Peer::Awaited,
            _ => Peer::There,
        })
    }

    /// Reads no more of what the other end has written: it has gone, and all was read.
    pub(super) fn give_up(&mut self) {
        self.broken = Some(Problem::OtherEndGone);
    }

    /// Gives the pages up, telling whether that worked.
    pub(super) fn close(self) -> xc::Result<()> {
        let mut done = Ok(());
        let further = [self.incoming.pages, self.outgoing.pages].into_iter().flatten();
        for pages in further.chain([self.control]) {
            done = done.and(pages.close());
        }
        done
    }

    fn ready(&mut self) -> Result<u32, Cause> {
        let producer = self.control.load_u32(self.incoming.indices.producer)?;
        self.incoming.ring.ready(producer).map_err(|wrong| self.spoiled("a producer index", wrong))
    }

    fn room(&mut self) -> Result<u32, Cause> {
        let consumer = self.control.load_u32(self.outgoing.indices.consumer)?;
        self.outgoing.ring.room(consumer).map_err(|wrong| self.spoiled("a consumer index", wrong))
    }

    fn spoiled(&mut self, what: &'static str, OutOfRange(value): OutOfRange) -> Cause {
        let problem = Problem::FromTheOtherEnd { what, value };
        self.broken = Some(problem.clone());
        problem.into()
    }

    fn intact(&self) -> Result<(), Cause> {
        self.broken.clone().map_or(Ok(()), |problem| Err(problem.into()))
    }

    /// Takes a wish of the other end, if it has it.
    fn wished(&self, what: u8) -> xc::Result<bool> {
        Ok(self.control.fetch_and_u8(self.their_wishes, !what)? & what != 0)
    }
}

impl<R> Way<R> {
    fn new(ring: R, indices: Indices, place: Place, pages: Option<Pages>) -> Self {
        let start = match place {
            Place::InPage(start) => start,
            Place::Pages(_) => 0,
        };
        Self { ring, indices, start, pages }
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
