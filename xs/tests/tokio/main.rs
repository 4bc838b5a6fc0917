//! The client for tokio against a daemon that misbehaves on purpose, and against real ones.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

#[path = "../ring/memory.rs"]
#[allow(dead_code, reason = "the tests of the ring use more of it")]
mod memory;
#[path = "../peer/script.rs"]
#[allow(dead_code, reason = "the tests of the blocking client use more of it")]
mod script;

mod connect;
mod dropped;
mod real;
mod requests;
mod ring;
mod stage;
mod transactions;
mod watches;
