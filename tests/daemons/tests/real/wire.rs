//! The protocol spoken by hand, so that nothing of the project stands between test and daemon.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use store_daemons::Ring;

/// A message: its type and its payload.
pub(crate) type Message = (u32, Vec<u8>);

/// dom0's connection.
pub(crate) struct Connection {
    stream: UnixStream,
    events: VecDeque<Vec<u8>>,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, events: VecDeque::new() }
    }

    /// Sends a request and returns its reply; events on the way are kept.
    pub(crate) fn request(&mut self, kind: u32, payload: &[u8]) -> Message {
        self.stream.write_all(&packet(kind, payload)).unwrap();
        loop {
            match self.receive() {
                (WATCH_EVENT, event) => self.events.push_back(event),
                reply => return reply,
            }
        }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Vec<u8> {
        self.events.pop_front().unwrap_or_else(|| {
            let (kind, payload) = self.receive();
            assert_eq!(kind, WATCH_EVENT);
            payload
        })
    }

    fn receive(&mut self) -> Message {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header).unwrap();
        let mut payload = vec![0; length(&header)];
        self.stream.read_exact(&mut payload).unwrap();
        (number(&header, 0), payload)
    }
}

/// A guest's connection: requests at 0, replies at 1024, indices from 2048 on (`io/xs_wire.h`).
pub(crate) struct Guest(pub(crate) Ring);

impl Guest {
    pub(crate) fn request(&mut self, kind: u32, payload: &[u8]) -> Message {
        self.send(kind, payload);
        self.receive()
    }

    pub(crate) fn send(&mut self, kind: u32, payload: &[u8]) {
        let packet = packet(kind, payload);
        let produced = self.0.load(REQUESTS_PRODUCED).unwrap();
        for (byte, at) in packet.iter().zip(produced..) {
            self.0.write(at as usize % 1024, &[*byte]).unwrap();
        }
        self.0.store(REQUESTS_PRODUCED, produced + packet.len() as u32).unwrap();
        self.0.notify().unwrap();
    }

    pub(crate) fn receive(&mut self) -> Message {
        let header = self.take(16);
        (number(&header, 0), self.take(length(&header)))
    }

    /// The next `count` bytes of replies.
    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let consumed = self.0.load(REPLIES_CONSUMED).unwrap();
            if self.0.load(REPLIES_PRODUCED).unwrap() == consumed {
                if !taken.is_empty() {
                    // There is room again: the daemon may be waiting for it.
                    self.0.notify().unwrap();
                }
                assert!(self.is_notified(PATIENCE), "no notification from the daemon");
                self.0.acknowledge().unwrap();
                continue;
            }
            let mut byte = [0];
            self.0.read(1024 + consumed as usize % 1024, &mut byte).unwrap();
            self.0.store(REPLIES_CONSUMED, consumed.wrapping_add(1)).unwrap();
            taken.extend(byte);
        }
        taken
    }

    pub(crate) fn is_notified(&self, patience: Duration) -> bool {
        let patience = Timespec::try_from(patience).unwrap();
        poll(&mut [PollFd::new(&self.0.as_fd(), PollFlags::IN)], Some(&patience)).unwrap() == 1
    }
}

fn packet(kind: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = [kind, 0, 0, payload.len() as u32].map(u32::to_ne_bytes).concat();
    packet.extend(payload);
    packet
}

fn length(header: &[u8]) -> usize {
    number(header, 12) as usize
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const REQUESTS_PRODUCED: usize = 2052;
const REPLIES_CONSUMED: usize = 2056;
const REPLIES_PRODUCED: usize = 2060;

pub(crate) const CONTROL: u32 = 0;
pub(crate) const READ: u32 = 2;
pub(crate) const WATCH: u32 = 4;
pub(crate) const INTRODUCE: u32 = 8;
pub(crate) const GET_DOMAIN_PATH: u32 = 10;
pub(crate) const WRITE: u32 = 11;
pub(crate) const SET_PERMS: u32 = 14;
pub(crate) const WATCH_EVENT: u32 = 15;
pub(crate) const ERROR: u32 = 16;
pub(crate) const IS_DOMAIN_INTRODUCED: u32 = 17;
