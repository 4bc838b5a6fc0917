//! The calls through the C boundary, per release, without Xen: against libraries that record what
//! arrives, with the prototypes and structures measured for that release.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![allow(unsafe_code, reason = "loads libraries from folders")]

mod opened;

mod create;
mod device;
mod domain;
mod event;
mod flask;
mod host;
mod host_console;
mod host_topology;
mod hvm;
mod memory;
mod opening;
mod scheduler;
mod threads;
mod time;
mod vcpu;
