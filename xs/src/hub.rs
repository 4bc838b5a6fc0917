//! Who waits for what on one connection. Pure: a front-end moves the bytes and does the waking.
//!
//! `W` is how somebody is woken: a condition variable, or a task's waker.

use std::collections::BTreeMap;

use crate::error::Lost;
use crate::proto::{Arrival, Header, InboxId, Mux, RequestId};

/// A connection's protocol state and those who wait for a part of it to change.
#[derive(Debug)]
pub(crate) struct Hub<W> {
    pub(crate) mux: Mux,
    sleepers: BTreeMap<Awaited, W>,
    /// Those who are told of every event of an inbox, asleep or not.
    listeners: BTreeMap<InboxId, W>,
    /// Who has to be woken once the lock is free.
    woken: Vec<W>,
    strays: Vec<Header>,
    lost: Option<Lost>,
}

/// Ordered by who should be served first: an old request is answered before a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    Answer(RequestId),
    Event(InboxId),
    /// Room for a request: earlier ones have found none.
    Room(u64),
}

impl<W: Clone> Hub<W> {
    pub(crate) fn new() -> Self {
        Self {
            mux: Mux::new(),
            sleepers: BTreeMap::new(),
            listeners: BTreeMap::new(),
            woken: Vec::new(),
            strays: Vec::new(),
            lost: None,
        }
    }

    /// Takes in what came, and finds out who has to be woken for it. Returns how many of those who
    /// slept are to be.
    ///
    /// # Errors
    /// Says why the connection has to end.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        self.mux.receive(bytes);
        let mut roused = 0;
        loop {
            let awaited = match self.mux.poll().map_err(Lost::Oversized)? {
                Some(Arrival::Answer(id)) => Awaited::Answer(id),
                Some(Arrival::Event(inbox)) => {
                    self.woken.extend(self.listeners.get(&inbox).cloned());
                    Awaited::Event(inbox)
                }
                Some(Arrival::Stray(header)) => {
                    self.strays.push(header);
                    continue;
                }
                None => return Ok(roused),
            };
            if let Some(sleeper) = self.sleepers.remove(&awaited) {
                self.woken.push(sleeper);
                roused += 1;
            }
        }
    }

    /// Ends the connection for everybody. Returns how many sleepers are to be woken.
    pub(crate) fn lose(&mut self, lost: Lost) -> usize {
        self.lost.get_or_insert(lost);
        let sleepers = std::mem::take(&mut self.sleepers);
        let roused = sleepers.len();
        self.woken.extend(sleepers.into_values());
        self.woken.extend(self.listeners.values().cloned());
        roused
    }

    pub(crate) const fn lost(&self) -> Option<Lost> {
        self.lost
    }

    pub(crate) fn sleep(&mut self, awaited: Awaited, sleeper: W) {
        self.sleepers.insert(awaited, sleeper);
    }

    /// Whether somebody sleeps for this, and what was waited for has not come.
    pub(crate) fn sleeps(&self, awaited: Awaited) -> bool {
        self.sleepers.contains_key(&awaited)
    }

    /// How many sleep.
    pub(crate) fn asleep(&self) -> usize {
        self.sleepers.len()
    }

    /// Ends a sleep; `false` if it was ended by what was waited for.
    pub(crate) fn rise(&mut self, awaited: Awaited) -> bool {
        self.sleepers.remove(&awaited).is_some()
    }

    /// All who wait.
    #[cfg(feature = "tokio")]
    pub(crate) fn sleepers(&self) -> impl Iterator<Item = &W> {
        self.sleepers.values()
    }

    /// Wakes the one that should be served next, without ending its sleep.
    pub(crate) fn wake_first(&mut self) {
        self.woken.extend(self.sleepers.values().next().cloned());
    }

    /// Wakes those who wait for room. Returns how many.
    pub(crate) fn wake_for_room(&mut self) -> usize {
        let with_room = self.sleepers.split_off(&Awaited::Room(0));
        let roused = with_room.len();
        self.woken.extend(with_room.into_values());
        roused
    }

    pub(crate) fn listen(&mut self, inbox: InboxId, listener: W) {
        self.listeners.insert(inbox, listener);
    }

    pub(crate) fn close_inbox(&mut self, inbox: InboxId) {
        self.listeners.remove(&inbox);
        self.mux.close_inbox(inbox);
    }

    /// Gives up on a request. A daemon that leaves thousands unanswered is as good as dead.
    ///
    /// # Errors
    /// Says that the connection has to end.
    pub(crate) fn abandon(&mut self, id: RequestId) -> Result<(), Lost> {
        self.mux.abandon(id);
        match self.mux.unanswered() > MOST_UNANSWERED {
            true => Err(Lost::Unanswered),
            false => Ok(()),
        }
    }

    /// Those to wake now.
    pub(crate) fn take_woken(&mut self) -> Vec<W> {
        std::mem::take(&mut self.woken)
    }

    /// Headers of packets that nobody asked for, since the last time.
    pub(crate) fn take_strays(&mut self) -> Vec<Header> {
        std::mem::take(&mut self.strays)
    }
}

/// Requests that timed out and guards that were dropped, all without a reply. More than a burst of
/// dropped guards leaves for a moment; a daemon that never answers must not fill our memory.
const MOST_UNANSWERED: usize = 4096;
