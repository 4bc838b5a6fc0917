//! The toolstack library: create, list, inspect, save, restore, shut down and destroy Xen domains.
//!
//! A [`Host`] bundles the handles of the layers below. State lives in the hypervisor and in the
//! xenstore, not in the handle: another process, or `xl`, may do the next operation.
//!
//! ```no_run
//! use std::time::Duration;
//! use xenops::{CreateOptions, Deadline, DomainConfig, GuestKind, Host, Limits};
//! use xen_types::MiB;
//!
//! # fn main() -> xenops::Result<()> {
//! let host = Host::open()?;
//! let config = DomainConfig::new("web", GuestKind::Pvh, "/boot/vmlinux", MiB(256));
//! let limits = Limits::until(Deadline::after(Duration::from_secs(60)));
//! let dom = host.create(&config, CreateOptions::default(), &limits)?;
//! println!("domain {dom} runs");
//! # Ok(())
//! # }
//! ```
//!
//! What it does for you: a creation that fails, whatever the reason, takes away all it made and says
//! what it could not; every wait has a deadline; nothing that a guest can write decides what is
//! removed. Two calls cannot be bounded: building a large kernel and destroying a large domain take
//! the hypervisor and libxenguest as long as they take.
//!
//! What it does not do yet: HVM guests, other devices than disks, network interfaces, consoles and folders,
//! the QEMU that the last two want, restart policies.

pub mod channel;
mod config;
mod console;
mod create;
mod describe;
pub mod device;
mod domain;
mod error;
mod host;
mod hotplug;
mod lifecycle;
mod limits;
mod lock;
pub mod memory;
mod prune;
mod remove;
mod restore;
mod save;
mod saved_file;
mod suspend;

pub use config::{
    ConsoleConfig, DiskMode, DiskType, DomainConfig, GuestKind, NinePfsConfig, TscMode, VbdConfig,
    VifConfig,
};
pub use console::Console;
pub use create::CreateOptions;
pub use device::{AttachOptions, DetachOptions};
pub use domain::{Domain, State};
pub use error::{Cause, Error, Leftover, Problem, Remnant, Result, Subject};
pub use host::Host;
pub use hotplug::{Hotplug, UnknownHotplug, system};
pub use lifecycle::Stop;
pub use limits::{Cancel, Limits};
pub use save::{Afterwards, SaveOptions, SaveProgress};
pub use saved_file::SavedFile;
pub use xen_types::{Clock, Deadline, DomId, DomainUuid, Kind, MiB};
pub use xg::KernelCache;
pub use xg::{Precopied, PrecopyLimits, Saved};
