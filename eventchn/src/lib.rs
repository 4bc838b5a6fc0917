//! Xen event channels, spoken to Linux's `/dev/xen/evtchn` directly: no library is needed.
//!
//! An event is one bit: "look again". A port that has an event is masked until that is consumed;
//! notifications meanwhile, however many, make one more event then. None is lost:
//!
//! ```text
//!            notification              read by this process        wait returns
//!   quiet ----------------> pending ------------------------> kept ------------> quiet
//!                           (masked)                                  unmasked
//! ```
//!
//! [`Bound::wait`] unmasks *before* it returns, so whoever then looks at the shared memory sees
//! what the event was about, and a later change makes another event.
//!
//! ```
//! use std::time::Duration;
//! use eventchn::{EventChannels, Kind};
//! use xen_types::{Deadline, DomId, Port};
//!
//! fn ring_once() -> eventchn::Result<()> {
//!     let channels = EventChannels::open()?;
//!     let bell = channels.bind_interdomain(DomId::DOM0, Port(9))?;
//!     bell.notify()?;
//!     bell.wait(Deadline::after(Duration::from_secs(1)))
//! }
//!
//! match ring_once() {
//!     Err(e) if e.kind() == Kind::Unavailable => println!("no Xen here: {e}"),
//!     other => println!("{other:?}"),
//! }
//! ```
//!
//! The feature `tokio` adds the module `eventchn::tokio`: the same waits as futures.
//!
//! What it does not do: allocate ports in other domains (`xc::Xc::alloc_unbound_port`), know what an
//! event means.

mod backend;
mod channels;
mod error;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use backend::{Backend, Device};
pub use channels::{Bound, EventChannels, Virq};
pub use error::{Error, Result};
pub use xen_types::Kind;
