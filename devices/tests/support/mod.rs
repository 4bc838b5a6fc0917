//! An embedded store, empty or with the home of domain 7, in which a device comes, changes and goes.

#![allow(dead_code, reason = "every test file takes the part it needs")]

use devices::{Ends, Spec, Tree, plug};
use xen_types::{DomId, Gfn, Port};
use xs::{Client, Path, Store as _, View as _};
use xs_server::{Core, Life, Link, Machine, NoRing, Quotas, Running, Server};

/// A machine on which every domain lives, as nodes may belong to any, and none has a ring.
struct Crowd;

impl Machine for Crowd {
    fn domain(&self, _: DomId) -> Option<Life> {
        Some(Life::Alive)
    }

    fn connect(&mut self, _: DomId, _: Gfn, _: Port) -> Result<Box<dyn Link>, NoRing> {
        Err(NoRing)
    }
}

/// A store, for as long as it runs, and a connection to it.
pub(crate) fn empty_store() -> (Client, Running) {
    let daemon = Server::new(Core::new(Box::new(Crowd), Quotas::default())).unwrap();
    let daemon = daemon.spawn().unwrap();
    (Client::from_stream(daemon.connect().unwrap()).unwrap(), daemon)
}

/// A store, and a device of domain 7 that is not there yet.
pub(crate) struct Place {
    pub(crate) store: Client,
    pub(crate) ends: Ends,
    tree: Tree,
    daemon: Running,
}

impl Place {
    pub(crate) fn of(spec: &impl Spec) -> Self {
        let (store, daemon) = empty_store();
        store.write(&HOME, "").unwrap();
        Self { store, ends: spec.ends(dom()), tree: spec.tree(dom()), daemon }
    }

    /// Writes the nodes of the device; whether it did.
    pub(crate) fn write(&self) -> xs::Result<bool> {
        self.store.transaction(|tx| plug::write(tx, &self.ends, &self.tree))
    }

    /// A connection of somebody else.
    pub(crate) fn other(&self) -> Client {
        Client::from_stream(self.daemon.connect().unwrap()).unwrap()
    }

    pub(crate) fn set_back(&self, key: &'static str, value: &str) {
        self.store.write(&self.ends.backend().join(key), value).unwrap();
    }

    pub(crate) fn back(&self, key: &'static str) -> Option<String> {
        self.text(&self.ends.backend().join(key))
    }

    pub(crate) fn front(&self, key: &'static str) -> Option<String> {
        self.text(&self.ends.frontend().join(key))
    }

    pub(crate) fn record(&self, key: &'static str) -> Option<String> {
        self.text(&self.ends.record().join(key))
    }

    fn text(&self, path: &Path) -> Option<String> {
        self.store.read_str_opt(path).unwrap()
    }
}

pub(crate) fn dom() -> DomId {
    DomId::new(7).unwrap()
}

/// The home of domain 7.
pub(crate) const HOME: Path = Path::from_static("/local/domain/7");
