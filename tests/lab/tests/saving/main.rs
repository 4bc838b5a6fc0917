//! Saving guests and restoring them on the real Xen: Linux guests that count aloud and say the
//! checksum of what they keep, so that one can see that they go on and that their memory is whole.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

#[path = "../answered/mod.rs"]
mod answered;
mod counting;
#[path = "../dom0/mod.rs"]
mod dom0;
mod support;

mod commands;
mod save_damaged;
mod save_failed;
mod save_restore;
