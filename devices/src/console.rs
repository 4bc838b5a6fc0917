//! The first console of a PV or PVH guest, served by xenconsoled.
//!
//! It predates the xenbus handshake: there is no state machine. The daemon finds the ring and the
//! port below `/local/domain/<domid>/console` once the domain is introduced, and writes the name
//! of the pseudo-terminal there. The guest may only read that folder: a guest that could write
//! `tty` would choose which file of the control domain a console client opens.

use xen_types::{DomId, Port};
use xs::{Access, Path, Perms};

use crate::paths::DomainPaths;
use crate::tree::Tree;

/// The first console of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Console {
    /// The guest.
    pub dom: DomId,
    /// The domain that runs the console daemon.
    pub backend: DomId,
    /// The frame of the shared ring: a machine frame for a PV guest, a guest frame for PVH.
    pub ring: u64,
    /// The guest's end of the event channel.
    pub port: Port,
}

impl Console {
    /// The kind, as device paths spell it.
    pub const KIND: &'static str = "console";

    /// The guest's end.
    pub fn frontend(&self) -> Path {
        DomainPaths(self.dom).home().join(Self::KIND)
    }

    /// The daemon's end.
    pub fn backend(&self) -> Path {
        DomainPaths(self.dom).backends(self.backend, Self::KIND).join(0_u32)
    }

    /// The toolstack's record.
    pub fn record(&self) -> Path {
        DomainPaths(self.dom).recorded_devices().join(Self::KIND).join(0_u32)
    }

    /// The nodes of all three, with the keys that libxl writes (`libxl_console.c`), so that xl and
    /// xenconsoled find what they expect.
    pub fn tree(&self) -> Tree {
        let served = Perms::private(self.backend).allow(self.dom, Access::Read);
        let (front, back, record) = (self.frontend(), self.backend(), self.record());
        let mut tree = Tree::new();
        tree.folder(front.clone(), served.clone())
            .value(front.join("backend"), &back)
            .value(front.join("backend-id"), self.backend)
            .value(front.join("limit"), BUFFER_LIMIT)
            .value(front.join("type"), "xenconsoled")
            .value(front.join("output"), "pty")
            .value(front.join("tty"), "")
            .value(front.join("port"), self.port)
            .value(front.join("ring-ref"), self.ring)
            .folder(back.clone(), served)
            .value(back.join("frontend"), &front)
            .value(record.join("frontend"), &front)
            .value(record.join("backend"), &back);
        for end in [&back, &record] {
            tree.value(end.join("frontend-id"), self.dom)
                .value(end.join("online"), 1)
                .value(end.join("state"), INITIALISING)
                .value(end.join("protocol"), "vt100");
        }
        tree
    }
}

/// How many bytes of output the daemon keeps while nobody reads (`LIBXL_XENCONSOLE_LIMIT`).
const BUFFER_LIMIT: u32 = 1_048_576;

/// `XenbusStateInitialising` (`io/xenbus.h`); nothing ever moves it for this device.
const INITIALISING: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn console() -> Console {
        Console { dom: DomId::new(7).unwrap(), backend: DomId::DOM0, ring: 0x1234, port: Port(2) }
    }

    fn value_of(tree: &Tree, path: &str) -> Option<String> {
        let node = tree.nodes().iter().find(|node| node.path.as_str() == path)?;
        String::from_utf8(node.value.clone()).ok()
    }

    #[test]
    fn the_daemon_finds_ring_and_port_in_decimal() {
        let tree = console().tree();
        assert_eq!(value_of(&tree, "/local/domain/7/console/ring-ref").as_deref(), Some("4660"));
        assert_eq!(value_of(&tree, "/local/domain/7/console/port").as_deref(), Some("2"));
    }

    #[test]
    fn the_guest_may_only_read_its_end() {
        let tree = console().tree();
        let folder = &tree.nodes()[0];
        assert_eq!(folder.path.as_str(), "/local/domain/7/console");
        assert_eq!(folder.perms.as_ref().map(ToString::to_string).as_deref(), Some("n0,r7"));
        let inside = tree.nodes().iter().filter(|n| folder.path.contains(&n.path));
        assert_eq!(inside.filter(|n| n.perms.is_some()).count(), 1);
    }

    #[test]
    fn the_record_leads_to_both_ends() {
        let tree = console().tree();
        assert_eq!(
            value_of(&tree, "/libxl/7/device/console/0/backend").as_deref(),
            Some("/local/domain/0/backend/console/7/0")
        );
        assert_eq!(
            value_of(&tree, "/libxl/7/device/console/0/frontend").as_deref(),
            Some("/local/domain/7/console")
        );
    }
}
