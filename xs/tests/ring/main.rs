//! The client over a ring: against a store that a test plays, and against the real daemons.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod daemons;
mod memory;
mod rules;
