//! The command channel between the host and the agent in dom0.
//!
//! The channel is a byte stream (a virtio-serial port) that outlives its users: a host process may
//! die in the middle of a frame, and the next one then finds the rest of an old answer in the
//! stream. So a session begins with a handshake that finds the boundary again:
//!
//! ```text
//! host   Hello { nonce } ───────────▶ agent   forgets the previous session
//! host   ◀── greeting(nonce), Ready { facts } agent
//! host   Exec, Stdin, Put, Ping … ──▶ agent
//! host   ◀──── Output, Exited, Stored, Pong … agent
//! ```
//!
//! The host drops everything up to [`greeting`]; the agent starts afresh when the host's end
//! closes. Nothing here does I/O.

mod frame;
mod message;
#[cfg(test)]
mod tests;

pub use frame::{Decoder, Frame, MAX_BODY, Malformed};
pub use message::{Exec, Outcome, Reply, Request, Stream, TerminalSize};

/// The longest run of bytes that one [`Request::Stdin`], [`Request::PutData`] or
/// [`Reply::Output`] should carry.
pub const CHUNK: usize = 64 * 1024;

/// The names of the virtio-serial ports that carry this protocol begin with this.
pub const PORT_PREFIX: &str = "lab.agent.";

/// The byte that the agent writes to QEMU's `isa-debug-exit` port to power off.
pub const POWER_OFF: u8 = 0x10;

/// What QEMU exits with after [`POWER_OFF`]: the device reports twice the byte plus one.
pub const POWERED_OFF_STATUS: i32 = 2 * POWER_OFF as i32 + 1;

/// The bytes that precede the first reply of the session that `nonce` opened.
pub fn greeting(nonce: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(b"\0labs\xffv1");
    bytes[8..].copy_from_slice(&nonce.to_le_bytes());
    bytes
}

/// Where the first reply of the session that `nonce` opened begins in `stream`, once it is there.
pub fn after_greeting(stream: &[u8], nonce: u64) -> Option<usize> {
    let greeting = greeting(nonce);
    stream.windows(greeting.len()).position(|w| w == greeting).map(|at| at + greeting.len())
}
