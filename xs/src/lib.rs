//! XenStore: the wire protocol, a blocking client, and one for tokio.
//!
//! ```
//! use xen_types::DomId;
//! use xs::proto::{Arrival, Mux, Request, TxId};
//! use xs::{Access, Path, Perms};
//!
//! // Paths and permissions are checked values.
//! let guest = DomId::new(7).ok_or("a reserved id")?;
//! let name = Path::domain(guest).join("name");
//! assert_eq!(Perms::private(DomId::DOM0).allow(guest, Access::Read).to_string(), "n0,r7");
//!
//! // The protocol needs no daemon and no socket: bytes go out, bytes come in.
//! let mut mux = Mux::new();
//! let id = mux.send(&Request::Read(&name), TxId::NONE)?;
//! assert!(mux.outgoing().ends_with(b"/local/domain/7/name\0"));
//! mux.receive(&[[2, id.0, 0, 5].map(u32::to_ne_bytes).concat(), b"alpha".to_vec()].concat());
//! assert_eq!(mux.poll()?, Some(Arrival::Answer(id)));
//! assert_eq!(mux.take_answer(id).ok_or("no answer")??.into_value(), b"alpha");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With a daemon there is [`Client`]:
//!
//! ```
//! # #[cfg(not(feature = "client"))]
//! # fn main() {}
//! # #[cfg(feature = "client")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let core = xs_server::Core::new(Box::new(xs_server::Alone), Default::default());
//! # let daemon = xs_server::Server::new(core)?.spawn()?;
//! use std::time::Duration;
//! use xs::{Client, Deadline, Path, Store, ask, becomes};
//!
//! # let client = Client::from_stream(daemon.connect()?)?;
//! // let client = Client::open()?; finds the daemon of this host.
//! let client = client.with_deadline(Deadline::after(Duration::from_secs(20)));
//! let tool = Path::from_static("/tool/example");
//! let (state, ready) = (tool.join("state"), tool.join("ready"));
//! client.transaction(|tx| {
//!     let both = tx.batch([ask::write(&state, "1"), ask::write(&ready, "")]); // in one flight
//!     both.into_iter().collect::<xs::Result<()>>()
//! })?;
//! client.wait(&becomes(state, "1"), Deadline::after(Duration::from_secs(5)))?;
//! # Ok(())
//! # }
//! ```
//!
//! What it does for you: replies are matched by request id, so any number of threads share one
//! connection; every request ends by a deadline, also when the daemon is stopped; transactions are
//! retried, bounded; watches and transactions end with their guards; events are never lost; many
//! questions can be put in one flight; directories may have any length.
//!
//! What it does not do: know what any node means, run a thread, keep a connection across a `fork` or
//! a restart of the daemon.
//!
//! The feature `tokio` adds the module `xs::tokio`: a client with the same verbs as futures, each of
//! which may be dropped at any time. Without the feature `client` only [`Path`], [`Perms`] and
//! [`proto`] remain.

#![forbid(unsafe_code)]

#[cfg(feature = "client")]
pub mod ask;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod condition;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod flow;
#[cfg(feature = "client")]
mod hub;
mod path;
mod perms;
pub mod proto;
#[cfg(feature = "client")]
pub mod ring;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "client")]
mod transport;

#[cfg(feature = "client")]
pub use client::{Client, Look, Store, Transaction, View, Watch};
#[cfg(feature = "client")]
pub use condition::{Condition, Met, all_of, any_of, appears, becomes, holds, vanishes};
#[cfg(feature = "client")]
pub use error::{Error, Result};
pub use path::{InvalidPath, Name, Path, PathKind, Segment};
pub use perms::{Access, Grantee, InvalidPerms, Perms};
pub use proto::{ErrorCode, Event, Features};
pub use xen_types::{Clock, Deadline, Kind};
