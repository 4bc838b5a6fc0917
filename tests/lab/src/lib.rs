//! What runs inside dom0 of a real Xen.
//!
//! Three things share this package because they travel into dom0 together: the lab tests
//! (`tests/*.rs`), the agent that starts them there (`src/bin/lab-agent`), and the [`protocol`]
//! that the agent speaks with `cargo xtask lab` on the host.

pub mod protocol;
