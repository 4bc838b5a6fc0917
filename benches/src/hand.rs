//! What a careful C programmer would write by hand for this one purpose: the floor.
//!
//! One write(2) and one read(2) per round trip; with several requests in flight it reads whatever
//! is there into a large buffer and sends the next requests in one write. What fills a store is
//! sent in flights, too.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::content::{IN_TRANSACTION, NODE, TREE, TREE_NODES, VALUE};
use crate::wire::{self, LONGEST_PACKET, Op};

/// A connection that is used by one thread.
#[derive(Debug)]
pub struct HandLoop {
    stream: UnixStream,
    out: Vec<u8>,
    input: Vec<u8>,
    last_id: u32,
}

impl HandLoop {
    /// Connects to the daemon at this socket.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("connect to {}", socket.display()))?;
        Ok(Self { stream, out: Vec::new(), input: vec![0; 16 * LONGEST_PACKET], last_id: 0 })
    }

    /// Reads the node and checks its value.
    ///
    /// # Errors
    /// If it has another one, or the connection breaks; so below.
    pub fn read_node(&mut self) -> Result<()> {
        check(self.call(Op::Read, 0, &[NODE.as_bytes(), b"\0"])?)
    }

    /// Writes the node.
    ///
    /// # Errors
    /// If the daemon refuses.
    pub fn write_node(&mut self) -> Result<()> {
        self.write(0, NODE, VALUE)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// If the daemon refuses.
    pub fn write(&mut self, tx: u32, path: &str, value: &[u8]) -> Result<()> {
        self.call(Op::Write, tx, &[path.as_bytes(), b"\0", value]).map(drop)
    }

    /// Removes a node and all below it.
    ///
    /// # Errors
    /// If the daemon refuses.
    pub fn remove(&mut self, path: &str) -> Result<()> {
        self.call(Op::Rm, 0, &[path.as_bytes(), b"\0"]).map(drop)
    }

    /// Writes ten nodes in a transaction, one after the other.
    ///
    /// # Errors
    /// If the daemon refuses; a conflict cannot be, as nobody else writes.
    pub fn transaction(&mut self) -> Result<()> {
        self.transaction_on(&IN_TRANSACTION)
    }

    /// Writes these nodes in a transaction, one after the other.
    ///
    /// # Errors
    /// As above.
    pub fn transaction_on(&mut self, paths: &[&str]) -> Result<()> {
        let id = self.call(Op::TransactionStart, 0, &[b"\0"])?;
        let id = id.strip_suffix(b"\0").unwrap_or(id);
        let tx = std::str::from_utf8(id)?.parse().context("the id of a transaction")?;
        for path in paths {
            self.write(tx, path, VALUE)?;
        }
        self.call(Op::TransactionEnd, tx, &[b"T\0"]).map(drop)
    }

    /// Reads the names and values of the whole tree, one after the other.
    ///
    /// # Errors
    /// If it is not what was made.
    pub fn tree_one_by_one(&mut self) -> Result<()> {
        let mut paths = vec![TREE.to_owned()];
        let mut done = 0;
        while let Some(path) = paths.get(done).cloned() {
            check(self.call(Op::Read, 0, &[path.as_bytes(), b"\0"])?)?;
            let names = self.call(Op::Directory, 0, &[path.as_bytes(), b"\0"])?;
            for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
                paths.push(format!("{path}/{}", std::str::from_utf8(name)?));
            }
            done += 1;
        }
        ensure!(done == TREE_NODES, "the tree has {done} nodes");
        Ok(())
    }

    /// Reads the node `reads` times, always `in_flight` of them under way.
    ///
    /// # Errors
    /// If an answer is wrong, missing or out of order, which this daemon's never are.
    pub fn keep_in_flight(&mut self, reads: usize, in_flight: usize) -> Result<()> {
        let mut oldest = self.last_id.wrapping_add(1);
        let (mut sent, mut answered, mut received) = (0, 0, 0);
        let mut room = in_flight.min(reads);
        while answered < reads {
            self.out.clear();
            for _ in 0..room {
                self.last_id = self.last_id.wrapping_add(1);
                let payload: [&[u8]; 2] = [NODE.as_bytes(), b"\0"];
                wire::put(&mut self.out, Op::Read, self.last_id, 0, &payload);
            }
            sent += room;
            if room > 0 {
                self.stream.write_all(&self.out).context("write requests")?;
            }
            received += self.receive(received)?;
            let (mut at, mut came) = (0, 0);
            while let Some((reply, len)) = wire::first(&self.input[at..received])? {
                check(reply.answers(Op::Read, oldest)?)?;
                oldest = oldest.wrapping_add(1);
                (at, came) = (at + len, came + 1);
            }
            self.input.copy_within(at..received, 0);
            received -= at;
            answered += came;
            room = came.min(reads - sent);
        }
        Ok(())
    }

    /// Sends many requests of one kind, some in flight at a time, each of which is acknowledged and
    /// makes so many events.
    ///
    /// # Errors
    /// If the daemon refuses one.
    pub fn send_all(&mut self, op: Op, events: usize, payloads: &[Vec<u8>]) -> Result<()> {
        for flight in payloads.chunks(64) {
            self.out.clear();
            for payload in flight {
                self.last_id = self.last_id.wrapping_add(1);
                wire::put(&mut self.out, op, self.last_id, 0, &[payload]);
            }
            self.stream.write_all(&self.out).context("write requests")?;
            let (mut received, mut answers, mut told) = (0, 0, 0);
            while (answers, told) != (flight.len(), flight.len() * events) {
                received += self.receive(received)?;
                let mut at = 0;
                while let Some((reply, len)) = wire::first(&self.input[at..received])? {
                    match reply.op {
                        wire::EVENT => told += 1,
                        _ => {
                            let id = reply.id;
                            reply.answers(op, id)?;
                            answers += 1;
                        }
                    }
                    at += len;
                }
                self.input.copy_within(at..received, 0);
                received -= at;
            }
            ensure!(received == 0, "{received} bytes too many after the replies");
        }
        Ok(())
    }

    /// One round trip.
    fn call(&mut self, op: Op, tx: u32, payload: &[&[u8]]) -> Result<&[u8]> {
        self.last_id = self.last_id.wrapping_add(1);
        self.out.clear();
        wire::put(&mut self.out, op, self.last_id, tx, payload);
        self.stream.write_all(&self.out).context("write a request")?;
        let mut received = 0;
        while wire::first(&self.input[..received])?.is_none() {
            received += self.receive(received)?;
        }
        let (reply, len) = wire::first(&self.input[..received])?.context("a whole reply")?;
        ensure!(len == received, "{} bytes too many after the reply", received - len);
        reply.answers(op, self.last_id)
    }

    fn receive(&mut self, from: usize) -> Result<usize> {
        let count = self.stream.read(&mut self.input[from..]).context("read replies")?;
        ensure!(count > 0, "the daemon closed the connection");
        Ok(count)
    }
}

/// Every contender checks what it gets, so that none wins by not looking.
pub(crate) fn check(value: &[u8]) -> Result<()> {
    ensure!(value == VALUE, "a value that was never written: {:?}", String::from_utf8_lossy(value));
    Ok(())
}
