//! A simulated Xen host, for tests without Xen.
//!
//! It stands below the seams of [`xc`] and [`eventchn`]: each call of libxenctrl and each request to the
//! event-channel device has the effect that it has on a real machine, and nothing else is replaced.
//! What is above the seams runs as it ships.
//!
//! ```
//! use xc::{CreateConfig, GuestKind, Release};
//! use xen_sim::{Hardware, Machine};
//! use xen_types::{Bytes, DomainUuid, PageCount};
//!
//! let machine = Machine::start(&Hardware::new(Release::new(4, 17)));
//! let xc = machine.process().xc();
//! let uuid = DomainUuid::from_bytes([7; 16]);
//! let dom = xc.create_domain(&CreateConfig::new(GuestKind::Pv, uuid, 1))?;
//! xc.set_max_mem(dom, Bytes(4097))?;
//! assert_eq!(xc.info(dom)?.max_pages, PageCount(2));
//! # Ok::<(), xc::Error>(())
//! ```
//!
//! What it does for you: domains with the life that the hypervisor gives them, memory accounted for
//! page by page, event channels, and [faults](How) at any call of a [`Process`], its death included.
//!
//! What it does not do: run guests' code, schedule, or know any call that is not in
//! `docs/conformance.md`; those fail as a function does that a library lacks. What it does is proved by
//! the facts of `tests/conformance`, which run on real Xen too: a behaviour without a fact is not to be
//! relied upon.

mod calls;
mod evtchn;
mod faults;
mod machine;
mod process;
mod xen;

pub use faults::{How, Which};
pub use machine::{Hardware, Machine};
pub use process::{Mapping, Process};
