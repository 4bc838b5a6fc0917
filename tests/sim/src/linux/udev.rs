//! The host's part of a device in a domain that serves others and is not the control domain: what udev has
//! Xen's scripts do there, and `xenops/udev/hotplug` around them.
//!
//! In the control domain a toolstack does it, or one of its [scripts](super::Script).

use std::path::Path as FilePath;

use rustix::fs::{major, minor};
use xen_types::DomId;
use xenops::system::Node;
use xs::{Client, Store as _, View as _};

use super::Back;
use super::bus::{Bus, Device, unless_lost};

impl Bus {
    fn is_elsewhere(&self) -> bool {
        self.whom.dom != DomId::DOM0
    }

    /// A device came: `add` of a disk, `online` of an interface.
    pub(super) fn hotplug(&self, store: &Client, device: &Device) -> xs::Result<()> {
        // What these say of the host's part shall be seen.
        let said = matches!(device.manners, Back::Complains | Back::WritesLarge);
        if !self.is_elsewhere() || said || device.is_qemus() {
            return Ok(());
        }
        let done = match device.is_disk() {
            true => self.find_disk(store, device)?,
            false => self.find_bridge(store, device)?,
        };
        match done {
            Ok(None) => device.tell(store, &[STATUS]),
            Ok(Some(disk)) => device.tell(store, &[("physical-device", &disk), STATUS]),
            Err(why) => device.tell(store, &[("hotplug-error", &why), ("hotplug-status", "error")]),
        }
    }

    /// A device went: `remove`, `offline`.
    pub(super) fn unplug(&self, store: &Client, device: &Device) -> xs::Result<()> {
        if !self.is_elsewhere() {
            return Ok(());
        }
        unless_lost(store.rm_if_exists(&device.node.join(STATUS.0)))
    }

    /// The number of the disk that a path of this domain leads to.
    fn find_disk(&self, store: &Client, device: &Device) -> xs::Result<Found> {
        let params = store.read_str_opt(&device.node.join("params"))?.unwrap_or_default();
        Ok(match self.linux.lock().blocks.at(FilePath::new(&params)) {
            Some(Node::BlockDevice(disk)) => {
                Ok(Some(format!("{:x}:{:x}", major(disk), minor(disk))))
            }
            _ => Err(format!("{params} does not exist")),
        })
    }

    fn find_bridge(&self, store: &Client, device: &Device) -> xs::Result<Found> {
        let bridge = store.read_str_opt(&device.node.join("bridge"))?.unwrap_or_default();
        let joined = self.linux.lock().links.join(&device.interface(), &bridge);
        Ok(if joined { Ok(None) } else { Err(format!("Could not find bridge {bridge}")) })
    }
}

/// The number of a disk, or nothing of an interface; or what is wrong.
type Found = Result<Option<String>, String>;

const STATUS: (&str, &str) = ("hotplug-status", "connected");
