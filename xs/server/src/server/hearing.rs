//! What one connection says and is told, in one turn.
//!
//! ```text
//!   heard ──▶ paused    it does not read, is over its quota, or writes too fast
//!     ▲          │
//!     └──────────┘      it reads; others do something about its quota; time passes
//!     │
//!     └─────▶ closing   it says no more, and is sent what it has asked for
//! ```
//!
//! A connection that is paused may have said more than was carried out: that comes first when it is
//! heard again, without anything new being received.

use std::time::Instant;

use rustix::event::epoll::{self, EventFlags};
use xs::proto::ring::Complaint;
use xs::proto::{Header, MAX_PAYLOAD};

use super::pace::{Pace, is_write};
use super::wire::Wire;
use super::{Ended, Server};
use crate::core::{ConnId, Core};

impl Server {
    /// Sends what a connection has not taken, and does what it asks for.
    pub(super) fn serve(&mut self, id: ConnId, ready: EventFlags) {
        if self.try_serve(id, ready).is_err() {
            self.end(id);
        }
    }

    fn try_serve(&mut self, id: ConnId, ready: EventFlags) -> Result<(), Ended> {
        let Some(wire) = self.wires.get_mut(&id) else { return Ok(()) };
        wire.queued = false;
        if wire.link.wake().map_err(|_| Ended)? {
            wire.begin_anew();
            self.core.reset(id);
        }
        if wire.unsent {
            self.send(id)?;
        }
        let heard = self.receive(id)?;
        // Before the reply says so: whoever reads it may use the ring at once.
        self.take_in();
        // Nobody is there to be told, and nothing is left that could be carried out.
        if ready.intersects(EventFlags::HUP | EventFlags::ERR) && !heard {
            return Err(Ended);
        }
        // The answers of most go when all have been heard, with `Server::settle`.
        match self.wires.get(&id).is_some_and(Wire::is_plain) {
            true => Ok(()),
            false => self.send(id),
        }
    }

    /// Receives what one turn takes, and carries out what is whole. Returns whether there was any.
    fn receive(&mut self, id: ConnId) -> Result<bool, Ended> {
        let Some(wire) = self.wires.get_mut(&id) else { return Ok(false) };
        let mut heard = false;
        if wire.paused && listens(&self.core, id, &wire.pace) {
            heard = true;
            carry_out(&mut self.core, id, wire, &[])?;
        }
        for _ in 0..MOST_RECEIVED {
            wire.paused = !listens(&self.core, id, &wire.pace);
            if wire.paused || wire.closing {
                break;
            }
            let count = match wire.link.receive(&mut self.buffer) {
                Ok(Some(0)) => {
                    wire.closing = true;
                    break;
                }
                Ok(Some(count)) => count,
                Ok(None) => return Ok(heard),
                Err(_) => return Err(Ended),
            };
            heard = true;
            carry_out(&mut self.core, id, wire, &self.buffer[..count])?;
            wire.paused = !listens(&self.core, id, &wire.pace);
            // Epoll tells of what a socket has left; the descriptor of a ring told of all of it.
            if wire.paused || !wire.link.room_is_received() {
                break;
            }
        }
        if wire.paused && !wire.held && self.core.is_guest(id) {
            wire.held = true;
            self.held.push(id);
        } else if !wire.paused && !wire.closing && wire.link.room_is_received() {
            self.queue(id);
        }
        Ok(heard)
    }

    /// Sends what fits of what the core has for a connection.
    pub(super) fn send(&mut self, id: ConnId) -> Result<(), Ended> {
        let Some(wire) = self.wires.get_mut(&id) else { return Ok(()) };
        loop {
            let bytes = self.core.outgoing(id);
            wire.unsent = !bytes.is_empty();
            if !wire.unsent {
                break;
            }
            match wire.link.send(bytes) {
                Ok(None | Some(0)) => break,
                Ok(Some(count)) => self.core.sent(id, count),
                Err(_) => return Err(Ended),
            }
        }
        if self.core.is_overrun(id) || (wire.closing && !wire.unsent) {
            return Err(Ended);
        }
        let wanted = wire.wanted();
        if wanted != wire.interest {
            wire.interest = wanted;
            let data = epoll::EventData::new_u64(id.0);
            epoll::modify(&self.epoll, wire.link.fd(), data, wanted).map_err(|_| Ended)?;
        }
        if wire.paused && listens(&self.core, id, &wire.pace) {
            self.queue(id);
        }
        Ok(())
    }

    /// Has the next turn serve those guests that are not to be paused any more. Returns when the
    /// first of the others will be heard if nobody does anything.
    pub(super) fn release_held(&mut self) -> Option<Instant> {
        let mut first = None;
        for id in std::mem::take(&mut self.held) {
            let Some(wire) = self.wires.get_mut(&id) else { continue };
            // Asked once: time that passes between two looks would be missed by both.
            let pause = wire.pace.pause();
            wire.held = wire.paused && (pause.is_some() || !self.core.may_ask(id));
            if wire.held {
                first = first.into_iter().chain(pause).min();
                self.held.push(id);
            } else {
                self.queue(id);
            }
        }
        first
    }

    /// Has the next turn serve a connection, whatever epoll says.
    pub(super) fn queue(&mut self, id: ConnId) {
        if let Some(wire) = self.wires.get_mut(&id)
            && !std::mem::replace(&mut wire.queued, true)
        {
            self.again.push(id);
        }
    }
}

/// Whether a connection may have something carried out.
fn listens(core: &Core, id: ConnId, pace: &Pace) -> bool {
    core.may_ask(id) && pace.pause().is_none()
}

/// Hands the core every packet that is whole, as long as it listens. What is left is kept.
fn carry_out(core: &mut Core, id: ConnId, wire: &mut Wire, received: &[u8]) -> Result<(), Ended> {
    // Most often nothing is kept, and nothing has to be.
    let kept = std::mem::take(&mut wire.partial);
    let joined = match kept.is_empty() {
        true => None,
        false => Some([&kept[..], received].concat()),
    };
    let mut rest = joined.as_deref().unwrap_or(received);
    while let Some((header, behind)) = rest.split_first_chunk() {
        let header = Header::from_bytes(*header);
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        if len > MAX_PAYLOAD {
            wire.link.refuse(Complaint::PROTOCOL);
            return Err(Ended);
        }
        let Some((payload, behind)) = behind.split_at_checked(len) else { break };
        if !listens(core, id, &wire.pace) {
            break;
        }
        if core.is_guest(id)
            && is_write(&header, payload)
            && let Some(guests) = core.contention(id)
        {
            wire.pace.count(Instant::now(), guests);
        }
        core.handle(id, header, payload);
        rest = behind;
    }
    wire.partial.extend_from_slice(rest);
    Ok(())
}

/// What one receive takes: some hundred requests.
pub(super) const BUFFER: usize = 16 * 1024;

/// How often one turn receives from one ring, which gives 1024 bytes at most.
const MOST_RECEIVED: usize = 16;
