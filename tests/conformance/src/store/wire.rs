//! The protocol by hand, so that nothing of the project stands between fact and daemon.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connection of packets.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    /// Those that came while a reply was awaited.
    events: VecDeque<Vec<u8>>,
}

/// A packet: its type, request, transaction and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) op: u32,
    pub(super) request: u32,
    pub(super) tx: u32,
    pub(super) payload: Vec<u8>,
}

impl Wire {
    pub(super) fn connect(socket: &Path) -> Self {
        Self::over(UnixStream::connect(socket).unwrap())
    }

    pub(super) fn over(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, events: VecDeque::new() }
    }

    /// Asks outside of transactions; the payload of the reply, or the name of the error.
    pub(super) fn ask(&mut self, op: u32, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.ask_in(0, op, payload)
    }

    /// Asks in a transaction.
    pub(super) fn ask_in(&mut self, tx: u32, op: u32, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.send(op, 1, tx, payload);
        let reply = self.reply();
        if reply.op == ERROR {
            return Err(name(&reply.payload));
        }
        assert_eq!((reply.op, reply.request, reply.tx), (op, 1, tx));
        Ok(reply.payload)
    }

    /// The error of a request that must fail.
    pub(super) fn refusal(&mut self, op: u32, payload: &[u8]) -> String {
        self.ask(op, payload).unwrap_err()
    }

    /// Starts a transaction.
    pub(super) fn start(&mut self) -> u32 {
        let id = self.ask(START, b"\0").unwrap();
        String::from_utf8(id).unwrap().trim_end_matches('\0').parse().unwrap()
    }

    pub(super) fn send(&mut self, op: u32, request: u32, tx: u32, payload: &[u8]) {
        self.send_raw(&packet(op, request, tx, payload)).unwrap();
    }

    pub(super) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next event.
    pub(super) fn event(&mut self) -> String {
        let payload = self.events.pop_front().unwrap_or_else(|| {
            let packet = self.receive();
            assert_eq!(packet.op, EVENT, "{packet:?}");
            packet.payload
        });
        String::from_utf8(payload).unwrap()
    }

    /// The events that were sent before now.
    pub(super) fn events(&mut self) -> Vec<String> {
        self.ask(DOMAIN_PATH, b"0\0").unwrap();
        let text = |event| String::from_utf8(event).unwrap();
        self.events.drain(..).map(text).collect()
    }

    /// The next packet that is no event.
    pub(super) fn reply(&mut self) -> Packet {
        loop {
            match self.receive() {
                Packet { op: EVENT, payload, .. } => self.events.push_back(payload),
                reply => return reply,
            }
        }
    }

    pub(super) fn receive(&mut self) -> Packet {
        self.try_receive().unwrap()
    }

    /// The next packet, if it comes soon.
    pub(super) fn try_receive_within(&mut self, patience: Duration) -> Option<Packet> {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let packet = self.try_receive();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        packet.ok()
    }

    /// The next packet, or why there is none.
    pub(super) fn try_receive(&mut self) -> io::Result<Packet> {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header)?;
        let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
        let mut payload = vec![0; word(12) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok(Packet { op: word(0), request: word(4), tx: word(8), payload })
    }
}

pub(super) fn packet(op: u32, request: u32, tx: u32, payload: &[u8]) -> Vec<u8> {
    let header = [op, request, tx, payload.len() as u32].map(u32::to_ne_bytes).concat();
    [&header, payload].concat()
}

fn name(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload.strip_suffix(b"\0").unwrap_or(payload)).into_owned()
}

const PATIENCE: Duration = Duration::from_secs(20);

// The numbers of the header's `enum xsd_sockmsg_type` (io/xs_wire.h).
pub(super) const CONTROL: u32 = 0;
pub(super) const DIRECTORY: u32 = 1;
pub(super) const READ: u32 = 2;
pub(super) const GET_PERMS: u32 = 3;
pub(super) const WATCH: u32 = 4;
pub(super) const UNWATCH: u32 = 5;
pub(super) const START: u32 = 6;
pub(super) const END: u32 = 7;
pub(super) const INTRODUCE: u32 = 8;
pub(super) const RELEASE: u32 = 9;
pub(super) const DOMAIN_PATH: u32 = 10;
pub(super) const WRITE: u32 = 11;
pub(super) const MKDIR: u32 = 12;
pub(super) const RM: u32 = 13;
pub(super) const SET_PERMS: u32 = 14;
pub(super) const EVENT: u32 = 15;
pub(super) const ERROR: u32 = 16;
pub(super) const RESTRICT: u32 = 20;
pub(super) const RESET_WATCHES: u32 = 21;
pub(super) const DIRECTORY_PART: u32 = 22;
