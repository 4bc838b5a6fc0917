//! What the xenstore client, the store and the building of guests cost.
//!
//! The client is measured on the real C xenstored against its peers: a loop written by hand, which is
//! the floor, and Xen's own libxenstore. The store is measured against the two real daemons, all three
//! with the same client: see [`server`]. Building, and attaching devices, is measured in dom0 of a lab:
//! see [`building`] and [`plugging`].
//!
//! ```text
//!   cases (who does what, and what is aimed at)
//!     ├─ ours, on_tokio, hand, libxenstore: one connection each, all check what they get
//!     ├─ measure: interleaved rounds, ratios of each round ──▶ table    (`cargo xtask bench xs`)
//!     └─ the same jobs as criterion groups                              (`cargo bench -p benches`)
//!   syscalls: counted by strace from outside ──▶ table
//! ```

#![deny(unsafe_code)]

pub mod building;
pub mod cases;
pub mod content;
pub mod hand;
pub mod host;
pub mod libxenstore;
pub mod measure;
pub mod on_tokio;
pub mod ours;
pub mod plugging;
pub mod server;
pub mod syscalls;
pub mod table;
pub mod wire;
