//! The C interface of libxenctrl and libxenguest in each Xen release, as data.
//!
//! `data/` holds what C compilers reported for the headers of the last point release of each series
//! from 4.14 to 4.22 on x86-64: prototypes of functions, sizes and offsets of structures, values of
//! constants. `cargo xtask headers` compares it with the headers that Debian packages. It is kept
//! apart from the declarations in Rust, so that the two can be held against each other:
//!
//! ```
//! let size = xen_abi::layout("xc_domaininfo_t", 17).map(|layout| layout.size);
//! assert_eq!(size, Some(112));
//! ```
//!
//! [`Stub`] is a library with the functions of one release that tells a test what arrived.
//!
//! What it does not do: belong to any shipped crate; know of vendors' patches or other processors.

mod compare;
mod constants;
mod functions;
mod layouts;
mod minors;
mod stub;

pub use compare::{function_fault, layout_fault};
pub use constants::{Constant, Value, constant, constants};
pub use functions::{Function, function, functions};
pub use layouts::{Field, Layout, layout, layouts};
pub use minors::{MINORS, Minors};
pub use stub::{Call, Stub};
