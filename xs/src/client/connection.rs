//! Many threads, one stream, and nobody else to read it.
//!
//! Whoever waits and finds nobody reading becomes the reader: it receives, hands the others what is
//! theirs, and when it has its own it wakes one of those who still wait to read on.
//!
//! ```text
//!   call ─▶ queue ─▶ wait ─┬─ my answer is there ─────────────▶ return, wake a successor
//!                          ├─ nobody reads ─▶ receive, sort ──▶ look again
//!                          └─ somebody reads ─▶ sleep ────────▶ look again
//! ```
//!
//! What is queued is sent at once, except while others who were woken for their answers have yet to
//! get up: they are likely to ask again, and the last of them sends for all in one system call.
//!
//! The lock is never held over a system call that can block: sending takes what fits at once.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::sleeper::Sleeper;
use super::until::Until;
use crate::ask::Outcome;
use crate::error::{Cause, Lost};
use crate::hub::{Awaited, Hub};
use crate::path::Path;
use crate::proto::{
    Answer, Event, Header, InboxId, InvalidRequest, Mux, Reply, Request, RequestId, TxId,
};
use crate::transport::{Sent, Transport};

#[derive(Debug)]
pub(super) struct Connection {
    transport: Box<dyn Transport>,
    state: Mutex<State>,
}

struct State {
    hub: Hub<Sleeper>,
    /// Somebody is receiving, or watching the stream for something to receive.
    reading: bool,
    /// What the reader receives into.
    buffer: Vec<u8>,
    /// How many have been woken and have not got up yet.
    rising: usize,
    /// The last attempt to send left bytes behind.
    stuck: bool,
    /// Tells those apart who wait for room.
    last_ticket: u64,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the buffer, which holds what the store last said.
        f.debug_struct("State").field("hub", &self.hub).finish_non_exhaustive()
    }
}

/// Why a request was not even queued.
#[derive(Debug, Clone, Copy)]
enum NoRoom {
    Lost(Lost),
    Late,
}

type Guard<'a> = MutexGuard<'a, State>;

impl Connection {
    pub(super) fn new(transport: impl Transport + 'static) -> Self {
        let state = State {
            hub: Hub::new(),
            reading: false,
            buffer: vec![0; BUFFER],
            rising: 0,
            stuck: false,
            last_ticket: 0,
        };
        Self { transport: Box::new(transport), state: Mutex::new(state) }
    }

    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Sends a request and waits for its reply.
    pub(super) fn call(
        &self,
        request: &Request<'_>,
        tx: TxId,
        until: Until<'_>,
    ) -> Result<Reply, Cause> {
        let mut state = self.room(until)?;
        match state.hub.mux.send(request, tx) {
            Ok(id) => self.conclude(state, id, until),
            Err(invalid) => {
                self.release(state);
                Err(invalid.into())
            }
        }
    }

    /// Sends all of these before it waits for any, and gives the outcome of each in their order.
    pub(super) fn flight(
        &self,
        requests: &[Request<'_>],
        tx: TxId,
        until: Until<'_>,
    ) -> Vec<Outcome> {
        self.all(requests, until, |mux, request| mux.send(request, tx))
    }

    /// Sends a request that nobody waits for. Never blocks.
    pub(super) fn forget(&self, request: &Request<'_>, tx: TxId) -> Result<(), InvalidRequest> {
        let mut state = self.lock();
        state.hub.mux.send_and_forget(request, tx)?;
        self.release(state);
        Ok(())
    }

    pub(super) fn open_inbox(&self) -> InboxId {
        self.lock().hub.mux.open_inbox()
    }

    /// Starts watches whose events go to `inbox`; `depth` is how many levels below count.
    pub(super) fn watch(
        &self,
        paths: &[&Path],
        depth: Option<u32>,
        inbox: InboxId,
        until: Until<'_>,
    ) -> Result<(), Cause> {
        let outcomes = self.all(paths, until, |mux, path| mux.watch(path, depth, inbox));
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
    }

    /// Ends a watch. Never blocks.
    pub(super) fn unwatch(&self, path: &Path, inbox: InboxId) {
        let mut state = self.lock();
        state.hub.mux.unwatch(path, inbox);
        self.release(state);
    }

    /// Waits for the next event. One thread at a time may wait for an inbox.
    pub(super) fn next_event(&self, inbox: InboxId, until: Until<'_>) -> Result<Event, Cause> {
        let mut state = self.lock();
        self.flush(&mut state);
        self.wait(state, Awaited::Event(inbox), until, |mux| mux.take_event(inbox))
    }

    /// Takes the next event if it has been received already.
    pub(super) fn take_event(&self, inbox: InboxId) -> Option<Event> {
        self.lock().hub.mux.take_event(inbox)
    }

    /// Takes the next event, receiving what is there, without waiting. If there is none, `quiet` is
    /// run before any other can arrive.
    pub(super) fn poll_event(
        &self,
        inbox: InboxId,
        quiet: impl FnOnce(),
    ) -> Result<Option<Event>, Cause> {
        let mut state = self.lock();
        while !state.hub.mux.has_event(inbox) && !state.reading && state.hub.lost().is_none() {
            let mut buffer = std::mem::take(&mut state.buffer);
            let received = self.transport.receive(&mut buffer);
            let nothing = matches!(received, Ok(None));
            self.take_in(&mut state, received, buffer);
            if nothing {
                break;
            }
        }
        let event = state.hub.mux.take_event(inbox);
        if event.is_none() {
            quiet();
        }
        let lost = state.hub.lost();
        self.release(state);
        match (event, lost) {
            (None, Some(lost)) => Err(lost.into()),
            (event, _) => Ok(event),
        }
    }

    /// Has `listener` told of every event of an inbox from now on, and at once if there is one.
    pub(super) fn listen(&self, inbox: InboxId, listener: Sleeper) {
        let mut state = self.lock();
        if state.hub.mux.has_event(inbox) || state.hub.lost().is_some() {
            listener.wake();
        }
        state.hub.listen(inbox, listener);
    }

    /// Ends the watches of an inbox. Never blocks.
    pub(super) fn close_inbox(&self, inbox: InboxId) {
        let mut state = self.lock();
        state.hub.close_inbox(inbox);
        self.release(state);
    }

    fn all<T>(
        &self,
        questions: &[T],
        until: Until<'_>,
        mut queue: impl FnMut(&mut Mux, &T) -> Result<RequestId, InvalidRequest>,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(questions.len());
        for questions in questions.chunks(MOST_IN_FLIGHT) {
            let mut state = match self.room(until) {
                Ok(state) => state,
                Err(why) => {
                    outcomes.extend(questions.iter().map(|_| Err(why.into())));
                    continue;
                }
            };
            let ids: Vec<_> =
                questions.iter().map(|question| queue(&mut state.hub.mux, question)).collect();
            // They are mostly answered in order: once the last is there, so are the others.
            let last = ids.iter().rev().find_map(|id| id.as_ref().ok());
            match last {
                Some(last) => self.await_answer(state, *last, until),
                None => self.release(state),
            }
            outcomes.extend(self.take_answers(&ids).into_iter().zip(ids).map(
                |(answer, id)| match (answer, id) {
                    (Some(answer), _) => Ok(answer?),
                    (None, Ok(id)) => self.conclude(self.lock(), id, until),
                    (None, Err(invalid)) => Err(invalid.into()),
                },
            ));
        }
        outcomes
    }

    /// The answers that are there.
    fn take_answers(&self, ids: &[Result<RequestId, InvalidRequest>]) -> Vec<Option<Answer>> {
        let mut state = self.lock();
        let mut take = |id: &RequestId| state.hub.mux.take_answer(*id);
        ids.iter().map(|id| id.as_ref().ok().and_then(&mut take)).collect()
    }

    /// Takes the answer to a request that is queued, waiting for it if it must.
    fn conclude(
        &self,
        mut state: Guard<'_>,
        id: RequestId,
        until: Until<'_>,
    ) -> Result<Reply, Cause> {
        self.flush(&mut state);
        let answer = self.wait(state, Awaited::Answer(id), until, |mux| mux.take_answer(id));
        match answer {
            Ok(answer) => Ok(answer?),
            Err(cause) => {
                let mut state = self.lock();
                if let Err(lost) = state.hub.abandon(id) {
                    self.lose(&mut state, lost);
                }
                // The answer may have come just now, and need undoing.
                self.release(state);
                Err(cause)
            }
        }
    }

    /// Waits until an answer is there, and leaves it there; or until it is known not to come.
    fn await_answer(&self, mut state: Guard<'_>, id: RequestId, until: Until<'_>) {
        self.flush(&mut state);
        let there = |mux: &mut Mux| mux.has_answer(id).then_some(());
        // Whoever takes the answer finds out what went wrong.
        self.wait(state, Awaited::Answer(id), until, there).unwrap_or_default();
    }

    /// Waits until earlier requests have been sent. So what a stopped daemon keeps us from sending
    /// is at most one flight, and does not grow with each that times out.
    fn room(&self, until: Until<'_>) -> Result<Guard<'_>, NoRoom> {
        let mut state = self.lock();
        while state.stuck || state.hub.lost().is_some() {
            self.send(&mut state);
            let failure = match state.hub.lost() {
                Some(lost) => NoRoom::Lost(lost),
                None if !state.stuck => break,
                None if until.passed() => NoRoom::Late,
                None => {
                    state = self.wait_for_room(state, until);
                    continue;
                }
            };
            self.release(state);
            return Err(failure);
        }
        Ok(state)
    }

    /// The daemon may have stopped reading because nobody reads what it says: so this reads, too.
    fn wait_for_room<'a>(&'a self, mut state: Guard<'a>, until: Until<'_>) -> Guard<'a> {
        let now = until.clock.now();
        if !state.reading {
            return self.read(state, until, now);
        }
        if self.transport.room_is_received() {
            state.last_ticket += 1;
            let awaited = Awaited::Room(state.last_ticket);
            return Self::sleep(state, awaited, &Arc::default(), until, now);
        }
        drop(state);
        let ready = until.wait(now, |limit| self.transport.wait_until_ready(limit));
        let mut state = self.lock();
        if let Err(lost) = ready {
            self.lose(&mut state, lost);
        }
        state
    }

    /// Sleeps until woken for what is awaited, or for another reason.
    fn sleep<'a>(
        mut state: Guard<'a>,
        awaited: Awaited,
        bed: &Arc<Condvar>,
        until: Until<'_>,
        now: Instant,
    ) -> Guard<'a> {
        state.hub.sleep(awaited, Sleeper::Thread(Arc::clone(bed)));
        let mut held = Some(state);
        until.clock.wait(until.deadline, now, |limit| {
            let woken = bed.wait_timeout(held.take()?, limit);
            let (state, slept) = woken.unwrap_or_else(PoisonError::into_inner);
            // Between two naps nobody hears the bell.
            let is_over = !slept.timed_out() || !state.reading || !state.hub.sleeps(awaited);
            held = Some(state);
            is_over.then_some(())
        });
        let mut state = held.expect("each nap gives it back");
        Self::get_up(&mut state, awaited);
        state
    }

    /// Waits until `take` finds something. A deadline that has passed still takes what is there.
    fn wait<'a, T>(
        &'a self,
        mut state: Guard<'a>,
        awaited: Awaited,
        until: Until<'_>,
        mut take: impl FnMut(&mut Mux) -> Option<T>,
    ) -> Result<T, Cause> {
        let mut bed = None;
        let mut looked_late = false;
        let found = loop {
            if let Some(found) = take(&mut state.hub.mux) {
                break Ok(found);
            }
            if let Some(lost) = state.hub.lost() {
                break Err(lost.into());
            }
            let now = until.clock.now();
            let late = until.deadline.passed(now);
            if late && (looked_late || state.reading) {
                break Err(Cause::TimedOut);
            }
            if state.reading {
                state = Self::sleep(state, awaited, bed.get_or_insert_default(), until, now);
            } else {
                looked_late = late;
                state = self.read(state, until, now);
            }
        };
        self.release(state);
        found
    }

    /// Ends a sleep.
    fn get_up(state: &mut State, awaited: Awaited) {
        if !state.hub.rise(awaited) {
            state.rising -= 1;
        }
    }

    /// Receives once, without the lock, sorts what came, and sends what has found room meanwhile.
    fn read<'a>(&'a self, mut state: Guard<'a>, until: Until<'_>, now: Instant) -> Guard<'a> {
        state.reading = true;
        self.flush(&mut state);
        let stuck = state.stuck;
        let crowded = state.hub.asleep() >= CROWD;
        let mut buffer = std::mem::take(&mut state.buffer);
        drop(state);
        if crowded {
            // A little later one receive brings several answers, and more have asked again.
            std::thread::yield_now();
        }

        let received = if stuck || until.deadline.passed(now) {
            let ready = until.wait(now, |limit| self.transport.wait_until_ready(limit));
            ready.and_then(|()| self.transport.receive(&mut buffer))
        } else {
            let receive = |limit| self.transport.receive_within(&mut buffer, limit).transpose();
            until.clock.wait(until.deadline, now, receive).transpose()
        };

        let mut state = self.lock();
        state.reading = false;
        self.take_in(&mut state, received, buffer);
        if state.stuck {
            self.send(&mut state);
        }
        match Wakes::of(&mut state) {
            None => state,
            Some(wakes) => {
                drop(state);
                wakes.carry_out();
                self.lock()
            }
        }
    }

    /// Sorts what was received, and gives back the buffer.
    fn take_in(&self, state: &mut State, received: Result<Option<usize>, Lost>, buffer: Vec<u8>) {
        let sorted = match received {
            Ok(None) => Ok(0),
            Ok(Some(0)) => Err(Lost::Closed),
            Ok(Some(count)) => state.hub.receive(&buffer[..count]),
            Err(lost) => Err(lost),
        };
        state.buffer = buffer;
        match sorted {
            Ok(roused) => state.rising += roused,
            Err(lost) => self.lose(state, lost),
        }
    }

    /// Sends, unless somebody is about to who may have more.
    fn flush(&self, state: &mut State) {
        if state.rising == 0 {
            self.send(state);
        }
    }

    /// Sends what fits now.
    fn send(&self, state: &mut State) {
        while state.hub.lost().is_none() && !state.hub.mux.outgoing().is_empty() {
            match self.transport.send(state.hub.mux.outgoing()) {
                Ok(Sent::Bytes(count)) => state.hub.mux.sent(count),
                Ok(Sent::Nothing) => break,
                Err(lost) => self.lose(state, lost),
            }
        }
        state.stuck = !state.hub.mux.outgoing().is_empty();
        if !state.stuck {
            state.rising += state.hub.wake_for_room();
        }
    }

    /// Ends the connection for everybody.
    fn lose(&self, state: &mut State, lost: Lost) {
        state.rising += state.hub.lose(lost);
        self.transport.close();
    }

    /// Lets go of the lock, and sees to it that somebody reads if somebody waits.
    fn release(&self, mut state: Guard<'_>) {
        self.flush(&mut state);
        if !state.reading {
            state.hub.wake_first();
        }
        let wakes = Wakes::of(&mut state);
        drop(state);
        wakes.into_iter().for_each(Wakes::carry_out);
    }

    fn lock(&self) -> Guard<'_> {
        // Nothing in here panics between two states; a poisoned lock still guards a sound one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be done for others once the lock is free: woken while it is held they would only run
/// into it, and whoever collects the log may block or panic.
struct Wakes {
    woken: Vec<Sleeper>,
    strays: Vec<Header>,
}

impl Wakes {
    fn of(state: &mut State) -> Option<Self> {
        let strays = state.hub.take_strays();
        if !strays.is_empty() && !state.reading {
            // Should the log keep us, somebody else has to read.
            state.hub.wake_first();
        }
        let wakes = Self { woken: state.hub.take_woken(), strays };
        (!wakes.woken.is_empty() || !wakes.strays.is_empty()).then_some(wakes)
    }

    fn carry_out(self) {
        self.woken.iter().for_each(Sleeper::wake);
        if let Some(first) = self.strays.first() {
            let count = self.strays.len();
            tracing::warn!(?first, count, "xenstored sent what nobody asked for");
        }
    }
}

impl From<NoRoom> for Cause {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::Lost(lost) => lost.into(),
            NoRoom::Late => Self::NotSent,
        }
    }
}

/// Room for three of the longest packets, or for some hundred answers to many threads.
const BUFFER: usize = 12 * 1024;

/// So many sleepers that letting others run first is worth a system call.
const CROWD: usize = 4;

/// More gains nothing, and the daemon has to keep the answers.
const MOST_IN_FLIGHT: usize = 128;
