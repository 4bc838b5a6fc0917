//! The memory of domains: how much they may have, what they have, and where it is.

mod limits;
mod map;

pub use map::{E820Entry, E820Kind};
