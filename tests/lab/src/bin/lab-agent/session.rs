//! One port's sessions: requests in, replies out.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lab_tests::protocol::{Decoder, Outcome, Reply, Request, greeting};

use crate::command::Running;
use crate::port::{Arrival, Port};
use crate::reaper::Reaper;
use crate::upload::Upload;
use crate::{command, facts, power};

/// Serves one host after another on `port`; returns when the port itself fails.
pub(crate) fn serve(port: &Arc<Port>, reaper: &Arc<Reaper>) -> io::Error {
    let mut server = Server {
        port: Arc::clone(port),
        reaper: Arc::clone(reaper),
        input: Decoder::default(),
        session: None,
        uploads: HashMap::new(),
        confused: false,
    };
    port.read_for_ever(|arrival| match arrival {
        Arrival::Bytes(bytes) => server.take(bytes),
        Arrival::HostGone => server.reset(),
    })
}

/// A host that is connected, and its commands.
#[derive(Debug)]
pub(crate) struct Session {
    port: Arc<Port>,
    open: AtomicBool,
    running: Mutex<HashMap<u32, Running>>,
}

impl Session {
    /// Sends to this session's host, and to no later one.
    pub(crate) fn send(&self, reply: &Reply) -> io::Result<()> {
        let mut frame = Vec::new();
        reply.encode(&mut frame);
        self.port.write(&frame, &self.open)
    }

    pub(crate) fn running(&self) -> MutexGuard<'_, HashMap<u32, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Server {
    port: Arc<Port>,
    reaper: Arc<Reaper>,
    input: Decoder,
    session: Option<Arc<Session>>,
    uploads: HashMap<u32, Upload>,
    /// The host sent nonsense: nothing it sends is read until it reconnects.
    confused: bool,
}

impl Server {
    fn take(&mut self, bytes: &[u8]) {
        if self.confused {
            return;
        }
        self.input.push(bytes);
        loop {
            let request = match self.input.next_frame() {
                Ok(None) => return,
                Ok(Some(frame)) => Request::decode(&frame),
                Err(error) => Err(error),
            };
            match request {
                // A reply that cannot be sent has no reader any more: the loss of the host
                // arrives as an event of its own.
                Ok(request) => drop(self.handle(request)),
                Err(error) => {
                    println!("LAB: the host sent nonsense: {error}");
                    self.reset();
                    self.confused = true;
                    return;
                }
            }
        }
    }

    fn handle(&mut self, request: Request) -> io::Result<()> {
        if let Request::Hello { nonce } = request {
            return self.open(nonce);
        }
        let Some(session) = self.session.clone() else { return Ok(()) };
        match request {
            Request::Hello { .. } => Ok(()),
            Request::Ping { serial } => session.send(&Reply::Pong { serial }),
            Request::Exec { id, exec } => match command::start(id, &exec, &session, &self.reaper) {
                Ok(()) => Ok(()),
                Err(error) => {
                    let outcome = Outcome::NotStarted(error.to_string());
                    session.send(&Reply::Exited { id, outcome })
                }
            },
            Request::Stdin { id, bytes } => {
                let taken = session.running().get(&id).is_some_and(|command| command.input(bytes));
                if taken { Ok(()) } else { session.send(&Reply::StdinTaken { id }) }
            }
            Request::Signal { id, signal } => {
                if let Some(command) = session.running().get(&id) {
                    command.signal(signal);
                }
                Ok(())
            }
            Request::Resize { id, size } => {
                if let Some(command) = session.running().get(&id) {
                    command.resize(size);
                }
                Ok(())
            }
            Request::Put { id, path, mode } => {
                self.uploads.insert(id, Upload::begin(path, mode));
                Ok(())
            }
            Request::PutData { id, bytes } if bytes.is_empty() => {
                let Some(upload) = self.uploads.remove(&id) else { return Ok(()) };
                let error = upload.complete().err().map(|error| error.to_string());
                session.send(&Reply::Stored { id, error })
            }
            Request::PutData { id, bytes } => {
                if let Some(upload) = self.uploads.get_mut(&id) {
                    upload.add(&bytes);
                }
                Ok(())
            }
            Request::PowerOff => power::off(),
        }
    }

    fn open(&mut self, nonce: u64) -> io::Result<()> {
        self.end_session();
        let session = Arc::new(Session {
            port: Arc::clone(&self.port),
            open: AtomicBool::new(true),
            running: Mutex::default(),
        });
        self.session = Some(Arc::clone(&session));
        self.port.write(&greeting(nonce), &session.open)?;
        session.send(&Reply::Ready { facts: facts::gather() })
    }

    fn reset(&mut self) {
        self.end_session();
        self.input = Decoder::default();
        self.confused = false;
    }

    fn end_session(&mut self) {
        self.uploads.clear();
        let Some(session) = self.session.take() else { return };
        session.open.store(false, Ordering::Release);
        for command in session.running().values() {
            command.stop();
        }
    }
}
