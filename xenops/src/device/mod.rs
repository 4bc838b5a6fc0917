//! The devices of a running domain: attach, detach, list.
//!
//! ```text
//! attach   lock ─ host's side ready ─ nodes ─ backend takes it ─ host's side connected
//! detach   lock ─ guest lets go ─ backend lets go ─ host's side released ─ nodes removed
//! ```
//!
//! The nodes are written in one transaction and are the moment from which on the device is there: the
//! record among them says how to take it away, to this process and to any other. Whatever fails after
//! that moment, the device is taken away again without asking the guest. What is done to one domain is
//! done in turn, also with `xl`, by libxl's own lock.
//!
//! ```no_run
//! use std::time::Duration;
//! use xenops::device::Vbd;
//! use xenops::{AttachOptions, Deadline, Host, Limits};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::open()?;
//! let dom = host.find("web")?.id;
//! let disk = Vbd::file("xvdb".parse()?, "/images/data.img")?;
//! let limits = Limits::until(Deadline::after(Duration::from_secs(30)));
//! let device = host.attach(dom, &disk, AttachOptions::default(), &limits)?;
//! println!("{device} is there");
//! # Ok(())
//! # }
//! ```

mod attach;
mod detach;
mod detach_all;
mod held;
mod list;
mod media;
mod pause;
mod port;
mod target;

pub use attach::AttachOptions;
pub(crate) use attach::unseen_if_empty;
pub use detach::DetachOptions;
pub(crate) use detach::{check_handled, check_removable};
pub use devices::media::Tray;
pub use devices::{
    Channel, DeviceId, Error as Invalid, Format, Kind, Mac, Medium, NinePfs, Rate, SecurityModel,
    Sighting, Spec, Vbd, Vdev, Vif, XenbusState,
};
pub use list::{Attached, Listed};
pub use media::EjectOptions;
pub use port::Carrier;

/// A random address of those that belong to Xen, for a network interface.
pub fn random_mac() -> Mac {
    let random = uuid::Uuid::new_v4();
    let [one, two, three, ..] = *random.as_bytes();
    Mac::of_xen([one, two, three])
}
