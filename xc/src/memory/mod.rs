//! The memory of domains: how much they may have, what they have, and where it is.

mod extent;
mod limits;
mod map;
mod physmap;
mod pod;
mod reservation;
mod vnuma;

pub use extent::{Frames, NodeChoice, PageOrder, Placement};
pub use map::{E820Entry, E820Kind, ReservedMemory};
pub use physmap::{PhysmapBatch, PhysmapPage};
pub use pod::PodState;
pub use reservation::{Increased, Populated};
pub use vnuma::{VirtualNuma, VirtualRange};
