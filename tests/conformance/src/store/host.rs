//! A store with the machine around it, whichever of the stores it is.

use std::fmt;
use std::io;
use std::path::Path;

use store_daemons::{Daemon, DomId, Gfn, Kind, Port, ShutdownReason, Signal};

use super::ours::{self, Ours};
use super::ring::Ring;

/// The stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// xenstored.
    C,
    /// oxenstored.
    OCaml,
    /// `xs_server`.
    Ours,
}

/// A store that runs, and its domains.
pub(super) trait Host: fmt::Debug + Send + Sync {
    /// Where it listens.
    fn socket(&self) -> &Path;

    /// What it printed so far.
    fn log(&self) -> String;

    /// Stops it: once this returns it does nothing until [`Host::cont`].
    fn stop(&self) -> io::Result<()>;

    /// Lets it go on.
    fn cont(&self) -> io::Result<()>;

    /// Has it end, also while it is stopped.
    fn end(&self) -> io::Result<()>;

    /// Ends it; returns when every connection to it is closed.
    fn kill(&mut self) -> io::Result<()>;

    /// Ends it, and starts it anew on the same socket. Its domains are still there.
    fn restart(&mut self) -> io::Result<()>;

    /// Makes a domain, of which the store learns by INTRODUCE.
    fn add_domain(&self, id: DomId) -> io::Result<Domain>;

    fn shut_down(&self, id: DomId, reason: ShutdownReason) -> io::Result<()>;

    fn kill_domain(&self, id: DomId) -> io::Result<()>;

    fn remove_domain(&self, id: DomId) -> io::Result<()>;
}

/// A domain of such a machine. It stays when this is dropped.
#[derive(Clone, Debug)]
pub(super) enum Domain {
    Real(store_daemons::Domain),
    Ours(ours::Domain),
}

impl Domain {
    pub(super) fn id(&self) -> DomId {
        match self {
            Self::Real(domain) => domain.id(),
            Self::Ours(domain) => domain.id(),
        }
    }

    /// The frame of its ring, for INTRODUCE.
    pub(super) fn gfn(&self) -> Gfn {
        match self {
            Self::Real(domain) => domain.gfn(),
            // It has one ring, so any would do.
            Self::Ours(_) => Gfn(1),
        }
    }

    /// Its own port for the ring's event channel, for INTRODUCE.
    pub(super) fn port(&self) -> Port {
        match self {
            Self::Real(domain) => domain.port(),
            Self::Ours(_) => Port(1),
        }
    }

    /// The payload of INTRODUCE for it.
    pub(super) fn introduction(&self) -> Vec<u8> {
        let (Gfn(gfn), Port(port)) = (self.gfn(), self.port());
        format!("{}\0{gfn}\0{port}\0", self.id()).into_bytes()
    }

    /// Its end of the ring.
    pub(super) fn ring(&self) -> Ring {
        match self {
            Self::Real(domain) => Ring::of_file(domain.ring().unwrap()),
            Self::Ours(domain) => domain.ring(),
        }
    }
}

/// Starts a store, on a machine of its own.
pub(super) fn start(store: Store) -> Box<dyn Host> {
    match store {
        Store::C => Box::new(Daemon::start(Kind::C).unwrap()),
        Store::OCaml => Box::new(Daemon::start(Kind::OCaml).unwrap()),
        Store::Ours => Box::new(Ours::start().unwrap()),
    }
}

impl Host for Daemon {
    fn socket(&self) -> &Path {
        self.socket()
    }

    fn log(&self) -> String {
        self.log()
    }

    fn stop(&self) -> io::Result<()> {
        self.stop()
    }

    fn cont(&self) -> io::Result<()> {
        self.cont()
    }

    fn end(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    fn kill(&mut self) -> io::Result<()> {
        self.kill()
    }

    fn restart(&mut self) -> io::Result<()> {
        self.restart()
    }

    fn add_domain(&self, id: DomId) -> io::Result<Domain> {
        self.add_domain(id).map(Domain::Real)
    }

    fn shut_down(&self, id: DomId, reason: ShutdownReason) -> io::Result<()> {
        self.shut_down(id, reason)
    }

    fn kill_domain(&self, id: DomId) -> io::Result<()> {
        self.kill_domain(id)
    }

    fn remove_domain(&self, id: DomId) -> io::Result<()> {
        self.remove_domain(id)
    }
}

impl From<Kind> for Store {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::C => Self::C,
            Kind::OCaml => Self::OCaml,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "c",
            Self::OCaml => "ocaml",
            Self::Ours => "ours",
        })
    }
}
