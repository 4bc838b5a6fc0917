//! A client of the store over its ring: one request at a time, and one watch.
//!
//! Messages are those of `public/io/xs_wire.h`, 16 bytes of header and up to 4096 of payload, and
//! arrive in pieces of any length. A watch event may stand before the reply that is waited for: it
//! is remembered as a flag, since all it says is "look again".

use core::fmt;
use core::sync::atomic::{AtomicU8, AtomicU32};

use crate::events::SharedInfo;
use crate::hypercall::{self, Port};
use crate::ring::Ring;

/// `struct xenstore_domain_interface`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct StorePage {
    requests: [AtomicU8; 1024],
    replies: [AtomicU8; 1024],
    requests_read: AtomicU32,
    requests_written: AtomicU32,
    replies_read: AtomicU32,
    replies_written: AtomicU32,
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Error {
    /// The store said no.
    Refused,
    /// The store sent what cannot be a message.
    Broken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Broken => "not the protocol",
        })
    }
}

/// This domain's connection to the store.
#[derive(Debug)]
pub(crate) struct Store<'a> {
    events: &'a SharedInfo,
    port: Port,
    requests: Ring<'a>,
    replies: Ring<'a>,
    last_id: u32,
    watch_fired: bool,
    message: [u8; HEADER + PAYLOAD],
    /// How much of `message` has arrived.
    arrived: usize,
}

/// A whole message has arrived; its payload stands in [`Store::message`] until the next.
#[derive(Debug, Clone, Copy)]
struct Header {
    kind: u32,
    id: u32,
    len: usize,
}

impl<'a> Store<'a> {
    pub(crate) fn new(events: &'a SharedInfo, page: &'a StorePage, port: Port) -> Self {
        Self {
            events,
            port,
            requests: Ring::new(&page.requests, &page.requests_read, &page.requests_written),
            replies: Ring::new(&page.replies, &page.replies_read, &page.replies_written),
            last_id: 0,
            watch_fired: false,
            message: [0; HEADER + PAYLOAD],
            arrived: 0,
        }
    }

    pub(crate) fn port(&self) -> Port {
        self.port
    }

    /// Reads the value of `path`.
    pub(crate) fn read(&mut self, path: &str) -> Result<&[u8], Error> {
        self.request(READ, &[path.as_bytes(), b"\0"])
    }

    /// Writes `value` to `path`.
    pub(crate) fn write(&mut self, path: &str, value: &str) -> Result<(), Error> {
        self.request(WRITE, &[path.as_bytes(), b"\0", value.as_bytes()]).map(|_| ())
    }

    /// Watches `path`. Only one watch: events do not say which.
    pub(crate) fn watch(&mut self, path: &str) -> Result<(), Error> {
        self.request(WATCH, &[path.as_bytes(), b"\0tiny\0"]).map(|_| ())
    }

    /// Whether the watch fired since it was last asked.
    pub(crate) fn take_event(&mut self) -> Result<bool, Error> {
        // Nothing was asked, so a reply is one that nobody waits for.
        while self.next_reply()?.is_some() {}
        Ok(core::mem::take(&mut self.watch_fired))
    }

    fn request(&mut self, kind: u32, payload: &[&[u8]]) -> Result<&[u8], Error> {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        let len = payload.iter().map(|part| part.len()).sum::<usize>() as u32;
        for field in [kind, id, NO_TRANSACTION, len] {
            self.send(&field.to_ne_bytes())?;
        }
        for part in payload {
            self.send(part)?;
        }
        hypercall::notify(self.port);

        loop {
            self.events.clear(self.port);
            match self.next_reply()? {
                Some(reply) if reply.id != id => {}
                Some(reply) => return self.answer(kind, reply),
                None => self.events.wait(&[self.port]),
            }
        }
    }

    fn answer(&self, asked: u32, reply: Header) -> Result<&[u8], Error> {
        let payload = &self.message[HEADER..HEADER + reply.len];
        match reply.kind {
            ERROR => Err(Error::Refused),
            kind if kind == asked => Ok(payload),
            _ => Err(Error::Broken),
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        loop {
            self.events.clear(self.port);
            bytes = &bytes[self.requests.put(bytes)..];
            if bytes.is_empty() {
                return Ok(());
            }
            hypercall::notify(self.port);
            // A store that cannot get rid of its events may not take requests either.
            while self.next_reply()?.is_some() {}
            self.events.wait(&[self.port]);
        }
    }

    /// The next reply that has wholly arrived, past any watch events.
    fn next_reply(&mut self) -> Result<Option<Header>, Error> {
        while let Some(header) = self.receive()? {
            if header.kind != WATCH_EVENT {
                return Ok(Some(header));
            }
            self.watch_fired = true;
        }
        Ok(None)
    }

    fn receive(&mut self) -> Result<Option<Header>, Error> {
        loop {
            let wanted = match self.header() {
                None => HEADER,
                Some(header) if header.len > PAYLOAD => return Err(Error::Broken),
                Some(header) if self.arrived == HEADER + header.len => {
                    self.arrived = 0;
                    return Ok(Some(header));
                }
                Some(header) => HEADER + header.len,
            };
            let count = self.replies.take(&mut self.message[self.arrived..wanted]);
            if count == 0 {
                return Ok(None);
            }
            self.arrived += count;
            // The store may be waiting for room.
            hypercall::notify(self.port);
        }
    }

    fn header(&self) -> Option<Header> {
        if self.arrived < HEADER {
            return None;
        }
        let (words, _) = self.message[..HEADER].as_chunks::<4>();
        let [kind, id, _, len] = *words else { return None };
        Some(Header {
            kind: u32::from_ne_bytes(kind),
            id: u32::from_ne_bytes(id),
            len: u32::from_ne_bytes(len) as usize,
        })
    }
}

const HEADER: usize = 16;
const PAYLOAD: usize = 4096;
const NO_TRANSACTION: u32 = 0;

const READ: u32 = 2;
const WATCH: u32 = 4;
const WRITE: u32 = 11;
const WATCH_EVENT: u32 = 15;
const ERROR: u32 = 16;
