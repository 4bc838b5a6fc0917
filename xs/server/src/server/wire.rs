//! A connection as the event loop has it: its link, and what it has not finished saying.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::pace::Pace;
use crate::machine::Link;

pub(super) struct Wire {
    pub(super) link: Box<dyn Link>,
    /// What has not been carried out: the beginning of a packet, or several while it is paused.
    pub(super) partial: Vec<u8>,
    /// What epoll looks for.
    pub(super) interest: EventFlags,
    /// It is not listened to for now.
    pub(super) paused: bool,
    /// It says nothing any more, and ends when it has been sent all.
    pub(super) closing: bool,
    /// Not all has been sent.
    pub(super) unsent: bool,
    /// It is among those that the next turn serves anyhow.
    pub(super) queued: bool,
    /// It is among the guests that the loop looks at while they are paused.
    pub(super) held: bool,
    pub(super) pace: Pace,
}

impl Wire {
    pub(super) fn new(link: Box<dyn Link>) -> Self {
        Self {
            link,
            partial: Vec::new(),
            interest: EventFlags::IN,
            paused: false,
            closing: false,
            unsent: false,
            queued: false,
            held: false,
            pace: Pace::default(),
        }
    }

    /// What epoll is to look for.
    pub(super) fn wanted(&self) -> EventFlags {
        // The descriptor of a ring tells of everything, and is acknowledged whatever it tells of.
        if self.link.room_is_received() {
            return EventFlags::IN;
        }
        let mut wanted = EventFlags::empty();
        wanted.set(EventFlags::IN, !self.paused && !self.closing);
        wanted.set(EventFlags::OUT, self.unsent);
        wanted
    }

    /// Whether nothing is out of the ordinary: what the core has for it can wait for its turn.
    pub(super) fn is_plain(&self) -> bool {
        !self.paused && !self.closing && !self.unsent && self.interest == self.wanted()
    }

    /// Forgets all that was said, and was to be told.
    pub(super) fn begin_anew(&mut self) {
        self.partial.clear();
        (self.paused, self.closing, self.unsent) = (false, false, false);
    }
}

/// A socket of this host.
pub(super) struct Socket(pub(super) OwnedFd);

impl Link for Socket {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match recv(&self.0, buffer, RecvFlags::DONTWAIT) {
            Ok((count, _)) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        match send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn room_is_received(&self) -> bool {
        false
    }
}
