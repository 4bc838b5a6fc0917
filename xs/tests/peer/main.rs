//! The client against a daemon that misbehaves on purpose.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod script;

mod connection;
mod transactions;
mod watches;
