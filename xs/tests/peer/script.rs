//! A daemon that says what a test tells it to, byte by byte. It shares no code with the crate.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use xs::Client;

pub(crate) const DIRECTORY: u32 = 1;
pub(crate) const READ: u32 = 2;
pub(crate) const WATCH: u32 = 4;
pub(crate) const UNWATCH: u32 = 5;
pub(crate) const START: u32 = 6;
pub(crate) const END: u32 = 7;
pub(crate) const GET_DOMAIN_PATH: u32 = 10;
pub(crate) const WRITE: u32 = 11;
pub(crate) const EVENT: u32 = 15;
pub(crate) const ERROR: u32 = 16;
pub(crate) const RESET_WATCHES: u32 = 21;
pub(crate) const DIRECTORY_PART: u32 = 22;
pub(crate) const GET_FEATURE: u32 = 23;

pub(crate) struct Peer(pub(crate) UnixStream);

#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) op: u32,
    pub(crate) id: u32,
    pub(crate) tx: u32,
    pub(crate) payload: Vec<u8>,
}

/// Runs `act` with a client whose daemon follows `script`. If either side panics the other finds
/// its connection closed, so nothing hangs.
pub(crate) fn against<T>(
    script: impl FnOnce(&mut Peer) + Send,
    act: impl FnOnce(Client) -> T,
) -> T {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || script(&mut Peer(theirs)));
        act(Client::from_stream(ours).unwrap())
    })
}

impl Peer {
    /// The next request, whatever it is; `None` when the client has hung up.
    pub(crate) fn next(&mut self) -> Option<Packet> {
        let mut header = [0; 16];
        self.0.read_exact(&mut header).ok()?;
        let (words, _) = header.as_chunks();
        let [op, id, tx, len] = [0, 1, 2, 3].map(|n: usize| u32::from_ne_bytes(words[n]));
        let mut payload = vec![0; len as usize];
        self.0.read_exact(&mut payload).unwrap();
        Some(Packet { op, id, tx, payload })
    }

    /// The next request, of which there must be one.
    pub(crate) fn request(&mut self) -> Packet {
        self.next().expect("the client has hung up")
    }

    /// The next request, which must be this one. Returns its id.
    pub(crate) fn expect(&mut self, op: u32, tx: u32, payload: &[u8]) -> u32 {
        let request = self.request();
        let text = payload.escape_ascii().to_string();
        let got = (request.op, request.tx, request.payload.escape_ascii().to_string());
        assert_eq!(got, (op, tx, text));
        request.id
    }

    /// Expects a request and answers it.
    pub(crate) fn answer(&mut self, op: u32, tx: u32, payload: &[u8], reply: &[u8]) {
        let id = self.expect(op, tx, payload);
        self.send(op, id, tx, reply);
    }

    pub(crate) fn send(&mut self, op: u32, id: u32, tx: u32, payload: &[u8]) {
        self.bytes(&packet(op, id, tx, payload));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Says "x" to whatever is asked, and each time that what the first watch is on has changed,
    /// until the client hangs up.
    pub(crate) fn change_without_end(&mut self, path: &str) {
        let event = packet(EVENT, 0, 0, format!("{path}\0xs1\0").as_bytes());
        while let Some(request) = self.next() {
            let reply = packet(request.op, request.id, request.tx, b"x");
            // The client may have hung up meanwhile.
            let _ = self.0.write_all(&[&reply[..], &event].concat());
        }
    }

    /// Waits until the client has closed its end; anything it still says fails the test.
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0);
    }

    /// Dies.
    pub(crate) fn close(&mut self) {
        self.0.shutdown(Shutdown::Both).unwrap();
    }
}

pub(crate) fn packet(op: u32, id: u32, tx: u32, payload: &[u8]) -> Vec<u8> {
    let header = [op, id, tx, u32::try_from(payload.len()).unwrap()];
    [header.map(u32::to_ne_bytes).concat(), payload.to_vec()].concat()
}
