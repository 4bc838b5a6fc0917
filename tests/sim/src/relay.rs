//! What stands between a process and the store: each request passes the plan of what goes wrong.
//!
//! ```text
//!   xs::Client ──request──▶ verdict ──▶ xenstored
//!        ▲                     │            │
//!        └──── error, end ─────┘            │
//!        └──────────── replies, events ─────┘
//! ```

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use xs::proto::{Header, Op, Packet};

use crate::faults::How;
use crate::process::{Killed, Process};
use crate::time::Hold;

/// Puts a relay before the store; the end for a client, which closes it, and the relay's, to shut
/// down.
pub(crate) fn before(
    store: UnixStream,
    process: &Arc<Process>,
) -> io::Result<(UnixStream, UnixStream)> {
    let (near, client) = UnixStream::pair()?;
    let end = client.try_clone()?;
    let watches = Watches { process: Arc::clone(process), connection: process.connection() };
    let replies = Replies {
        client: client.try_clone()?,
        hidden: BTreeMap::new(),
        under_way: Vec::new(),
        asked: BTreeMap::new(),
        watches,
    };
    let replies = Arc::new(Mutex::new(replies));
    let mut from_store = store.try_clone()?;
    let to_client = Arc::clone(&replies);
    let machine = process.machine().clone();
    // Each ends with its stream, at either end.
    // Until they are known to the clock.
    let [hold, other_hold] = [(); 2].map(|()| machine.hold_clock());
    thread::spawn(move || {
        machine.join_clock();
        drop(hold);
        while let Ok(packet) = receive(&mut from_store)
            && lock(&to_client).pass(&packet).is_ok()
        {
            machine.note();
        }
        lock(&to_client).end();
    });
    let relay = Relay { process: Arc::clone(process), client, store, replies };
    thread::spawn(move || {
        relay.process.machine().join_clock();
        drop(other_hold);
        relay.serve();
    });
    Ok((near, end))
}

struct Relay {
    process: Arc<Process>,
    client: UnixStream,
    store: UnixStream,
    replies: Arc<Mutex<Replies>>,
}

/// The way to the client, which both threads use.
struct Replies {
    client: UnixStream,
    /// Requests whose answers the client is not to hear, and who is told that they came.
    hidden: BTreeMap<u32, mpsc::Sender<()>>,
    /// For each request without an answer, so that nobody's time for it is up meanwhile.
    under_way: Vec<Hold>,
    /// Requests for a watch that the store has not answered.
    asked: BTreeMap<u32, Vec<u8>>,
    watches: Watches,
}

/// The watches of one connection, each by its path and token.
struct Watches {
    process: Arc<Process>,
    connection: u64,
}

impl Relay {
    fn serve(mut self) {
        while let Ok(request) = receive(&mut self.client)
            && self.forward(request).is_ok()
        {}
        for stream in [&self.client, &self.store] {
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }

    fn forward(&mut self, request: Packet) -> io::Result<()> {
        lock(&self.replies).under_way.push(self.process.machine().hold_clock());
        let verdict = self.process.verdict(&request.header.op.to_string());
        let ends = request.header.op == Op::TRANSACTION_END;
        match verdict.map_err(|Killed| io::ErrorKind::ConnectionReset)? {
            None => {
                lock(&self.replies).note(&request);
                send(&mut self.store, &request)
            }
            Some(How::Unheard) => {
                self.do_unheard(&request)?;
                lock(&self.replies).refuse(&request, "EIO")
            }
            Some(How::Conflict) if ends => {
                // A transaction that another change came before is over, and nothing of it is done.
                self.do_unheard(&Packet { payload: b"F\0".to_vec(), ..request.clone() })?;
                lock(&self.replies).refuse(&request, "EAGAIN")
            }
            Some(How::Undone | How::Conflict) => lock(&self.replies).refuse(&request, "EIO"),
            Some(How::DeathBefore) => self.die(),
            Some(How::DeathAfter) => {
                self.do_unheard(&request)?;
                self.die()
            }
        }
    }

    /// Has the store do something, and returns when it has answered.
    fn do_unheard(&mut self, request: &Packet) -> io::Result<()> {
        let (answered, answer) = mpsc::channel();
        let mut replies = lock(&self.replies);
        // Of a watch that it was not told of the client knows nothing to end.
        if request.header.op == Op::UNWATCH {
            replies.note(request);
        }
        replies.hidden.insert(request.header.request, answered);
        drop(replies);
        send(&mut self.store, request)?;
        answer.recv().map_err(|_| io::ErrorKind::ConnectionReset.into())
    }

    fn die(&self) -> io::Result<()> {
        self.process.kill();
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl Replies {
    fn pass(&mut self, packet: &Packet) -> io::Result<()> {
        let is_event = packet.header.op == Op::WATCH_EVENT;
        let _until_sent = if is_event { None } else { self.under_way.pop() };
        if !is_event
            && let Some(watch) = self.asked.remove(&packet.header.request)
            && packet.header.op == Op::WATCH
        {
            self.watches.process.gain_watch(self.watches.connection, watch);
        }
        let hidden = if is_event { None } else { self.hidden.remove(&packet.header.request) };
        if let Some(answered) = hidden {
            answered.send(()).unwrap_or_default();
            return Ok(());
        }
        send(&mut self.client, packet)
    }

    /// Notes a request that begins or ends a watch.
    fn note(&mut self, request: &Packet) {
        if request.header.op == Op::WATCH {
            self.asked.insert(request.header.request, request.payload.clone());
        }
        if request.header.op == Op::UNWATCH {
            self.watches.process.lose_watch(self.watches.connection, &request.payload);
        }
    }

    fn refuse(&mut self, request: &Packet, error: &str) -> io::Result<()> {
        let _until_sent = self.under_way.pop();
        let payload = [error.as_bytes(), b"\0"].concat();
        let len = u32::try_from(payload.len()).expect("a few bytes");
        let header = Header { op: Op::ERROR, len, ..request.header };
        send(&mut self.client, &Packet { header, payload })
    }

    fn end(&mut self) {
        self.hidden.clear();
        self.under_way.clear();
        self.watches.process.lose_connection(self.watches.connection);
        self.client.shutdown(Shutdown::Both).unwrap_or_default();
    }
}

fn lock(replies: &Mutex<Replies>) -> MutexGuard<'_, Replies> {
    replies.lock().unwrap_or_else(PoisonError::into_inner)
}

fn receive(stream: &mut UnixStream) -> io::Result<Packet> {
    let mut header = [0; Header::LEN];
    stream.read_exact(&mut header)?;
    let header = Header::from_bytes(header);
    let mut payload = vec![0; usize::try_from(header.len).map_err(|_| io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut payload)?;
    Ok(Packet { header, payload })
}

fn send(stream: &mut UnixStream, packet: &Packet) -> io::Result<()> {
    stream.write_all(&[&packet.header.to_bytes(), &packet.payload[..]].concat())
}
