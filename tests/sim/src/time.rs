//! The machine's clock: it goes as any other, and when nobody has anything to do it jumps to what
//! is waited for first.
//!
//! ```text
//!   wait ─▶ nap ─┬─ it came ───────────────────────────────▶ done      (something happened)
//!                ├─ the deadline has passed ───────────────▶ done      (something happened)
//!                └─ neither ─▶ quiet for long enough? ─▶ jump to the first deadline of all
//! ```
//!
//! It is quiet when nothing happened on the machine during some naps of a waiter (no call to the
//! hypervisor, no packet to or from the store, no begin or end of a wait), when nothing is under way
//! that is known to take its time, such as a request that the store has not answered, and when all
//! threads that ever did something on the machine sleep: the kernel tells (`/proc/self/task`). The
//! last is what makes it sure where the processors are busy: a thread that has something to do, and
//! gets no turn, does not sleep.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::thread::gettid;
use xen_types::{Clock, Deadline, Time};

/// How the clock of a machine goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As that of this host, and is that: any [`Deadline`] will do.
    #[default]
    Real,
    /// As that of this host while something happens, and when nothing does it jumps to the first
    /// deadline that somebody waits for. Deadlines have to be made by [`Machine::clock`], and not by
    /// [`Deadline::after`].
    ///
    /// [`Machine::clock`]: crate::Machine::clock
    Jumping,
}

/// Keeps the clock of a machine from jumping until it is dropped.
#[derive(Debug)]
pub struct Hold(Option<Arc<Jumping>>);

/// The clock, for the parts of the machine.
#[derive(Debug, Clone)]
pub(crate) struct Ticker(Option<Arc<Jumping>>);

impl Ticker {
    pub(crate) fn new(pace: Pace) -> Self {
        Self((pace == Pace::Jumping).then(|| Arc::new(Jumping::new())))
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = |jumping: &Arc<Jumping>| Clock::with(Arc::<Jumping>::clone(jumping));
        self.0.as_ref().map_or_else(Clock::real, time)
    }

    /// Notes that something happens, and that it is this thread that does it.
    pub(crate) fn note(&self) {
        if let Some(jumping) = &self.0 {
            jumping.happens();
            jumping.join();
        }
    }

    /// Counts this thread among those of the machine.
    pub(crate) fn join(&self) {
        if let Some(jumping) = &self.0 {
            jumping.join();
        }
    }

    pub(crate) fn hold(&self) -> Hold {
        if let Some(jumping) = &self.0 {
            jumping.lock().held += 1;
            jumping.join();
        }
        Hold(self.0.clone())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(jumping) = &self.0 {
            jumping.lock().held -= 1;
            jumping.happens();
        }
    }
}

/// A clock that jumps.
#[derive(Debug)]
struct Jumping {
    state: Mutex<State>,
    /// Tells it from other clocks.
    number: u64,
    /// How many have the state or sleep until they may have it.
    at_state: AtomicUsize,
    /// How often something has happened.
    happened: AtomicU64,
}

/// The state, locked.
struct Locked<'a> {
    state: MutexGuard<'a, State>,
    at_state: &'a AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// How far it is ahead of the real clock.
    ahead: Duration,
    /// The deadlines that are waited for.
    waits: BTreeMap<u64, Instant>,
    last_wait: u64,
    /// How many hold it.
    held: usize,
    /// The threads that have done something on the machine, by the kernel's numbers.
    threads: BTreeSet<i32>,
}

impl Jumping {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let (at_state, happened) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { state: Mutex::default(), number, at_state, happened }
    }

    fn happens(&self) {
        self.happened.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts this thread among those of the machine.
    fn join(&self) {
        if JOINED.replace(self.number) != self.number {
            self.lock().threads.insert(gettid().as_raw_nonzero().get());
        }
    }

    fn lock(&self) -> Locked<'_> {
        self.at_state.fetch_add(1, Ordering::SeqCst);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { state, at_state: &self.at_state }
    }

    /// Jumps, unless somebody holds it, something has happened since `seen`, somebody is not asleep,
    /// or somebody whose time is up has not got up yet.
    fn jump(&self, seen: u64) {
        let mut state = self.lock();
        let first = state.waits.values().min().copied();
        let ahead = first.map(|first| first.saturating_duration_since(state.now()));
        if state.held == 0
            && state.is_all_asleep()
            // Who sleeps until this is unlocked has something to do.
            && self.at_state.load(Ordering::SeqCst) == 1
            && self.happened.load(Ordering::SeqCst) == seen
            && let Some(ahead) = ahead
        {
            state.ahead += ahead;
        }
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.at_state.fetch_sub(1, Ordering::SeqCst);
    }
}

impl State {
    /// Whether the threads of the machine, other than this one, sleep, and none has been up while
    /// they were looked at one after the other.
    fn is_all_asleep(&mut self) -> bool {
        let before = self.sleepers();
        before.is_some() && before == self.sleepers()
    }

    /// How often each thread has gone to sleep, if all sleep. Threads that ended are forgotten.
    fn sleepers(&mut self) -> Option<Vec<String>> {
        let own = gettid().as_raw_nonzero().get();
        let mut awake = false;
        let mut slept = Vec::with_capacity(self.threads.len());
        self.threads.retain(|thread| {
            // proc(5)
            let Ok(status) = fs::read_to_string(format!("/proc/self/task/{thread}/status")) else {
                return false;
            };
            if *thread != own {
                awake |= !status.contains("\nState:\tS");
                let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
                slept.extend(switches.map(str::to_owned));
            }
            true
        });
        (!awake).then_some(slept)
    }

    fn now(&self) -> Instant {
        Instant::now() + self.ahead
    }
}

impl Time for Jumping {
    fn now(&self) -> Instant {
        self.lock().now()
    }

    fn wait(&self, deadline: Deadline, block: &mut dyn FnMut(Duration) -> bool) {
        let left = deadline.remaining(self.now());
        if left.is_zero() || left > ENDLESS {
            block(left);
            self.happens();
            return;
        }
        self.join();
        let number = {
            let mut state = self.lock();
            state.last_wait += 1;
            let number = state.last_wait;
            state.waits.insert(number, deadline.instant());
            number
        };
        self.happens();
        let (mut seen, mut naps) = (self.happened.load(Ordering::SeqCst), 0);
        loop {
            let left = deadline.remaining(self.now());
            if left.is_zero() || block(left.min(NAP)) {
                break;
            }
            let happened = self.happened.load(Ordering::SeqCst);
            naps = if happened == seen { naps + 1 } else { 0 };
            seen = happened;
            if naps == QUIET {
                self.jump(seen);
                naps = 0;
            }
        }
        self.lock().waits.remove(&number);
        self.happens();
    }

    /// Three quarters of what is left: a wait of a minute is six looks.
    fn next_look(&self, interval: Duration, deadline: Deadline) -> Deadline {
        let now = self.now();
        Deadline::counted_from(now, interval.max(deadline.remaining(now) / 4 * 3))
    }
}

/// How long a waiter does not look at the clock.
const NAP: Duration = Duration::from_millis(2);

/// After how many naps without that anything happened it is worth looking at who is awake.
const QUIET: u32 = 3;

thread_local! {
    /// The clock that this thread has joined last.
    static JOINED: Cell<u64> = const { Cell::new(0) };
}

/// Nobody waits for that in earnest.
const ENDLESS: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn jumping() -> (Ticker, Clock) {
        let ticker = Ticker::new(Pace::Jumping);
        let clock = ticker.clock();
        (ticker, clock)
    }

    #[test]
    fn an_hour_in_which_nothing_happens_takes_a_moment() {
        let (_, clock) = jumping();
        let (start, before) = (Instant::now(), clock.now());
        clock.sleep(HOUR);
        assert!(clock.now() >= before + HOUR);
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn who_waits_for_less_gets_up_first() {
        let (ticker, clock) = jumping();
        let hold = ticker.hold();
        let ends = [3, 1, 2].map(|hours| {
            let clock = clock.clone();
            let end = clock.after(HOUR * hours);
            thread::spawn(move || {
                clock.sleep(clock.remaining(end));
                clock.now()
            })
        });
        drop(hold);
        let [third, first, second] = ends.map(|end| end.join().unwrap());
        assert!(second > first + HOUR / 2, "{:?}", second - first);
        assert!(third > second + HOUR / 2, "{:?}", third - second);
    }

    #[test]
    fn a_held_clock_does_not_jump() {
        let (ticker, clock) = jumping();
        let (hold, before) = (ticker.hold(), clock.now());
        let sleeper = thread::spawn({
            let clock = clock.clone();
            move || clock.sleep(HOUR)
        });
        thread::sleep(NAP * QUIET * 3);
        let held = clock.now();
        drop(hold);
        sleeper.join().unwrap();
        assert!(held < before + HOUR);
        assert!(clock.now() >= before + HOUR);
    }

    #[test]
    fn a_clock_does_not_jump_while_something_happens() {
        let (ticker, clock) = jumping();
        let before = clock.now();
        let sleeper = thread::spawn({
            let clock = clock.clone();
            move || clock.sleep(HOUR)
        });
        let busy_for = NAP * QUIET * 3;
        let start = Instant::now();
        while start.elapsed() < busy_for {
            ticker.note();
        }
        let busy = clock.now();
        sleeper.join().unwrap();
        assert!(busy < before + HOUR);
    }

    #[test]
    fn a_real_clock_is_never_ahead() {
        let clock = Ticker::new(Pace::Real).clock();
        assert!(clock.now() <= Instant::now());
    }
}
