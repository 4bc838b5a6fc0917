//! What the project relies on, each fact written once and run against every implementation.
//!
//! [`hypervisor`] is the suite of Xen itself: `cargo test` runs it on a simulated machine, `cargo
//! xtask lab test` on a real one; `docs/conformance.md` lists it.
//!
//! [`store`] is the suite of the xenstore. `cargo test` runs it on ours, `cargo xtask daemons test`
//! on the real ones as well, `cargo xtask lab test` in dom0 of a real Xen. What differs between the
//! daemons is told in `docs/store-daemons.md`.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "all of this is tests")]
#![allow(missing_docs, reason = "the names are the facts")]

pub mod hypervisor;
pub mod store;
