//! Offering a channel.

use eventchn::EventChannels;
use xc::grant::{Access, OnUnmap, Shares};
use xen_types::{Bytes, Deadline, DomId};
use xs::{Client, Path};

use super::core::Core;
use super::layout::{Orders, Place, SERVER_LIVES};
use super::store::{Found, Keys};
use super::{Channel, subject};
use crate::error::{Cause, Error, Result};

/// A channel to be offered to one domain below a path of the xenstore.
#[derive(Debug, Clone)]
pub struct Offer {
    path: Path,
    peer: DomId,
    incoming: Bytes,
    outgoing: Bytes,
}

impl Offer {
    /// An offer to `peer`, with 1 KiB on the way from it and 2 KiB on the way to it.
    ///
    /// That domain must know the path and be able to read there: it is given the right to read the two
    /// nodes, `ring-ref` and `event-channel`, and no other. libxenvchan finds a channel only if the
    /// path has no more than 49 bytes (observed on 4.17: it cuts the names of the nodes off at 63).
    pub fn new(path: Path, peer: DomId) -> Self {
        Self { path, peer, incoming: Bytes(1024), outgoing: Bytes(2048) }
    }

    /// With room for so many bytes at least on the way from the other end and to it, 1 MiB each at
    /// most. What does not fit beside each other into 3 KiB of the shared page takes pages of its own.
    #[must_use]
    pub fn with_rings(self, incoming: Bytes, outgoing: Bytes) -> Self {
        Self { incoming, outgoing, ..self }
    }

    /// Makes the offer. An earlier one below the same path is replaced: whoever is connected to it
    /// stays so.
    ///
    /// `events` is a device for this channel alone.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for rings over 1 MiB,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if the kernel has no more pages or ports to share,
    /// and those of the xenstore.
    #[doc(alias = "libxenvchan_server_init")]
    pub fn make(
        &self,
        store: &Client,
        shares: &Shares,
        events: EventChannels,
        deadline: Deadline,
    ) -> Result<Channel> {
        self.try_make(store, shares, events, deadline)
            .map_err(|cause| Error::new("offer", subject(&self.path), cause))
    }

    fn try_make(
        &self,
        store: &Client,
        shares: &Shares,
        events: EventChannels,
        deadline: Deadline,
    ) -> Result<Channel, Cause> {
        let orders = Orders::for_bytes(self.incoming.get(), self.outgoing.get())?;
        let further = |(_, place), access| match place {
            Place::InPage(_) => Ok(None),
            Place::Pages(count) => shares.share(self.peer, count, access).map(Some),
        };
        let bell = events.bind_unbound_port(self.peer)?;
        let control = shares.share(self.peer, 1, Access::Write)?;
        control.on_unmap(OnUnmap::clear_and_send(SERVER_LIVES, bell.port()))?;
        let what = Found { page: control.refs()[0], port: bell.port() };
        let left = further(orders.left(), Access::Write)?;
        let right = further(orders.right(), Access::Read)?;
        let core = Core::serve(control, orders, left, right)?;
        // Last, when everything stands.
        let published = Keys::below(&self.path).publish(store, self.peer, what, deadline)?;
        let (published, path) = (Some(published), self.path.clone());
        Ok(Channel { published, core, bell, events, path })
    }
}
