//! The Linux of a control domain, or of another one that serves devices, as far as devices of guests touch it: files, block devices, loop
//! devices, network interfaces, the folders of `/proc` and `/sys` that tell of them, and the
//! backends.
//!
//! ```text
//!  xenops ──▶ System (descriptors of a Process, its faults) ──┐
//!  blkback, netback ──────────────────────────────────────────┴▶ State ──▶ /sys, /proc, /dev
//! ```

mod back;
mod block;
pub(crate) mod bus;
mod files;
mod net;
mod qemu;
mod script;
mod system;
mod udev;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::back::Back;
pub(crate) use self::bus::{Bus, Devices};
pub use self::script::Script;
pub(crate) use self::system::Dom0;
use block::Blocks;
use net::Links;

/// The Linux of a control domain, or of another domain that serves devices.
#[derive(Debug, Default)]
pub struct Linux(Mutex<State>);

/// What there is.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) blocks: Blocks,
    pub(crate) links: Links,
    /// The devices of the bus `xen-backend`, each with the disk that it has opened, as its file
    /// `physical_device` has it.
    pub(crate) backends: BTreeMap<String, Option<String>>,
    /// The devices that a QEMU has.
    pub(crate) of_qemus: BTreeSet<String>,
    /// The programs that can be run.
    programs: BTreeMap<PathBuf, Script>,
    /// How backends behave that come from now on.
    pub(crate) manners: Back,
    /// Whether its drivers look at the store.
    driven: bool,
}

/// What of it an operation could leave behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// Loop devices that are made of something.
    pub(crate) loops: Vec<String>,
    /// Network interfaces as they are set.
    pub(crate) links: Vec<String>,
    /// Devices that a backend has.
    pub(crate) backends: Vec<String>,
    /// What programs and backends have open.
    pub(crate) open: Vec<String>,
}

impl Linux {
    /// Makes a file.
    pub fn add_file(&self, path: impl AsRef<Path>) {
        self.lock().blocks.add_file(path.as_ref());
    }

    /// Makes a folder, with nothing in it.
    pub fn add_folder(&self, path: impl AsRef<Path>) {
        self.lock().blocks.add_folder(path.as_ref());
    }

    /// Makes a block device, `/dev/<name>`, of these numbers.
    pub fn add_disk(&self, name: &str, major: u32, minor: u32) {
        self.lock().blocks.add_disk(name, major, minor);
    }

    /// Mounts a block device, `/dev/<name>`, to be written to.
    pub fn mount(&self, name: &str) {
        self.lock().blocks.mount(name);
    }

    /// Makes a bridge of this MTU.
    pub fn add_bridge(&self, name: &str, mtu: u32) {
        self.lock().links.add_bridge(name, mtu);
    }

    /// Makes a program.
    pub fn add_program(&self, path: impl Into<PathBuf>, script: Script) {
        self.lock().programs.insert(path.into(), script);
    }

    /// Has the backends of devices that come from now on behave so.
    pub fn set_backends(&self, manners: Back) {
        self.lock().manners = manners;
    }

    /// The loop devices that are made of something, each with what it is made of.
    pub fn loops(&self) -> Vec<String> {
        self.lock().blocks.loops()
    }

    /// The network interfaces, each with its settings.
    pub fn links(&self) -> Vec<String> {
        self.lock().links.list()
    }

    /// The devices that backends have, by the names of the bus: `vbd-7-51712`, and so those of a QEMU.
    pub fn backends(&self) -> Vec<String> {
        self.lock().served()
    }

    pub(crate) fn left(&self) -> Left {
        let state = self.lock();
        Left {
            loops: state.blocks.loops(),
            links: state.links.list(),
            backends: state.served(),
            open: state.blocks.users(),
        }
    }

    /// Whether this is the first who wants drivers.
    pub(crate) fn begin_to_drive(&self) -> bool {
        !std::mem::replace(&mut self.lock().driven, true)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The devices that backends have.
    fn served(&self) -> Vec<String> {
        self.backends.keys().chain(&self.of_qemus).cloned().collect()
    }
}
