//! Memory shared with other domains, through Linux's devices: interfaces of the kernel that do not
//! change with the release of Xen, so no library is needed.
//!
//! All that is mapped is a [`Mapping`], and the devices make nothing else: whoever has one can do no
//! harm to the memory of the process.

mod gntalloc;
mod gntdev;
mod mapping;
mod privcmd;
mod request;

pub use gntalloc::*;
pub use gntdev::*;
pub use mapping::{AccessError, Mapping};
pub use privcmd::*;
