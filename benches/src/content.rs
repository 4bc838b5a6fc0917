//! What lies in the store while it is measured: the same for every contender.

use std::path::Path;

use anyhow::Result;

use crate::hand::HandLoop;

/// The node that is read and written.
pub const NODE: &str = "/bench/node";

/// Its value, as long as most values of a real store.
pub const VALUE: &[u8] = b"/local/domain/0/backend";

/// A node that is watched and never changes.
pub const WATCHED: &str = "/bench/watched";

/// The nodes that one transaction writes.
pub const IN_TRANSACTION: [&str; 10] = [
    "/bench/tx/0",
    "/bench/tx/1",
    "/bench/tx/2",
    "/bench/tx/3",
    "/bench/tx/4",
    "/bench/tx/5",
    "/bench/tx/6",
    "/bench/tx/7",
    "/bench/tx/8",
    "/bench/tx/9",
];

/// The top of the tree that is read as a whole.
pub const TREE: &str = "/bench/tree";

/// How many nodes it has: the top, nine devices, and ten leaves of each.
pub const TREE_NODES: usize = 100;

/// Makes all of it.
///
/// # Errors
/// If the daemon refuses.
pub fn make(socket: &Path) -> Result<()> {
    let mut hand = HandLoop::connect(socket)?;
    for path in [NODE, WATCHED, TREE].into_iter().chain(IN_TRANSACTION) {
        hand.write(0, path, VALUE)?;
    }
    for device in 0..9 {
        hand.write(0, &format!("{TREE}/{device}"), VALUE)?;
        for leaf in 0..10 {
            hand.write(0, &format!("{TREE}/{device}/{leaf}"), VALUE)?;
        }
    }
    Ok(())
}
