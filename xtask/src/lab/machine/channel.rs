//! The host's end of the command channel.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use lab_tests::protocol::{Decoder, MAX_BODY, Reply, Request, after_greeting};

use super::folder::Folder;

/// What a machine has to say, and what its user types.
#[derive(Debug)]
pub(crate) enum Event {
    Reply(Reply),
    /// Input for the command that runs; empty at its end.
    Input(Vec<u8>),
    /// QEMU's end is closed, or what came from it is not the protocol.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Channel {
    link: Option<Link>,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

#[derive(Debug)]
struct Link {
    stream: UnixStream,
    /// Held so that no second process takes the same port.
    _claim: File,
}

impl Channel {
    pub(super) fn closed() -> Self {
        let (sender, events) = mpsc::channel();
        Self { link: None, events, sender }
    }

    pub(super) fn is_open(&self) -> bool {
        self.link.is_some()
    }

    /// Connects to a free port and asks the agent for a session; [`Reply::Ready`] tells when it is
    /// there. Stays closed while QEMU is not there yet; fails as busy if all ports are taken.
    pub(super) fn open(&mut self, folder: &Folder) -> io::Result<()> {
        let Some((stream, claim)) = folder.connect()? else { return Ok(()) };
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let nonce = fresh_nonce();
        let (reader, events) = (stream.try_clone()?, self.sender.clone());
        thread::spawn(move || read(reader, nonce, &events));
        self.link = Some(Link { stream, _claim: claim });
        self.send(&Request::Hello { nonce })
    }

    pub(super) fn send(&self, request: &Request) -> io::Result<()> {
        let link = self.link.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut frame = Vec::new();
        request.encode(&mut frame);
        if frame.len() > MAX_BODY {
            return Err(io::ErrorKind::ArgumentListTooLong.into());
        }
        (&link.stream).write_all(&frame)
    }

    /// The next event, if one comes before `deadline`.
    pub(super) fn next(&self, deadline: Instant) -> Option<Event> {
        // This end holds a sender, so the only failure is that nothing came in time.
        self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// Where a reader of the user's input puts it.
    pub(super) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Ends the reading thread, which holds a clone; fails only if QEMU was faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn read(mut stream: UnixStream, nonce: u64, events: &Sender<Event>) {
    let mut decoder = Decoder::default();
    let mut before = Some(Vec::new());
    let mut buffer = vec![0; 128 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        match &mut before {
            Some(seen) => {
                seen.extend_from_slice(&buffer[..n]);
                let Some(at) = after_greeting(seen, nonce) else { continue };
                decoder.push(&seen[at..]);
                before = None;
            }
            None => decoder.push(&buffer[..n]),
        }
        loop {
            let reply = match decoder.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => Reply::decode(&frame),
                Err(malformed) => Err(malformed),
            };
            // Without a receiver the machine has been dropped, and the stream with it.
            let Ok(reply) = reply else {
                let _ = events.send(Event::Closed);
                return;
            };
            let _ = events.send(Event::Reply(reply));
        }
    }
    let _ = events.send(Event::Closed);
}

/// Different for each session that may find the rests of another one.
fn fresh_nonce() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    now.as_nanos().to_le_bytes()[..8].iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
        ^ u64::from(std::process::id()).rotate_left(48)
}

/// A channel that takes nothing for so long is one to a dom0 that hangs.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
