//! Many threads, one socket, and nobody else to read it.
//!
//! Whoever waits and finds nobody reading becomes the reader: it receives, hands the others what is
//! theirs, and when it has its own it wakes one of those who still wait to read on.
//!
//! ```text
//!   call ─▶ send ─▶ wait ─┬─ my answer is there ─────────────▶ return, wake a successor
//!                         ├─ nobody reads ─▶ receive, sort ──▶ look again
//!                         └─ somebody reads ─▶ sleep ────────▶ look again
//! ```
//!
//! The lock is never held over a system call that can block: sending takes what fits at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::io::Errno;
use xen_types::Deadline;

use super::socket::Socket;
use crate::error::{Cause, Lost};
use crate::path::Path;
use crate::proto::{
    Arrival, Event, Header, InboxId, InvalidRequest, Mux, Reply, Request, RequestId, TxId,
};

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mux: Mux,
    /// Somebody is receiving, or watching the socket for something to receive.
    reading: bool,
    /// What the reader receives into.
    buffer: Vec<u8>,
    /// Who sleeps until somebody else has received what they wait for.
    sleepers: BTreeMap<Awaited, Arc<Condvar>>,
    /// Who has to be woken once the lock is free.
    to_wake: Vec<Arc<Condvar>>,
    lost: Option<Lost>,
}

/// Ordered by who should read next: an old request is answered before a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Awaited {
    Answer(RequestId),
    Event(InboxId),
}

type Guard<'a> = MutexGuard<'a, State>;

impl Connection {
    pub(super) fn new(socket: Socket) -> Self {
        let state = State {
            mux: Mux::new(),
            reading: false,
            buffer: vec![0; BUFFER],
            sleepers: BTreeMap::new(),
            to_wake: Vec::new(),
            lost: None,
        };
        Self { socket, state: Mutex::new(state) }
    }

    /// Sends a request and waits for its reply.
    pub(super) fn call(
        &self,
        request: &Request<'_>,
        tx: TxId,
        deadline: Deadline,
    ) -> Result<Reply, Cause> {
        self.round_trip(deadline, |mux| mux.send(request, tx))
    }

    /// Sends a request that nobody waits for. Never blocks.
    pub(super) fn forget(&self, request: &Request<'_>, tx: TxId) -> Result<(), InvalidRequest> {
        let mut state = self.lock();
        state.mux.send_and_forget(request, tx)?;
        self.send(&mut state);
        self.release(state);
        Ok(())
    }

    pub(super) fn open_inbox(&self) -> InboxId {
        self.lock().mux.open_inbox()
    }

    pub(super) fn watch(
        &self,
        path: &Path,
        inbox: InboxId,
        deadline: Deadline,
    ) -> Result<(), Cause> {
        self.round_trip(deadline, |mux| mux.watch(path, inbox)).map(drop)
    }

    /// Waits for the next event. One thread at a time may wait for an inbox.
    pub(super) fn next_event(&self, inbox: InboxId, deadline: Deadline) -> Result<Event, Cause> {
        self.wait(self.lock(), Awaited::Event(inbox), deadline, |mux| mux.take_event(inbox))
    }

    /// Takes the next event if it has been received already.
    pub(super) fn take_event(&self, inbox: InboxId) -> Option<Event> {
        self.lock().mux.take_event(inbox)
    }

    /// Ends the watches of an inbox. Never blocks.
    pub(super) fn close_inbox(&self, inbox: InboxId) {
        let mut state = self.lock();
        state.mux.close_inbox(inbox);
        self.send(&mut state);
        self.release(state);
    }

    fn round_trip(
        &self,
        deadline: Deadline,
        queue: impl FnOnce(&mut Mux) -> Result<RequestId, InvalidRequest>,
    ) -> Result<Reply, Cause> {
        // Only once all earlier bytes are gone: what a stopped daemon keeps us from sending is
        // at most one request, and does not grow with each that times out.
        let room = self.send_all(self.lock(), deadline).map_err(|cause| match cause {
            Cause::TimedOut => Cause::NotSent,
            other => other,
        });
        let mut state = room?;
        let id = match queue(&mut state.mux) {
            Ok(id) => id,
            Err(invalid) => {
                self.release(state);
                return Err(invalid.into());
            }
        };
        let answer = self.send_all(state, deadline).and_then(|state| {
            self.wait(state, Awaited::Answer(id), deadline, |mux| mux.take_answer(id))
        });
        match answer {
            Ok(answer) => Ok(answer?),
            Err(cause) => {
                let mut state = self.lock();
                state.mux.abandon(id);
                if state.mux.unanswered() > MOST_UNANSWERED {
                    self.lose(&mut state, Lost::Unanswered);
                }
                self.send(&mut state); // the answer may have come just now, and needs undoing
                self.release(state);
                Err(cause)
            }
        }
    }

    /// Sends all outgoing bytes, waiting for room if it must.
    fn send_all<'a>(
        &'a self,
        mut state: Guard<'a>,
        deadline: Deadline,
    ) -> Result<Guard<'a>, Cause> {
        loop {
            self.send(&mut state);
            if let Some(lost) = state.lost {
                self.release(state);
                return Err(lost.into());
            }
            if state.mux.outgoing().is_empty() {
                return Ok(state);
            }
            if deadline.passed(Instant::now()) {
                self.release(state);
                return Err(Cause::TimedOut);
            }
            // The daemon may have stopped reading because nobody reads what it says: so this waits
            // for bytes too, also while somebody else is about to read them.
            state = if state.reading {
                drop(state);
                let ready = self.socket.wait_until_ready(deadline.remaining(Instant::now()));
                self.relock(ready)
            } else {
                self.read(state, deadline)
            };
        }
    }

    /// Waits until `take` finds something. A deadline that has passed still takes what is there.
    fn wait<'a, T>(
        &'a self,
        mut state: Guard<'a>,
        awaited: Awaited,
        deadline: Deadline,
        mut take: impl FnMut(&mut Mux) -> Option<T>,
    ) -> Result<T, Cause> {
        let mut bed = None;
        let mut looked_late = false;
        let found = loop {
            if let Some(found) = take(&mut state.mux) {
                break Ok(found);
            }
            if let Some(lost) = state.lost {
                break Err(lost.into());
            }
            let now = Instant::now();
            let late = deadline.passed(now);
            if late && (looked_late || state.reading) {
                break Err(Cause::TimedOut);
            }
            if state.reading {
                let bed: &Arc<Condvar> = bed.get_or_insert_default();
                state.sleepers.insert(awaited, Arc::clone(bed));
                let woken = bed.wait_timeout(state, deadline.remaining(now));
                state = woken.unwrap_or_else(PoisonError::into_inner).0;
                state.sleepers.remove(&awaited);
            } else {
                looked_late = late;
                state = self.read(state, deadline);
            }
        };
        self.release(state);
        found
    }

    /// Receives once, without the lock, sorts what came, and sends what has found room meanwhile.
    fn read<'a>(&'a self, mut state: Guard<'a>, deadline: Deadline) -> Guard<'a> {
        state.reading = true;
        let unsent = !state.mux.outgoing().is_empty();
        let mut buffer = std::mem::take(&mut state.buffer);
        drop(state);

        let remaining = deadline.remaining(Instant::now());
        let received = if unsent || remaining.is_zero() {
            let ready = self.socket.wait_until_ready(remaining);
            ready.and_then(|()| self.socket.receive_now(&mut buffer))
        } else {
            self.socket.receive(&mut buffer, remaining)
        };

        let mut state = self.lock();
        state.reading = false;
        match received {
            Ok(None) => {}
            Ok(Some(0)) => self.lose(&mut state, Lost::Closed),
            Ok(Some(count)) => state.mux.receive(&buffer[..count]),
            Err(error) => self.lose(&mut state, Lost::Broken(error)),
        }
        state.buffer = buffer;
        let strays = self.sort(&mut state);
        self.send(&mut state); // also what a late reply made necessary
        if let Some(first) = strays.first() {
            // Whoever collects the log may block or panic: nobody else is to wait for that.
            self.release(state);
            tracing::warn!(?first, count = strays.len(), "xenstored sent what nobody asked for");
            return self.lock();
        }
        if state.to_wake.is_empty() {
            return state;
        }
        // Woken while the lock is held they would only run into it.
        let to_wake = std::mem::take(&mut state.to_wake);
        drop(state);
        to_wake.iter().for_each(|sleeper| sleeper.notify_one());
        self.lock()
    }

    /// Finds out who has to be woken for what came. Returns what nobody asked for.
    fn sort(&self, state: &mut State) -> Vec<Header> {
        let mut strays = Vec::new();
        loop {
            let awaited = match state.mux.poll() {
                Ok(Some(Arrival::Answer(id))) => Awaited::Answer(id),
                Ok(Some(Arrival::Event(inbox))) => Awaited::Event(inbox),
                Ok(Some(Arrival::Stray(header))) => {
                    strays.push(header);
                    continue;
                }
                Ok(None) => return strays,
                Err(oversized) => {
                    self.lose(state, Lost::Oversized(oversized));
                    return strays;
                }
            };
            if let Some(sleeper) = state.sleepers.remove(&awaited) {
                state.to_wake.push(sleeper);
            }
        }
    }

    /// Sends what fits now.
    fn send(&self, state: &mut State) {
        while state.lost.is_none() && !state.mux.outgoing().is_empty() {
            match self.socket.send(state.mux.outgoing()) {
                Ok(Some(count)) => state.mux.sent(count),
                Ok(None) => break,
                Err(error) => self.lose(state, Lost::Broken(error)),
            }
        }
    }

    /// Ends the connection for everybody.
    fn lose(&self, state: &mut State, lost: Lost) {
        state.lost.get_or_insert(lost);
        self.socket.close();
        let State { sleepers, to_wake, .. } = state;
        to_wake.extend(std::mem::take(sleepers).into_values());
    }

    /// Lets go of the lock, and sees to it that somebody reads if somebody waits.
    fn release(&self, mut state: Guard<'_>) {
        if !state.reading
            && let Some((_, successor)) = state.sleepers.first_key_value()
        {
            let successor = Arc::clone(successor);
            state.to_wake.push(successor);
        }
        let to_wake = std::mem::take(&mut state.to_wake);
        drop(state);
        to_wake.iter().for_each(|sleeper| sleeper.notify_one());
    }

    fn relock(&self, outcome: Result<(), Errno>) -> Guard<'_> {
        let mut state = self.lock();
        if let Err(error) = outcome {
            self.lose(&mut state, Lost::Broken(error));
        }
        state
    }

    fn lock(&self) -> Guard<'_> {
        // Nothing in here panics between two states; a poisoned lock still guards a sound one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for three of the longest packets, or for some hundred answers to many threads.
const BUFFER: usize = 12 * 1024;

/// Requests that timed out and guards that were dropped, all without a reply. More than a burst of
/// dropped guards leaves for a moment; a daemon that never answers must not fill our memory.
const MOST_UNANSWERED: usize = 4096;
