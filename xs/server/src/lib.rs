//! A xenstored to embed: in a test, in a simulation, in an appliance.
//!
//! ```
//! use xs::{Client, Path, Store as _, View as _};
//! use xs_server::{Alone, Core, Quotas, Server};
//!
//! let server = Server::new(Core::new(Box::new(Alone), Quotas::default()))?;
//! let running = server.spawn()?; // on a thread of its own
//! let client = Client::from_stream(running.connect()?)?;
//! let name = Path::from_static("/tool/example/name");
//! client.write(&name, "alpha")?;
//! assert_eq!(client.read(&name)?, b"alpha");
//! running.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It is the whole daemon: transactions that conflict, watches, permissions, quotas, domains that come
//! and go, and the rings over which they speak, as xenstored has them. Any client is served:
//! [`Server::listen`] makes a socket for those of other processes, which take it as
//! `XENSTORED_PATH`. The program of this package does only that, `xs-server --socket PATH`. It is the
//! feature `daemon`, which is on unless a dependant says `default-features = false`: the library needs
//! nothing that is behind it.
//!
//! What it does for you:
//! - [`Core`] is the daemon without I/O, thread or clock: packets in, packets out.
//! - [`Server`] moves the bytes, with one epoll and no thread unless asked for. Its descriptor is
//!   readable when [`Server::turn`] has something to do, so that it fits into any loop.
//! - Domains are what a [`Machine`] says they are. [`Alone`] has none but domain 0, and then every
//!   connection is privileged; with your own one, guests connect over [`RingLink`].
//! - Nobody who is connected can stop it, stall others or use up memory: who does not read is not
//!   listened to, an unprivileged domain has [`Quotas`], and its writes are slowed down while they
//!   would keep others from committing. What attacks on other xenstoreds were is in its tests.
//!
//! What it does not do: keep the store over its own end (there is no live update), reach a hypervisor
//! by itself, log, or tell programs of this host apart: whoever can open its socket is domain 0.
//!
//! # Differences from the C xenstored
//!
//! Replies, errors, events and their order are those of the C xenstored of Xen 4.17, which
//! `tests/differential` asks for them. Where they are not, it is for one of these reasons.
//!
//! What came later is there already:
//! - `GET_FEATURE`, `SET_FEATURE`, `GET_QUOTA` and `SET_QUOTA`, which are ENOSYS in 4.17, the depth of
//!   a watch, where 4.17 has no third argument, and `@releaseDomain/<domid>`.
//!
//! What is an accident of C, and at times its end, is a plain error here:
//! - A `READ`, `DIRECTORY`, `GET_PERMS`, `MKDIR` or `RM` whose payload is not one string is EINVAL, and
//!   so is a `SET_PERMS` of an unknown special path; of one that is not the caller's it is EACCES. The
//!   C xenstored answers with the error of whatever failed last, and ends if nothing has.
//! - A write over the quota of memory is ENOMEM. How much a node or a transaction takes is measured
//!   differently.
//!
//! Lives end where they end:
//! - A domain that is another's target goes when it dies or is released. The C xenstored keeps it, and
//!   says nothing of it, until the other one goes.
//! - If the owner of the root dies, the root is domain 0's. The C xenstored loses the store.
//! - An entry of a permission never means the next domain of its id. To the C xenstored it does if
//!   nothing at all has changed in between.
//! - The reply to `RELEASE` comes after the events of the domain's end. In the C xenstored it comes
//!   before them if the connections happen to be neighbours in its list.
//!
//! What is not the protocol:
//! - A guest may begin anew on its ring ([`Features::RECONNECTION`](xs::Features::RECONNECTION)), as
//!   with oxenstored. A program that has shut down its side of a socket is still answered.
//! - Writes are slowed down guest by guest, without credit that one leaves to another.
//! - `CONTROL` has no log, live update or soft quotas, and its reports have words of their own.
//! - A quota of 0 is none, for all of them. Replies that a guest does not take are limited in bytes,
//!   not in number, and no event is too old to be sent.
//! - A special path is UTF-8.

#![forbid(unsafe_code)]

mod by_conn;
mod core;
mod domain;
mod machine;
mod output;
mod quota;
mod ring;
mod server;
mod store;
mod transaction;
mod watches;

pub use core::{ConnId, Core};
pub use machine::{Alone, Life, Link, Machine, NoRing};
pub use quota::Quotas;
pub use ring::{Bell, Page, RingLink};
pub use server::{Running, Server};
