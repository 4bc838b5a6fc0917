//! The client against a daemon that misbehaves on purpose.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod script;

mod clock;
mod connect;
mod connection;
mod flights;
mod log;
mod pollable;
mod transactions;
mod until;
mod watches;
