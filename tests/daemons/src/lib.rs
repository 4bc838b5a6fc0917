//! The store daemons that people run, started on plain Linux for a test to talk to.
//!
//! Debian's `xenstored` (in C) and `oxenstored` (in OCaml) of Xen 4.17 run unchanged, without Xen and
//! as any user: the library `fakexen` is preloaded into them and answers from files what they ask of
//! the hypervisor. A test is thus dom0, over the socket, and also any unprivileged guest, over the
//! guest's ring:
//!
//! ```no_run
//! use store_daemons::{Daemon, DomId, Kind};
//!
//! # fn main() -> std::io::Result<()> {
//! let daemon = Daemon::start(Kind::C)?;
//! let guest = daemon.add_domain(DomId::new(7).expect("a valid id"))?;
//! // Over the socket daemon.socket(), send INTRODUCE with guest.introduction(); then be the guest:
//! let ring = guest.ring()?;
//! ring.notify()?;
//! # Ok(())
//! # }
//! ```
//!
//! `cargo xtask daemons test` fetches the daemons and runs the tests with `STORE_DAEMONS` set to
//! where they lie; `cargo xtask daemons` prints that for a shell.
//!
//! What it does not do: speak the protocol (but for one request, to see that a daemon is up), check
//! who may use a grant, or be fast: a notification is a write to a FIFO.

#![forbid(unsafe_code)]

mod daemon;
mod domain;
mod machine;
mod probe;
mod ring;
mod setup;

pub use daemon::Daemon;
pub use domain::Domain;
pub use ring::Ring;
pub use rustix::process::Signal;
pub use setup::{Kind, Setup};
pub use xen_types::{DomId, Gfn, Port, ShutdownReason};
