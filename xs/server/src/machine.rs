//! What the store asks of the machine it runs on.

use std::io;
use std::os::fd::BorrowedFd;

use xen_types::{DomId, Gfn, Port};
use xs::proto::Features;
use xs::proto::ring::Complaint;

/// The hypervisor, or what stands for it.
pub trait Machine: Send {
    /// Whether a domain exists, and how it is.
    fn domain(&self, dom: DomId) -> Option<Life>;

    /// Opens the ring of a domain: its page is at `gfn`, and `port` is the domain's own end of the
    /// event channel. Called again for a domain that is connected, it gives what replaces the first.
    ///
    /// # Errors
    /// [`NoRing`] if the domain has none there.
    fn connect(&mut self, dom: DomId, gfn: Gfn, port: Port) -> Result<Box<dyn Link>, NoRing>;

    /// Is readable when a domain may have shut down or gone; `None` if somebody else calls
    /// [`Core::check_domains`](crate::Core::check_domains) then.
    fn changes(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Takes notice of what made [`Machine::changes`] readable.
    fn acknowledge(&mut self) {}
}

/// A stream of bytes to and from whoever is connected. None of its functions may block.
pub trait Link: Send {
    /// Is readable when there is something to receive.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Receives what is there; `None` if nothing is, 0 at the end.
    ///
    /// # Errors
    /// Ends the connection.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>>;

    /// Sends what fits; `None` if nothing does.
    ///
    /// # Errors
    /// Ends the connection.
    fn send(&mut self, bytes: &[u8]) -> io::Result<Option<usize>>;

    /// Whether room to send makes the descriptor readable, as with a ring, and not writable.
    fn room_is_received(&self) -> bool {
        true
    }

    /// The store is there, and offers this.
    ///
    /// # Errors
    /// Ends the connection.
    fn welcome(&mut self, features: Features) -> io::Result<()> {
        let _ = features;
        Ok(())
    }

    /// Takes notice of what made the descriptor readable: it is so again only for what comes later.
    /// Called before anything is received or sent because of it. Returns whether the other side
    /// begins anew, in which case the store forgets all that it had said and was to be told.
    ///
    /// # Errors
    /// Ends the connection.
    fn wake(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// The store gives up on whoever is at the other side.
    fn refuse(&mut self, why: Complaint) {
        let _ = why;
    }
}

/// How a domain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs, or could.
    Alive,
    /// It has shut down or crashed, and can be resumed or destroyed.
    Shutdown,
    /// It is being destroyed.
    Dying,
}

/// A domain has no ring where it was said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRing;

/// A machine with no domain but domain 0: the store of a test, or of an application.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Machine for Alone {
    fn domain(&self, dom: DomId) -> Option<Life> {
        (dom == DomId::DOM0).then_some(Life::Alive)
    }

    fn connect(&mut self, _: DomId, _: Gfn, _: Port) -> Result<Box<dyn Link>, NoRing> {
        Err(NoRing)
    }
}
