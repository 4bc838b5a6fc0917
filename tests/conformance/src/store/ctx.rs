//! What a fact is given.

use std::path::PathBuf;
use std::sync::{Arc, RwLockReadGuard};

use store_daemons::DomId;
use xs::Path;

use super::conn::{Conn, Front, soon};
use super::fact::Subject;
use super::guest::Guest;
use super::host::{Host, Store};
use super::place::Place;
use super::wire::Wire;

/// A daemon, somebody who is connected to it, and a node for the fact alone.
#[derive(Debug)]
pub(super) struct Ctx {
    place: Arc<Place>,
    front: Front,
    /// The connection that the fact is about, unless it is spoken by hand.
    conn: Option<Conn>,
    /// Whose connection that is, if not dom0's.
    me: Option<Guest>,
    dom0: Conn,
    home: Path,
}

/// What the one daemon does, and the other. Ours does what the C daemon does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Per<T> {
    pub(super) c: T,
    pub(super) ocaml: T,
}

impl Ctx {
    pub(super) fn new(place: Arc<Place>, subject: Subject, front: Front, fact: &str) -> Self {
        let socket = place.socket();
        let dom0 = Conn::connect(Front::Blocking, &socket).unwrap();
        let me = (subject == Subject::Guest).then(|| Guest::new(&place, front));
        let conn = match &me {
            _ if front == Front::ByHand => None,
            Some(guest) => Some(guest.conn().clone()),
            None => Some(Conn::connect(front, &socket).unwrap()),
        };
        let home = match &me {
            Some(guest) => guest.home().try_join(fact).unwrap(),
            None => Path::from_static("/tool").try_join(&format!("{front}-{fact}")).unwrap(),
        };
        dom0.rm_if_exists(&home).unwrap();
        dom0.mkdir(&home).unwrap();
        let conn = conn.map(|conn| conn.with_deadline(soon()));
        Self { place, front, conn, me, dom0, home }
    }

    /// Of what the daemons do, what this one does.
    pub(super) fn per<T>(&self, per: Per<T>) -> T {
        match self.place.store() {
            Store::C | Store::Ours => per.c,
            Store::OCaml => per.ocaml,
        }
    }

    /// The same where ours does not do what the C daemon does.
    pub(super) fn per_and_ours<T>(&self, per: Per<T>, ours: T) -> T {
        match self.place.store() {
            Store::Ours => ours,
            Store::C | Store::OCaml => self.per(per),
        }
    }

    /// The release of Xen that the daemon is of.
    pub(super) fn xen(&self) -> (u32, u32) {
        self.place.xen()
    }

    /// The connection that the fact is about.
    pub(super) fn conn(&self) -> &Conn {
        self.conn.as_ref().expect("it is spoken by hand")
    }

    /// A connection that the fact is about, spoken by hand.
    pub(super) fn wire(&self) -> Wire {
        match &self.me {
            Some(guest) => guest.wire(),
            None => Wire::connect(&self.socket()),
        }
    }

    /// Whose connection it is.
    pub(super) fn domid(&self) -> DomId {
        self.me.as_ref().map_or(DomId::DOM0, Guest::id)
    }

    /// The guest whose connection it is.
    pub(super) fn me(&self) -> &Guest {
        self.me.as_ref().expect("a fact of guests")
    }

    pub(super) fn is_dom0(&self) -> bool {
        self.me.is_none()
    }

    /// A new connection of dom0's.
    pub(super) fn dom0(&self) -> Conn {
        Conn::connect(self.front, &self.socket()).unwrap().with_deadline(soon())
    }

    /// Another guest.
    pub(super) fn guest(&self) -> Guest {
        Guest::new(&self.place, self.front)
    }

    /// The id of a domain that does not exist.
    pub(super) fn nobody(&self) -> DomId {
        self.place.new_id()
    }

    /// A node of this fact's alone.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// A node below [`Ctx::home`].
    pub(super) fn node(&self, name: &'static str) -> Path {
        self.home.join(name)
    }

    /// The path of [`Ctx::home`] with its end, and what follows in a packet.
    pub(super) fn payload(&self, rest: &str) -> String {
        format!("{}\0{rest}", self.home)
    }

    /// The daemon, for a fact that has it alone.
    pub(super) fn daemon(&self) -> RwLockReadGuard<'_, Box<dyn Host>> {
        self.place.daemon()
    }

    /// Kills the daemon; returns when it is gone.
    pub(super) fn kill(&self) {
        self.place.kill();
    }

    /// Starts the daemon anew on the same socket.
    pub(super) fn restart(&self) {
        self.place.restart();
    }

    pub(super) fn front(&self) -> Front {
        self.front
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.place.socket()
    }
}

impl Drop for Ctx {
    fn drop(&mut self) {
        if std::thread::panicking() && self.place.is_standalone() {
            let log: Vec<_> = self.daemon().log().chars().collect();
            let last: String = log[log.len().saturating_sub(4000)..].iter().collect();
            eprintln!("the last that the daemon logged: {last:?}");
        }
        // A fact of its own daemon may have ended it.
        let dom0 = self.dom0.with_deadline(soon());
        let _ = dom0.rm_if_exists(&self.home);
    }
}
