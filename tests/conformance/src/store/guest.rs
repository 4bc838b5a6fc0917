//! An unprivileged domain.

use std::sync::Arc;

use store_daemons::DomId;
use xen_types::ShutdownReason;
use xs::{Path, Perms};

use super::conn::{Conn, Front};
use super::host::Domain;
use super::place::Place;
use super::pump;
use super::ring::Ring;
use super::wire::Wire;

/// A guest that the store knows, with a home of its own. Dropping it ends it and takes that away.
#[derive(Debug)]
pub(super) struct Guest {
    place: Arc<Place>,
    domain: Domain,
    dom0: Conn,
    /// The one connection that a guest has, unless it is spoken by hand.
    conn: Option<Conn>,
}

impl Guest {
    pub(super) fn new(place: &Arc<Place>, front: Front) -> Self {
        let id = place.new_id();
        let domain = place.daemon().add_domain(id).unwrap();
        let dom0 = Conn::connect(Front::Blocking, &place.socket()).unwrap();
        dom0.introduce(id, domain.gfn(), domain.port()).unwrap();
        // As a toolstack does: what the guest makes below is its own.
        dom0.mkdir(&Path::domain(id)).unwrap();
        dom0.set_perms(&Path::domain(id), &Perms::private(id)).unwrap();
        let mut guest = Self { place: Arc::clone(place), domain, dom0, conn: None };
        if front != Front::ByHand {
            guest.conn = Some(Conn::over(front, guest.ring()).unwrap());
        }
        guest
    }

    pub(super) fn id(&self) -> DomId {
        self.domain.id()
    }

    pub(super) fn home(&self) -> Path {
        Path::domain(self.id())
    }

    pub(super) fn domain(&self) -> &Domain {
        &self.domain
    }

    pub(super) fn ring(&self) -> Ring {
        self.domain.ring()
    }

    /// Its connection.
    pub(super) fn conn(&self) -> &Conn {
        self.conn.as_ref().expect("it is spoken by hand")
    }

    /// Its connection, spoken by hand; it has only one.
    pub(super) fn wire(&self) -> Wire {
        assert!(self.conn.is_none(), "a client uses the ring");
        Wire::over(pump::stream(self.ring()))
    }

    pub(super) fn shut_down(&self, reason: ShutdownReason) {
        self.place.daemon().shut_down(self.id(), reason).unwrap();
    }

    pub(super) fn die(&self) {
        self.place.daemon().kill_domain(self.id()).unwrap();
    }

    /// Removes it from the machine, not from the store.
    pub(super) fn vanish(&self) {
        self.place.daemon().remove_domain(self.id()).unwrap();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Each may have been done by the fact itself.
        let _ = self.dom0.release(self.id());
        let _ = self.dom0.rm_if_exists(&self.home());
        let _ = self.place.daemon().remove_domain(self.id());
    }
}
