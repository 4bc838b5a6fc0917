//! Xen's PV and PCI devices as data: what they are, where they stand in the xenstore, what is written
//! there.
//!
//! A device has two ends, one in the guest (the frontend) and one in the domain that serves it (the
//! backend), and a record of both under `/libxl`, where no guest can write. Everything here is a
//! value: nothing is written until a [`Tree`] is handed to a transaction.
//!
//! ```
//! use devices::{Device, Record, Spec, Vbd};
//! use xen_types::DomId;
//!
//! let dom = DomId::new(7).ok_or("reserved")?;
//! let disk = Vbd::phy("xvda".parse()?, "/dev/vg/root")?.read_only();
//! let tree = disk.tree(dom); // tree.write_to(&transaction)?
//! assert!(tree.to_string().contains(r#"/backend/vbd/7/51712/mode = "r""#));
//!
//! let record = Record::in_tree(&tree, &disk.ends(dom).device)?; // devices::list(&store, dom)?
//! assert_eq!(Device::from_record(&record)?, Device::Vbd(disk));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`plug`] and [`unplug`] bring a device and take it away, by the xenbus handshake; [`media`], [`pause`]
//! and [`port`] change one that is there.
//!
//! What it does for you: a description is checked when it is made, and its nodes are those that `xl`
//! writes, key by key and permission by permission; [`list()`] finds the devices of a domain, whoever made
//! them, and believes nothing that the guest can write.
//!
//! What it does not do: touch the host (loop devices, bridges, scripts).

#![forbid(unsafe_code)]

mod argo;
mod channel;
mod console;
mod device;
mod error;
mod generic;
mod handshake;
mod id;
mod kind;
mod layout;
mod list;
mod mac;
pub mod media;
mod ninepfs;
mod part;
pub mod paths;
pub mod pause;
mod pci;
pub mod plug;
pub mod port;
mod protocol;
mod pvcalls;
mod rate;
mod record;
mod setback;
mod sighting;
mod spec;
#[cfg(test)]
mod testing;
mod text;
mod tree;
pub mod unplug;
mod vbd;
mod vdev;
mod vdispl;
mod vfb;
mod vif;
mod vkb;
mod vsnd;
mod vtpm;
mod vusb;
mod waiting;

pub use argo::Argo;
pub use channel::{Channel, Connection, Program};
pub use console::Console;
pub use device::Device;
pub use error::{Error, Result};
pub use generic::Generic;
pub use handshake::{Link, OtherDevice, Seen, XenbusState};
pub use id::{DeviceId, Ends};
pub use kind::{Kind, OtherKind};
pub use list::{Listed, MAX_DEVICES, list, recorded, served};
pub use mac::{InvalidMac, Mac};
pub use ninepfs::{FolderLimits, NinePfs, SecurityModel};
pub use pci::{Pci, PciFunction};
pub use protocol::Protocol;
pub use pvcalls::Pvcalls;
pub use rate::{InvalidRate, Rate};
pub use record::Record;
pub use setback::Setback;
pub use sighting::{Plug, Sighting};
pub use spec::Spec;
pub use text::{InvalidText, Text};
pub use tree::{Node, Tree};
pub use vbd::{Blktap, Format, Medium, Source, Vbd};
pub use vdev::{Bus, InvalidVdev, Place, Vdev};
pub use vdispl::Vdispl;
pub use vfb::{Vfb, Vnc, Window};
pub use vif::Vif;
pub use vkb::{Size, Vkb};
pub use vsnd::{Pcm, SampleFormat, SoundParams, Stream, UnknownFormat, Vsnd};
pub use vtpm::Vtpm;
pub use vusb::Vusb;
