//! A domain as its toolstack and its kernel see it.

use std::io;
use std::path::{Path, PathBuf};

use xen_types::{DomId, Gfn, Port};

use crate::Ring;

/// A domain of a daemon's machine. It stays when this is dropped.
#[derive(Clone, Debug)]
pub struct Domain {
    id: DomId,
    folder: PathBuf,
}

impl Domain {
    pub(crate) fn new(id: DomId, folder: &Path) -> Self {
        Self { id, folder: folder.to_owned() }
    }

    /// Its id.
    pub fn id(&self) -> DomId {
        self.id
    }

    /// The frame of its ring, for INTRODUCE. The machine has one ring per domain, so any would do.
    pub fn gfn(&self) -> Gfn {
        Gfn(0xf_effc)
    }

    /// Its own port for the ring's event channel, for INTRODUCE.
    pub fn port(&self) -> Port {
        Port(1)
    }

    /// The payload of INTRODUCE for it.
    pub fn introduction(&self) -> Vec<u8> {
        let Gfn(gfn) = self.gfn();
        let Port(port) = self.port();
        format!("{}\0{gfn}\0{port}\0", self.id).into_bytes()
    }

    /// The guest's end of its ring.
    ///
    /// # Errors
    /// If the domain was removed.
    pub fn ring(&self) -> io::Result<Ring> {
        Ring::open(self.id, &self.folder)
    }
}
