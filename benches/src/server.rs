//! What the store costs, measured against the two real daemons with the same client.
//!
//! ```text
//!   stores: three processes, the same content, permissions and watches; some with a load
//!     └─ races: one thread, a crowd of connections, threads on a shared one; with a load or without
//!          └─ measure: interleaved rounds ──▶ results ──▶ table, plot  (`cargo xtask bench xs-server`)
//! ```

pub mod crowd;
pub mod load;
pub mod plot;
pub mod races;
pub mod results;
pub mod stores;
