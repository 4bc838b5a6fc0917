//! The nouns that every layer of a Xen toolstack shares, as types that cannot be mixed up.
//!
//! A domain id is not a port, a KiB is not a page, a guest frame is not a machine frame. Conversions
//! between units name the direction in which they round, because for memory the direction is the
//! whole question: what is free rounds down, what is used rounds up.
//!
//! ```
//! use xen_types::{DomId, MiB, PageCount};
//!
//! let dom = DomId::new(7).expect("7 is below the reserved ids");
//! assert_eq!(dom.to_string(), "7");
//! assert_eq!(MiB(2).to_pages(), PageCount(512));
//! ```
//!
//! What it does not do: talk to Xen, know any policy. It reads no clock but where [`Clock`] and
//! [`Deadline::after`] do.

#![forbid(unsafe_code)]

mod clock;
mod deadline;
mod domain;
mod frame;
mod kind;
mod memory;
mod port;
mod sbdf;
mod shutdown;

pub use clock::{Clock, Time};
pub use deadline::Deadline;
pub use domain::{DomId, DomainUuid, InvalidDomId};
pub use frame::{Gfn, Mfn};
pub use kind::Kind;
pub use memory::{Bytes, KiB, MiB, PageCount};
pub use port::{GrantRef, Port};
pub use sbdf::{InvalidSbdf, Sbdf};
pub use shutdown::ShutdownReason;
