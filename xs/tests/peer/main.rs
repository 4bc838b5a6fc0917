//! The client against a daemon that misbehaves on purpose.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod script;

mod connect;
mod connection;
mod log;
mod transactions;
mod watches;
