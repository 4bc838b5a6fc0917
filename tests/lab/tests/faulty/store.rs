//! xenstored behind a gate: a thread between the client and the daemon.
//!
//! A creation watches nothing, so that every packet of the daemon is the reply to the request
//! before it, and the thread moves one packet at a time.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use xs::Client;
use xs::proto::{Header, Op, Packet};

use super::{Gate, How};

/// A connection to xenstored whose requests pass a gate.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    gate: Arc<Gate>,
    then: Then,
    client: UnixStream,
    daemon: UnixStream,
}

/// What a request that fails meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The answer that there was an error (`EIO`).
    Error,
    /// The end of the connection.
    Loss,
}

impl FaultyStore {
    /// Connects to the daemon.
    pub(crate) fn open(gate: &Arc<Gate>, then: Then) -> Client {
        let (near, client) = UnixStream::pair().expect("make a pair of sockets");
        let daemon = UnixStream::connect(SOCKET).expect("connect to xenstored");
        let between = Self { gate: Arc::clone(gate), then, client, daemon };
        // Ends with the connection, at either end.
        thread::spawn(move || between.serve());
        Client::from_stream(near).expect("a stream")
    }

    fn serve(mut self) -> io::Result<()> {
        loop {
            let request = receive(&mut self.client)?;
            let failure = match self.then {
                Then::Error => Some(refusal(&request)),
                Then::Loss => None,
            };
            let name = request.header.op.to_string();
            let reply = match self.gate.verdict(&name) {
                None => Some(self.ask(&request)?),
                Some(How::Undone) => failure,
                Some(How::Unheard) => self.ask(&request).map(|_| failure)?,
            };
            match reply {
                Some(reply) => send(&mut self.client, &reply)?,
                None => return Ok(()),
            }
        }
    }

    fn ask(&mut self, request: &Packet) -> io::Result<Packet> {
        send(&mut self.daemon, request)?;
        receive(&mut self.daemon)
    }
}

fn refusal(request: &Packet) -> Packet {
    let payload = b"EIO\0".to_vec();
    let len = u32::try_from(payload.len()).expect("four bytes");
    Packet { header: Header { op: Op::ERROR, len, ..request.header }, payload }
}

fn receive(stream: &mut UnixStream) -> io::Result<Packet> {
    let mut header = [0; Header::LEN];
    stream.read_exact(&mut header)?;
    let header = Header::from_bytes(header);
    let mut payload = vec![0; usize::try_from(header.len).expect("32 bits fit")];
    stream.read_exact(&mut payload)?;
    Ok(Packet { header, payload })
}

fn send(stream: &mut UnixStream, packet: &Packet) -> io::Result<()> {
    stream.write_all(&[&packet.header.to_bytes(), &packet.payload[..]].concat())
}

const SOCKET: &str = "/run/xenstored/socket";
