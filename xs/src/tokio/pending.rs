//! Futures that wait for a part of the connection to change. Each may be dropped at any time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use xen_types::Deadline;

use super::connection::{Connection, Guard, Received, release};
use crate::ask::Outcome;
use crate::error::{Cause, Lost};
use crate::hub::Awaited;
use crate::proto::{Mux, RequestId};

/// A request whose answer is out. Dropped before, it is abandoned: a transaction that it starts
/// after all is discarded.
#[derive(Debug)]
pub(super) struct Pending<'c> {
    sleep: Sleep<'c>,
    id: RequestId,
    open: bool,
}

/// Somebody who waits, and is known to the hub while asleep.
#[derive(Debug)]
pub(super) struct Sleep<'c> {
    connection: &'c Connection,
    awaited: Awaited,
    deadline: Deadline,
    asleep: bool,
}

/// Waiting for room for a request; gives the lock, to queue it under.
#[derive(Debug)]
pub(super) struct Room<'c> {
    connection: &'c Connection,
    deadline: Deadline,
    ticket: Option<Awaited>,
}

/// Why a request was not even queued.
#[derive(Debug, Clone, Copy)]
pub(super) enum NoRoom {
    Lost(Lost),
    Late,
}

impl<'c> Pending<'c> {
    pub(super) const fn new(connection: &'c Connection, id: RequestId, deadline: Deadline) -> Self {
        Self { sleep: Sleep::new(connection, Awaited::Answer(id), deadline), id, open: true }
    }

    /// Waits until the answer is there, and leaves it there; or until it is known not to come.
    pub(super) async fn arrived(&mut self) {
        let id = self.id;
        let there = |mux: &mut Mux| mux.has_answer(id).then_some(());
        // Whoever takes the answer finds out what went wrong.
        self.sleep.until(there).await.unwrap_or_default();
    }
}

impl Future for Pending<'_> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let id = self.id;
        let answer = ready!(self.sleep.poll(cx, |mux| mux.take_answer(id)));
        self.open = answer.is_err();
        Poll::Ready(answer.and_then(|answer| Ok(answer?)))
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.open {
            self.sleep.connection.abandon(self.id);
        }
    }
}

impl<'c> Sleep<'c> {
    pub(super) const fn new(
        connection: &'c Connection,
        awaited: Awaited,
        deadline: Deadline,
    ) -> Self {
        Self { connection, awaited, deadline, asleep: false }
    }

    /// Waits until `take` finds something. A deadline that has passed still takes what is there.
    pub(super) async fn until<T>(
        &mut self,
        mut take: impl FnMut(&mut Mux) -> Option<T>,
    ) -> Result<T, Cause> {
        poll_fn(|cx| self.poll(cx, &mut take)).await
    }

    fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        mut take: impl FnMut(&mut Mux) -> Option<T>,
    ) -> Poll<Result<T, Cause>> {
        let mut state = self.connection.lock();
        if std::mem::take(&mut self.asleep) {
            state.rise(self.awaited);
        }
        let mut looked_late = false;
        loop {
            if let Some(found) = take(&mut state.hub.mux) {
                return Poll::Ready(Ok(found));
            }
            if let Some(lost) = state.hub.lost() {
                return Poll::Ready(Err(lost.into()));
            }
            if looked_late {
                return Poll::Ready(Err(Cause::TimedOut));
            }
            if !self.deadline.passed(now()) {
                state.sleep(self.awaited, self.deadline, cx);
                self.asleep = true;
                release(state);
                return Poll::Pending;
            }
            drop(state);
            // It may be there, and the driver late.
            looked_late = self.connection.receive() == Received::All;
            state = self.connection.lock();
        }
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if self.asleep {
            self.connection.lock().rise(self.awaited);
        }
    }
}

impl<'c> Room<'c> {
    pub(super) const fn new(connection: &'c Connection, deadline: Deadline) -> Self {
        Self { connection, deadline, ticket: None }
    }
}

impl<'c> Future for Room<'c> {
    type Output = Result<Guard<'c>, NoRoom>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.connection.lock();
        if let Some(ticket) = self.ticket.take() {
            state.rise(ticket);
        }
        let failure = match self.connection.has_room(&mut state) {
            Ok(true) => return Poll::Ready(Ok(state)),
            Ok(false) if self.deadline.passed(now()) => NoRoom::Late,
            Ok(false) => {
                let ticket = state.ticket();
                state.sleep(ticket, self.deadline, cx);
                self.ticket = Some(ticket);
                release(state);
                return Poll::Pending;
            }
            Err(lost) => NoRoom::Lost(lost),
        };
        release(state);
        Poll::Ready(Err(failure))
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.connection.lock().rise(ticket);
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

/// The time as tokio has it: its tests may stop it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
