//! The real thing below `xenops`, with one call of one layer failing.
//!
//! ```text
//!   xenops ─▶ xc ─▶ FaultyHypervisor ─┐
//!          ─▶ xg ─▶ FaultyBuilder ────┼─▶ Gate ─▶ libxenctrl, libxenguest, xenstored
//!          ─▶ xs ─▶ FaultyStore ──────┘
//! ```

mod builder;
mod hypervisor;
mod store;

use std::sync::{Mutex, PoisonError};

pub(crate) use builder::FaultyBuilder;
pub(crate) use hypervisor::FaultyHypervisor;
pub(crate) use store::{FaultyStore, Then};

/// Which calls fail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The n-th, counted from 1.
    Nth(usize, How),
    /// Every one of this name.
    Every(&'static str, How),
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It does nothing.
    Undone,
    /// It does its work, and nobody hears of it.
    Unheard,
}

/// What every call passes on its way down.
#[derive(Debug)]
pub(crate) struct Gate {
    fault: Fault,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    count: usize,
    failed: Option<String>,
}

impl Gate {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, calls: Mutex::default() }
    }

    /// Makes a call, or fails.
    fn pass<T, E>(
        &self,
        name: &str,
        failure: E,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match self.verdict(name) {
            None => call(),
            Some(How::Undone) => Err(failure),
            Some(How::Unheard) => call().and(Err(failure)),
        }
    }

    /// How this call is to fail, if it is.
    fn verdict(&self, name: &str) -> Option<How> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.count += 1;
        let verdict = match self.fault {
            Fault::Nth(number, how) => (number == calls.count).then_some(how),
            Fault::Every(every, how) => (every == name).then_some(how),
        };
        if verdict.is_some() {
            calls.failed = Some(format!("call {}, {name}", calls.count));
        }
        verdict
    }

    /// The call that failed last, if the calls have come to one that was to fail.
    pub(crate) fn failed(&self) -> Option<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).failed.clone()
    }
}
