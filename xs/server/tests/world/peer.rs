//! The other end of a connection, in bytes. It shares no code with the server.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use xs::proto::Op;

pub(crate) struct Peer<W> {
    pub(crate) wire: W,
    buffer: Vec<u8>,
    /// Packets that nobody has looked at.
    pub(crate) arrived: VecDeque<Packet>,
    /// The other side has hung up.
    pub(crate) ended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) op: Op,
    pub(crate) request: u32,
    pub(crate) tx: u32,
    pub(crate) payload: Vec<u8>,
}

/// Where bytes go in and come out, without waiting.
pub(crate) trait Wire {
    /// How many of the bytes fit.
    fn put(&mut self, bytes: &[u8]) -> usize;

    /// What has come; `None` at the end.
    fn get(&mut self) -> Option<Vec<u8>>;
}

impl Wire for UnixStream {
    fn put(&mut self, bytes: &[u8]) -> usize {
        match self.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            sent => sent.unwrap_or(bytes.len()),
        }
    }

    fn get(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 1 << 16];
        match self.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => buffer.truncate(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => buffer.clear(),
            Err(_) => return None,
        }
        Some(buffer)
    }
}

impl<W: Wire> Peer<W> {
    pub(crate) fn new(wire: W) -> Self {
        Self { wire, buffer: Vec::new(), arrived: VecDeque::new(), ended: false }
    }

    /// Sends bytes that fit.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        assert_eq!(self.wire.put(bytes), bytes.len());
    }

    /// Takes what has come.
    pub(crate) fn take(&mut self) {
        loop {
            match self.wire.get() {
                None => {
                    self.ended = true;
                    break;
                }
                Some(bytes) if bytes.is_empty() => break,
                Some(bytes) => self.buffer.extend(bytes),
            }
        }
        while let Some(header) = self.buffer.first_chunk::<16>() {
            let [op, request, tx, len] =
                [0, 4, 8, 12].map(|at| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap()));
            let end = 16 + usize::try_from(len).unwrap();
            assert!(end <= 16 + 4096, "the store sends a payload of {len} bytes");
            if self.buffer.len() < end {
                break;
            }
            let payload = self.buffer.drain(..end).skip(16).collect();
            self.arrived.push_back(Packet { op: Op(op), request, tx, payload });
        }
    }
}

impl Packet {
    /// The name of the error that this is, or nothing.
    pub(crate) fn error(&self) -> &str {
        match self.op {
            Op::ERROR => std::str::from_utf8(&self.payload).unwrap().trim_end_matches('\0'),
            _ => "",
        }
    }
}

pub(crate) fn packet(op: Op, request: u32, tx: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    let header = [op.0, request, tx, len].map(u32::to_ne_bytes).concat();
    [&header, payload].concat()
}

/// What people can read, `|` for NUL.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "|")
}
