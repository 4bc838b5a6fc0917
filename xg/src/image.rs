//! Image files: inspecting any, and files of ours that cannot be damaged unseen.
//!
//! ```
//! use std::io::Cursor;
//! use xg::image::{Envelope, Seal};
//!
//! let stream = b"what libxc writes";
//! let head = Envelope::new(b"name = \"web\"").sealed(Seal::of(stream)).encode();
//! let mut file = [&head[..], b"name = \"web\"", stream].concat();
//! file[70] ^= 1;
//! let error = xg::image::verify("web.img", &mut Cursor::new(&file)).unwrap_err();
//! let cause = std::error::Error::source(&error).map(ToString::to_string);
//! assert_eq!(cause.as_deref(), Some("damaged: the checksum of its description differs"));
//! ```
//!
//! No domain is touched by any of it. What [`verify`] takes is, to the last bit, what was saved; of
//! another image, [`inspect`] sees [what its stream tells](crate::stream#what-is-checked).

mod checksum;
mod envelope;
mod read;

pub use checksum::{Checksum, Seal};
pub use envelope::{Envelope, EnvelopeError};
pub use read::{Image, InspectError, inspect, inspect_each, verify};
