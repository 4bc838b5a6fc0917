//! Xen PV devices as data: where they stand in the xenstore and what is written there.
//!
//! A device has two ends, one in the guest (the frontend) and one in the domain that serves it (the
//! backend), and a record of both under `/libxl`, where no guest can write. Everything here is a
//! value: nothing is written until a [`Tree`] is handed to a transaction.
//!
//! ```
//! use devices::Console;
//! use xen_types::{DomId, Port};
//!
//! let dom = DomId::new(7).ok_or("reserved")?;
//! let console = Console { dom, backend: DomId::DOM0, ring: 0x1234, port: Port(2) };
//! let tty = console.frontend().join("tty");
//! assert_eq!(tty.as_str(), "/local/domain/7/console/tty");
//! assert!(console.tree().nodes().iter().any(|node| node.path == tty));
//! # Ok::<(), &str>(())
//! ```
//!
//! What it does not do: touch the host (loop devices, bridges, scripts), or wait.

#![forbid(unsafe_code)]

mod console;
mod error;
mod handshake;
mod id;
mod kind;
mod layout;
mod mac;
mod part;
pub mod paths;
pub mod plug;
mod rate;
mod record;
mod setback;
mod sighting;
mod spec;
mod text;
mod tree;
pub mod unplug;
mod vbd;
mod vdev;
mod vif;

pub use console::Console;
pub use error::{Error, Result};
pub use handshake::{Link, OtherDevice, Seen, XenbusState};
pub use id::{DeviceId, Ends};
pub use kind::Kind;
pub use mac::{InvalidMac, Mac};
pub use rate::{InvalidRate, Rate};
pub use record::Record;
pub use setback::Setback;
pub use sighting::{Plug, Sighting};
pub use spec::Spec;
pub use text::{InvalidText, Text};
pub use tree::{Node, Tree};
pub use vbd::{Blktap, Format, Medium, Protocol, Source, Vbd};
pub use vdev::{Bus, InvalidVdev, Place, Vdev};
pub use vif::Vif;
