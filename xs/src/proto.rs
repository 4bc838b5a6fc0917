//! The protocol without any I/O: bytes in, bytes out.
//!
//! ```text
//!   Request ──▶ Mux ──▶ outgoing bytes          arrived bytes ──▶ Decoder ──▶ Packet
//!                │                                                              │
//!                └── slot per request id  ◀──── replies ── Mux::receive ◀───────┘
//!                    inbox per subscriber ◀──── watch events
//! ```
//!
//! Nothing here blocks, reads a clock or starts a thread: a front-end moves bytes between a
//! [`Mux`] and a socket and decides when to give up. The authority is docs/misc/xenstore.txt and
//! `io/xs_wire.h` of Xen 4.20.

mod code;
mod decoder;
mod features;
mod inbox;
mod mux;
mod op;
mod reply;
mod request;
pub mod ring;

pub use code::ErrorCode;
pub use decoder::{Decoder, Header, Oversized, Packet};
pub use features::Features;
pub use inbox::Event;
pub use mux::{Arrival, InboxId, Mux, RequestId};
pub use op::Op;
pub use reply::{Answer, Malformed, Part, Refusal, Reply};
pub use request::{InvalidRequest, Request, Token, TxId};

/// The longest payload of a packet (`XENSTORE_PAYLOAD_MAX`); more ends the connection.
pub const MAX_PAYLOAD: usize = 4096;
