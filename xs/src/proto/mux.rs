//! Many requests and watches over one stream.
//!
//! The life of a request id:
//!
//! ```text
//!             send                reply                 take_answer
//!   (free) ─────────▶ Waiting ─────────────▶ Answered ─────────────▶ (free)
//!                        │ abandon              │ abandon: undo
//!                        ▼                      ▼
//!                    Abandoned ──────────────▶ (free)
//!                               reply: undo
//! ```
//!
//! Nobody waits for an abandoned request any more, but its reply may still come: the id stays
//! reserved until then, so that a late reply is never taken for another's. If the late reply brings
//! a transaction, nobody can use it, and it is discarded ("undo").
//!
//! Contract for a front-end: bytes of [`Mux::outgoing`] go to the stream in order, and
//! [`Mux::sent`] says how many went; bytes from the stream go to [`Mux::receive`], and then
//! [`Mux::poll`] is called until it has nothing more. After each of these there may be new
//! outgoing bytes.

use std::collections::HashMap;

use super::decoder::{Decoder, Header, Oversized, Packet};
use super::inbox::{Event, Inbox};
use super::{Answer, ErrorCode, InvalidRequest, Malformed, Op, Refusal, Reply};
use super::{Request, Token, TxId};
use crate::path::Path;

/// Names a request while its answer is out. Never 0, which is the id of watch events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// Names where the events of some watches are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxId(u64);

/// What [`Mux::poll`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A request has its answer: [`Mux::take_answer`].
    Answer(RequestId),
    /// An inbox has an event: [`Mux::take_event`].
    Event(InboxId),
    /// A packet that nothing here asked for. It was dropped; the stream is still in step.
    Stray(Header),
}

/// The state of one connection, without the connection.
#[derive(Debug, Default)]
pub struct Mux {
    decoder: Decoder,
    outgoing: Vec<u8>,
    last_request: u32,
    last_token: u64,
    last_inbox: u64,
    slots: HashMap<RequestId, Slot>,
    watches: HashMap<Token, Watched>,
    inboxes: HashMap<InboxId, Inbox>,
}

#[derive(Debug)]
struct Slot {
    op: Op,
    /// The watch that a WATCH asks for.
    token: Option<Token>,
    state: SlotState,
}

#[derive(Debug)]
enum SlotState {
    Waiting,
    Answered(Answer),
    Abandoned,
}

#[derive(Debug)]
struct Watched {
    path: Path,
    inbox: InboxId,
}

impl Mux {
    /// The state of a fresh connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues a request.
    ///
    /// # Errors
    /// Says why the request must not be sent; nothing was queued then.
    pub fn send(&mut self, request: &Request<'_>, tx: TxId) -> Result<RequestId, InvalidRequest> {
        if matches!(request, Request::ResetWatches) && !self.watches.is_empty() {
            return Err(InvalidRequest::WatchesInUse);
        }
        let id = self.free_id();
        request.encode(id.0, tx, &mut self.outgoing)?;
        let slot = Slot { op: request.op(), token: None, state: SlotState::Waiting };
        self.slots.insert(id, slot);
        Ok(id)
    }

    /// Queues a request that nobody will wait for.
    ///
    /// # Errors
    /// As for [`Mux::send`].
    pub fn send_and_forget(
        &mut self,
        request: &Request<'_>,
        tx: TxId,
    ) -> Result<(), InvalidRequest> {
        let id = self.send(request, tx)?;
        self.abandon(id);
        Ok(())
    }

    /// Bytes for the stream.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// Says that the first `count` outgoing bytes went to the stream.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.drain(..count);
    }

    /// Takes over bytes from the stream, in any chunks.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
    }

    /// Handles packets up to the first that somebody waits for.
    ///
    /// # Errors
    /// [`Oversized`]: the connection has to end. The answer to a `DIRECTORY` is let through up to
    /// 4 MiB: oxenstored sends one of any length to a socket, where the C daemon says `E2BIG`.
    pub fn poll(&mut self) -> Result<Option<Arrival>, Oversized> {
        loop {
            let arrival = match self.decoder.next_packet() {
                Ok(Some(packet)) if packet.header.op == Op::WATCH_EVENT => self.event(&packet),
                Ok(Some(packet)) => self.reply(packet),
                Ok(None) => return Ok(None),
                Err(oversized) => {
                    self.admit(oversized)?;
                    None
                }
            };
            if arrival.is_some() {
                return Ok(arrival);
            }
        }
    }

    /// The answer to a request, once; `None` while it is out.
    pub fn take_answer(&mut self, id: RequestId) -> Option<Answer> {
        let slot = self.slots.get_mut(&id)?;
        match std::mem::replace(&mut slot.state, SlotState::Waiting) {
            SlotState::Answered(answer) => {
                self.slots.remove(&id);
                Some(answer)
            }
            unanswered => {
                slot.state = unanswered;
                None
            }
        }
    }

    /// Whether [`Mux::take_answer`] has something to take.
    pub fn has_answer(&self, id: RequestId) -> bool {
        self.slots.get(&id).is_some_and(|slot| matches!(slot.state, SlotState::Answered(_)))
    }

    /// Says that nobody waits for this request any more.
    pub fn abandon(&mut self, id: RequestId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        match std::mem::replace(&mut slot.state, SlotState::Abandoned) {
            SlotState::Answered(answer) => {
                self.slots.remove(&id);
                self.undo(&answer);
            }
            SlotState::Waiting | SlotState::Abandoned => {}
        }
    }

    /// How many requests that nobody waits for have had no reply yet.
    pub fn unanswered(&self) -> usize {
        self.slots.values().filter(|slot| matches!(slot.state, SlotState::Abandoned)).count()
    }

    /// Makes a place where events are collected.
    pub fn open_inbox(&mut self) -> InboxId {
        self.last_inbox += 1;
        let id = InboxId(self.last_inbox);
        self.inboxes.insert(id, Inbox::default());
        id
    }

    /// Queues a WATCH whose events go to `inbox`. If it is refused, the watch is forgotten.
    /// `depth` is how many levels below the path count, all for `None`.
    ///
    /// # Errors
    /// Says why the request must not be sent; nothing was queued then.
    pub fn watch(
        &mut self,
        path: &Path,
        depth: Option<u32>,
        inbox: InboxId,
    ) -> Result<RequestId, InvalidRequest> {
        let token = Token(self.last_token + 1);
        // The transaction of a WATCH is ignored (xenstore.txt).
        let id = self.send(&Request::Watch { path, token, depth }, TxId::NONE)?;
        self.last_token = token.0;
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.token = Some(token);
        }
        // Before the answer, because events may overtake it.
        self.watches.insert(token, Watched { path: path.clone(), inbox });
        if let Some(inbox) = self.inboxes.get_mut(&inbox) {
            inbox.watches(path.clone());
        }
        Ok(id)
    }

    /// The oldest event in an inbox.
    pub fn take_event(&mut self, inbox: InboxId) -> Option<Event> {
        self.inboxes.get_mut(&inbox)?.take()
    }

    /// Whether an inbox has an event.
    pub fn has_event(&self, inbox: InboxId) -> bool {
        self.inboxes.get(&inbox).is_some_and(|inbox| !inbox.is_empty())
    }

    /// Ends what an inbox watches of a path: its events may still come, and are dropped.
    pub fn unwatch(&mut self, path: &Path, inbox: InboxId) {
        if let Some(inbox) = self.inboxes.get_mut(&inbox) {
            inbox.unwatches(path);
        }
        self.end_watches(|watched| watched.inbox == inbox && watched.path == *path);
    }

    /// Forgets an inbox with its events, and queues an UNWATCH for each of its watches.
    pub fn close_inbox(&mut self, inbox: InboxId) {
        self.inboxes.remove(&inbox);
        self.end_watches(|watched| watched.inbox == inbox);
    }

    fn end_watches(&mut self, ends: impl Fn(&Watched) -> bool) {
        for (token, watched) in
            self.watches.extract_if(|_, watched| ends(watched)).collect::<Vec<_>>()
        {
            // Also when the WATCH is not answered yet: requests of one connection are carried out
            // in order, only replies may change theirs (xenstore.txt).
            let unwatch = Request::Unwatch { path: &watched.path, token };
            self.send_and_forget(&unwatch, TxId::NONE)
                .expect("its WATCH had the same path and token, and was encoded");
        }
    }

    fn free_id(&mut self) -> RequestId {
        loop {
            self.last_request = self.last_request.wrapping_add(1);
            let id = RequestId(self.last_request);
            if id.0 != 0 && !self.slots.contains_key(&id) {
                return id;
            }
        }
    }

    fn reply(&mut self, packet: Packet) -> Option<Arrival> {
        let Packet { header, payload } = packet;
        let id = RequestId(header.request);
        let Some(slot) = self.slots.get(&id) else {
            return Some(Arrival::Stray(header));
        };
        let answer = match header.op {
            Op::ERROR => Err(Refusal::Code(ErrorCode::from_payload(&payload))),
            op if op == slot.op => Ok(Reply { op, payload }),
            got => Err(Refusal::Malformed(Malformed { asked: slot.op, got })),
        };
        self.settle(header, answer)
    }

    /// Lets the packet through if it can only be a directory that is too long.
    fn admit(&mut self, oversized: Oversized) -> Result<(), Oversized> {
        let Oversized(header) = oversized;
        let slot = self.slots.get(&RequestId(header.request));
        let asked = slot.is_some_and(|slot| slot.op == Op::DIRECTORY && slot.op == header.op);
        if !asked || header.len > LONGEST_DIRECTORY {
            return Err(oversized);
        }
        self.decoder.let_through(oversized);
        Ok(())
    }

    /// Hands an answer to whoever waits for it.
    fn settle(&mut self, header: Header, answer: Answer) -> Option<Arrival> {
        let id = RequestId(header.request);
        let slot = self.slots.get_mut(&id)?;
        if let (Some(token), Err(_)) = (slot.token, &answer) {
            self.watches.remove(&token);
        }
        match slot.state {
            SlotState::Waiting => {
                slot.state = SlotState::Answered(answer);
                Some(Arrival::Answer(id))
            }
            SlotState::Answered(_) => Some(Arrival::Stray(header)),
            SlotState::Abandoned => {
                self.slots.remove(&id);
                self.undo(&answer);
                None
            }
        }
    }

    /// Gives back what an answer brought that nobody waits for.
    fn undo(&mut self, answer: &Answer) {
        let Ok(reply) = answer else { return };
        if reply.op != Op::TRANSACTION_START {
            return;
        }
        if let Ok(tx) = reply.tx() {
            self.send_and_forget(&Request::TransactionEnd { commit: false }, tx)
                .expect("it has no path and a payload of two bytes");
        }
    }

    fn event(&mut self, packet: &Packet) -> Option<Arrival> {
        let stray = Some(Arrival::Stray(packet.header));
        let mut strings = packet.payload.split(|byte| *byte == 0).map(str::from_utf8);
        let (Some(Ok(path)), Some(Ok(token))) = (strings.next(), strings.next()) else {
            return stray;
        };
        let Some(token) = Token::parse(token).filter(|token| token.0 <= self.last_token) else {
            return stray;
        };
        // A watch of ours that has ended: its last events may still have been under way.
        let watched = self.watches.get(&token)?;
        let inbox = self.inboxes.get_mut(&watched.inbox)?;
        match Path::new(path) {
            Ok(path) => inbox.changed(path),
            Err(_) => inbox.changed_somewhere(watched.path.clone()),
        }
        Some(Arrival::Event(watched.inbox))
    }
}

/// What a guest can put into one directory: 1000 nodes (quota) with names of 2048 bytes
/// (`XENSTORE_REL_PATH_MAX`), and as much again.
const LONGEST_DIRECTORY: u32 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
