//! The calls through the C boundary, without Xen: against libraries that record what arrives, with the
//! prototypes and structures measured for each release.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![allow(unsafe_code, reason = "loads libraries from folders")]

mod called_back;
mod opened;
#[path = "../page/mod.rs"]
mod page;

mod build;
mod dump;
mod hardware;
mod policy;
mod restore;
mod resume;
mod save;
