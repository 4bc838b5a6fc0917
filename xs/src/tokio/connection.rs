//! Many tasks, one stream, and a driver that receives for all.
//!
//! ```text
//!   request ─▶ room ─▶ queue, send ─▶ Pending ── sleeps until woken ──▶ answer
//!                │                       ▲ │ dropped: abandoned
//!                └ none: sleeps          │ ▼
//!                     ▲             Hub<Waiter> ◀── receive ── Driver
//!                     └──────────────────────────── send ──────┘
//! ```
//!
//! A future sends for itself, in the poll that queues its request, and never waits for another
//! future: what it cannot do at once the driver does. Only while several tasks that were woken by
//! the same receive have yet to run is sending left to the last of them or to the driver, whichever
//! comes first, so that what they ask next goes out in one system call.
//!
//! Deadlines have no timer each: the driver has one alarm, set to the earliest of them, and moves
//! it only to an earlier time or when it has rung. The many requests of 30 s that are answered in
//! microseconds so share one setting of a timer.
//!
//! Locks are held over system calls that do not block, and never over an `await`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Instant;

use xen_types::Deadline;

use super::pending::{Pending, Room, Sleep};
use crate::ask::Outcome;
use crate::error::{Cause, Lost};
use crate::hub::{Awaited, Hub};
use crate::path::Path;
use crate::proto::{Event, Header, InboxId, InvalidRequest, Mux, Request, RequestId, TxId};
use crate::transport::{Sent, Transport};

#[derive(Debug)]
pub(super) struct Connection {
    transport: Box<dyn Transport>,
    /// What is received into. Locked before `state`, so that packets are sorted as they came.
    intake: Mutex<Vec<u8>>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) hub: Hub<Waiter>,
    /// How many tasks of a wave have been woken and have not run yet, as far as is known.
    rising: usize,
    /// The last attempt to send left bytes behind.
    stuck: bool,
    /// Tells those apart who wait for room.
    last_ticket: u64,
    /// When the driver looks for those whose deadline has passed.
    alarm: Option<Instant>,
    driver: Option<Waker>,
    /// The driver has something to do.
    summoned: bool,
}

/// A task that waits, and until when.
#[derive(Debug, Clone)]
pub(super) struct Waiter {
    waker: Waker,
    deadline: Deadline,
}

/// What a receive found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// There may be more.
    Something,
    /// That was all for now.
    All,
}

/// What the driver has to see to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Duties {
    pub(super) lost: Option<Lost>,
    /// Bytes wait for the stream to become writable.
    pub(super) wants_room: bool,
    pub(super) alarm: Option<Instant>,
}

pub(super) type Guard<'a> = MutexGuard<'a, State>;

impl Connection {
    pub(super) fn new(transport: impl Transport + 'static) -> Self {
        let state = State {
            hub: Hub::new(),
            rising: 0,
            stuck: false,
            last_ticket: 0,
            alarm: None,
            driver: None,
            summoned: false,
        };
        Self {
            transport: Box::new(transport),
            intake: Mutex::new(vec![0; BUFFER]),
            state: Mutex::new(state),
        }
    }

    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Sends a request. Its answer is awaited by what this gives.
    pub(super) async fn ask(
        &self,
        request: &Request<'_>,
        tx: TxId,
        deadline: Deadline,
    ) -> Result<Pending<'_>, Cause> {
        let mut state = Room::new(self, deadline).await?;
        let queued = state.hub.mux.send(request, tx);
        self.post(state);
        Ok(Pending::new(self, queued?, deadline))
    }

    /// Sends all of these before it waits for any, and gives the outcome of each in their order.
    pub(super) async fn flight(
        &self,
        requests: &[Request<'_>],
        tx: TxId,
        deadline: Deadline,
    ) -> Vec<Outcome> {
        self.all(requests, deadline, |mux, request| mux.send(request, tx)).await
    }

    /// Sends a request that nobody waits for. Never blocks.
    pub(super) fn forget(&self, request: &Request<'_>, tx: TxId) -> Result<(), InvalidRequest> {
        let mut state = self.lock();
        state.hub.mux.send_and_forget(request, tx)?;
        self.post(state);
        Ok(())
    }

    pub(super) fn open_inbox(&self) -> InboxId {
        self.lock().hub.mux.open_inbox()
    }

    /// Starts watches whose events go to `inbox`; `depth` is how many levels below count.
    pub(super) async fn watch(
        &self,
        paths: &[&Path],
        depth: Option<u32>,
        inbox: InboxId,
        deadline: Deadline,
    ) -> Result<(), Cause> {
        let outcomes = self.all(paths, deadline, |mux, path| mux.watch(path, depth, inbox)).await;
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
    }

    /// Ends a watch. Never blocks.
    pub(super) fn unwatch(&self, path: &Path, inbox: InboxId) {
        let mut state = self.lock();
        state.hub.mux.unwatch(path, inbox);
        self.post(state);
    }

    /// Waits for the next event. One task at a time may wait for an inbox.
    pub(super) async fn next_event(
        &self,
        inbox: InboxId,
        deadline: Deadline,
    ) -> Result<Event, Cause> {
        let mut sleep = Sleep::new(self, Awaited::Event(inbox), deadline);
        sleep.until(|mux| mux.take_event(inbox)).await
    }

    /// Takes the next event if it has been received already.
    pub(super) fn take_event(&self, inbox: InboxId) -> Option<Event> {
        self.lock().hub.mux.take_event(inbox)
    }

    /// Takes the next event, receiving what is there, without waiting.
    pub(super) fn poll_event(&self, inbox: InboxId) -> Result<Option<Event>, Cause> {
        loop {
            let mut state = self.lock();
            match (state.hub.mux.take_event(inbox), state.hub.lost()) {
                (Some(event), _) => return Ok(Some(event)),
                (None, Some(lost)) => return Err(lost.into()),
                (None, None) => drop(state),
            }
            if self.receive() == Received::All {
                return Ok(self.take_event(inbox));
            }
        }
    }

    /// Ends the watches of an inbox. Never blocks.
    pub(super) fn close_inbox(&self, inbox: InboxId) {
        let mut state = self.lock();
        state.hub.close_inbox(inbox);
        self.post(state);
    }

    async fn all<T>(
        &self,
        questions: &[T],
        deadline: Deadline,
        mut queue: impl FnMut(&mut Mux, &T) -> Result<RequestId, InvalidRequest>,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(questions.len());
        for questions in questions.chunks(MOST_IN_FLIGHT) {
            let ids: Vec<_> = match Room::new(self, deadline).await {
                Ok(mut state) => {
                    let mux = &mut state.hub.mux;
                    let ids = questions.iter().map(|question| queue(mux, question)).collect();
                    self.post(state);
                    ids
                }
                Err(why) => {
                    outcomes.extend(questions.iter().map(|_| Err(why.into())));
                    continue;
                }
            };
            let mut flight: Vec<_> =
                ids.into_iter().map(|id| Ok(Pending::new(self, id?, deadline))).collect();
            // They are mostly answered in order: once the last is there, so are the others.
            if let Some(last) = flight.iter_mut().rev().find_map(|one| one.as_mut().ok()) {
                last.arrived().await;
            }
            for one in flight {
                outcomes.push(match one {
                    Ok(pending) => pending.await,
                    Err(invalid) => Err(Cause::Request(invalid)),
                });
            }
        }
        outcomes
    }

    /// Gives up on a request, and on the connection if too many were given up. Never blocks.
    pub(super) fn abandon(&self, id: RequestId) {
        let mut state = self.lock();
        if let Err(lost) = state.hub.abandon(id) {
            self.lose(&mut state, lost);
        }
        // The answer may have come just now, and need undoing.
        self.post(state);
    }

    /// Receives once, without waiting, sorts what came, and wakes those it is for.
    pub(super) fn receive(&self) -> Received {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        let received = self.transport.receive(&mut intake);
        let mut state = self.lock();
        let sorted = match received {
            Ok(None) => Ok(0),
            Ok(Some(0)) => Err(Lost::Closed),
            Ok(Some(count)) => state.hub.receive(&intake[..count]),
            Err(lost) => Err(lost),
        };
        let all = match received {
            Ok(Some(count)) => count < intake.len() && self.transport.receives_all(),
            _ => true,
        };
        drop(intake);
        match sorted {
            Ok(0 | 1) => {}
            Ok(wave) => {
                state.rising += wave;
                state.summoned = true; // to end the wave should one of them never run
            }
            Err(lost) => self.lose(&mut state, lost),
        }
        if state.stuck && self.transport.room_is_received() {
            self.send(&mut state);
        }
        self.post(state);
        if all { Received::All } else { Received::Something }
    }

    /// Has `driver` woken when there is something to do for it, and sends what was left to it.
    pub(super) fn drive(&self, driver: &Waker) {
        let mut state = self.lock();
        if !state.driver.as_ref().is_some_and(|known| known.will_wake(driver)) {
            state.driver = Some(driver.clone());
        }
        state.rising = 0;
        self.post(state);
    }

    pub(super) fn duties(&self) -> Duties {
        let state = self.lock();
        Duties {
            lost: state.hub.lost(),
            wants_room: state.stuck && !self.transport.room_is_received(),
            alarm: state.alarm,
        }
    }

    /// Sends again, now that the stream is said to be writable; `false` if bytes are left.
    pub(super) fn send_rest(&self) -> bool {
        let mut state = self.lock();
        self.send(&mut state);
        let sent = !state.stuck;
        release(state);
        sent
    }

    /// Wakes those whose deadline has passed, and sets the next alarm.
    pub(super) fn ring(&self, now: Instant) {
        let mut state = self.lock();
        let (late, waiting): (Vec<_>, Vec<_>) =
            state.hub.sleepers().partition(|waiter| waiter.deadline.passed(now));
        let wakers: Vec<_> = late.into_iter().map(|waiter| waiter.waker.clone()).collect();
        state.alarm = waiting.into_iter().map(|waiter| waiter.deadline.instant()).min();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends the connection for everybody who still waits. Never blocks.
    pub(super) fn end(&self, lost: Lost) {
        let mut state = self.lock();
        self.send(&mut state);
        self.lose(&mut state, lost);
        release(state);
    }

    /// Sends what is queued, unless somebody is about to run who may have more, and lets go of the
    /// lock.
    pub(super) fn post(&self, mut state: Guard<'_>) {
        if state.rising == 0 {
            self.send(&mut state);
        }
        release(state);
    }

    /// Whether there is room for a request: earlier ones have been sent. So what a stopped daemon
    /// keeps us from sending is at most one flight, and does not grow with each that times out.
    pub(super) fn has_room(&self, state: &mut State) -> Result<bool, Lost> {
        if state.stuck {
            self.send(state);
        }
        match state.hub.lost() {
            Some(lost) => Err(lost),
            None => Ok(!state.stuck),
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
        let was_stuck = std::mem::replace(&mut state.stuck, !state.hub.mux.outgoing().is_empty());
        match state.stuck {
            true => state.summoned |= !was_stuck,
            false => drop(state.hub.wake_for_room()),
        }
    }

    fn lose(&self, state: &mut State, lost: Lost) {
        state.hub.lose(lost);
        state.summoned = true;
        self.transport.close();
    }

    pub(super) fn lock(&self) -> Guard<'_> {
        // Nothing in here panics between two states; a poisoned lock still guards a sound one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Has a task woken for what it waits for, and at the deadline.
    pub(super) fn sleep(&mut self, awaited: Awaited, deadline: Deadline, cx: &Context<'_>) {
        self.hub.sleep(awaited, Waiter { waker: cx.waker().clone(), deadline });
        if self.alarm.is_none_or(|alarm| deadline.instant() < alarm) {
            self.alarm = Some(deadline.instant());
            self.summoned = true;
        }
    }

    /// Ends the sleep of a task.
    pub(super) fn rise(&mut self, awaited: Awaited) {
        if !self.hub.rise(awaited) {
            self.rising = self.rising.saturating_sub(1);
        }
    }

    pub(super) const fn ticket(&mut self) -> Awaited {
        self.last_ticket += 1;
        Awaited::Room(self.last_ticket)
    }
}

/// Lets go of the lock, and then does what is due to others: woken while it is held they would only
/// run into it, and whoever collects the log may block or panic.
pub(super) fn release(mut state: Guard<'_>) {
    let woken = state.hub.take_woken();
    let strays = state.hub.take_strays();
    let driver = match std::mem::take(&mut state.summoned) {
        true => state.driver.clone(),
        false => None,
    };
    drop(state);
    woken.into_iter().for_each(|waiter| waiter.waker.wake());
    // After the others: it ends the wave that they are.
    driver.into_iter().for_each(Waker::wake);
    warn(&strays);
}

fn warn(strays: &[Header]) {
    if let Some(first) = strays.first() {
        let count = strays.len();
        tracing::warn!(?first, count, "xenstored sent what nobody asked for");
    }
}

/// Room for three of the longest packets, or for some hundred answers to many tasks.
const BUFFER: usize = 12 * 1024;

/// More gains nothing, and the daemon has to keep the answers.
const MOST_IN_FLIGHT: usize = 128;
