//! Many connections of one thread, each with one request under way: a load generator in the fashion
//! of the hand loop.

use std::io::{Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use super::load::member_node;
use crate::content::VALUE;
use crate::hand::{HandLoop, check};
use crate::wire::{self, Op};

/// The connections, each with a node of its own.
#[derive(Debug)]
pub struct Crowd {
    op: Op,
    epoll: OwnedFd,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    stream: UnixStream,
    /// The payload of its requests.
    payload: Vec<u8>,
    out: Vec<u8>,
    input: [u8; 128],
    received: usize,
    id: u32,
}

impl Crowd {
    /// Connects so many to the store at this socket, which will read or write.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(socket: &Path, op: Op, count: usize) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut members = Vec::with_capacity(count);
        for number in 0..count {
            let member = Member::connect(socket, op, &member_node(number))?;
            let data = EventData::new_u64(number as u64);
            epoll::add(&epoll, &member.stream, data, EventFlags::IN)?;
            members.push(member);
        }
        Ok(Self { op, epoll, members })
    }

    /// Carries out so many operations, which have all been answered when this returns.
    ///
    /// # Errors
    /// If a connection breaks or an answer is wrong.
    pub fn work(&mut self, operations: usize) -> Result<Duration> {
        let start = Instant::now();
        let (mut to_send, mut to_come) = (operations, operations);
        for member in self.members.iter_mut().take(operations) {
            member.ask(self.op)?;
            to_send -= 1;
        }
        let mut room = [const { MaybeUninit::uninit() }; 64];
        while to_come > 0 {
            let ready = match epoll::wait(&self.epoll, &mut room, None) {
                Ok((ready, _)) => ready,
                Err(Errno::INTR) => continue,
                Err(error) => bail!("wait for answers: {error}"),
            };
            for event in ready {
                let number = usize::try_from(event.data.u64()).context("a member's number")?;
                let member = &mut self.members[number];
                if !member.hear(self.op)? {
                    continue;
                }
                to_come -= 1;
                if to_send > 0 {
                    member.ask(self.op)?;
                    to_send -= 1;
                }
            }
        }
        Ok(start.elapsed())
    }

    /// Closes all connections, and waits until the store has seen that.
    ///
    /// # Errors
    /// If the store does not answer any more.
    pub fn leave(self, socket: &Path) -> Result<()> {
        drop(self);
        // Whoever is accepted and answered behind them is so when they are gone, or nearly.
        HandLoop::connect(socket)?.read_node()
    }
}

impl Member {
    fn connect(socket: &Path, op: Op, node: &str) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("connect to {}", socket.display()))?;
        let value = if op == Op::Write { VALUE } else { b"" };
        let payload = [node.as_bytes(), b"\0", value].concat();
        Ok(Self { stream, payload, out: Vec::new(), input: [0; 128], received: 0, id: 0 })
    }

    fn ask(&mut self, op: Op) -> Result<()> {
        self.id = self.id.wrapping_add(1);
        self.out.clear();
        wire::put(&mut self.out, op, self.id, 0, &[&self.payload]);
        self.stream.write_all(&self.out).context("write a request")
    }

    /// Receives what is there. Returns whether that was the end of the answer.
    fn hear(&mut self, op: Op) -> Result<bool> {
        let count = self.stream.read(&mut self.input[self.received..]).context("read an answer")?;
        ensure!(count > 0, "the store closed the connection");
        self.received += count;
        let Some((reply, len)) = wire::first(&self.input[..self.received])? else {
            return Ok(false);
        };
        ensure!(len == self.received, "more than an answer");
        let payload = reply.answers(op, self.id)?;
        if op == Op::Read {
            check(payload)?;
        }
        self.received = 0;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(op: u32, value: &[u8]) -> Vec<u8> {
        let len = u32::try_from(value.len()).unwrap();
        let header = [op, 1, 0, len].map(u32::to_ne_bytes).concat();
        [&header, value].concat()
    }

    /// A member that asked, and whoever answers.
    fn asking() -> (Member, UnixStream) {
        let (stream, other) = UnixStream::pair().unwrap();
        let payload = b"/node\0".to_vec();
        let (out, input) = (Vec::new(), [0; 128]);
        let mut member = Member { stream, payload, out, input, received: 0, id: 0 };
        member.ask(Op::Read).unwrap();
        (member, other)
    }

    #[test]
    fn an_answer_in_two_pieces_is_one() {
        let (mut member, mut other) = asking();
        let bytes = reply(2, VALUE);
        other.write_all(&bytes[..16]).unwrap();
        assert!(!member.hear(Op::Read).unwrap());
        other.write_all(&bytes[16..]).unwrap();
        assert!(member.hear(Op::Read).unwrap());
    }

    #[test]
    fn a_wrong_value_and_a_refusal_are_found() {
        let (mut member, mut other) = asking();
        other.write_all(&reply(2, b"other")).unwrap();
        member.hear(Op::Read).unwrap_err();
        let (mut member, mut other) = asking();
        other.write_all(&reply(wire::ERROR, b"EACCES\0")).unwrap();
        member.hear(Op::Read).unwrap_err();
    }
}
