//! What is in a drive of the kernel's backend, changed while the guest has the drive.
//!
//! blkback opens the disk that `physical-device` names, once: it then keeps that disk until the whole
//! device goes, and only complains if the node changes (`backend_changed`, `xen-blkback/xenbus.c`, Linux
//! 6.1). So a medium comes in place, and goes with the device, which comes again at once:
//!
//! ```text
//! unseen       no ends, the record alone
//!    │ insert       both ends, as for plugging
//!    ▼
//! full         backend Connected; the guest has a disk  ◀────────────────────────────┐
//!    │ eject        as for unplugging; then the ends are removed, and written anew   │ insert
//!    ▼                                                                               │
//! waiting      backend InitWait, no physical-device; the guest has no disk  ─────────┘
//! ```
//!
//! Linux waits at boot for all frontends that it finds, up to 270 s (`wait_for_devices`,
//! `xenbus/xenbus_probe_frontend.c`): so a drive has none until it was filled once. After that a guest may
//! use it, and took the next medium for the last one if no end stood there meanwhile (`xenbus_dev_changed`).
//!
//! The record stays all the time: whoever dies in between leaves a drive without ends, which is
//! unplugged, filled and emptied as any other.

use xs::{Path, Store, View};

use crate::handshake::XenbusState;
use crate::id::Ends;
use crate::paths::DomainPaths;
use crate::tree::Tree;

/// What a drive says besides its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tray {
    /// The serving end says that the guest has locked the tray. OpenXT's and xapi's QEMU do; the
    /// kernel's backend cannot know.
    pub locked: bool,
    /// The guest has asked for the medium to be taken out, in its own word (`libxl_evenable_disk_eject`).
    pub asked: bool,
}

impl Tray {
    /// Looks at a drive.
    ///
    /// # Errors
    /// As for [`View::read`].
    pub fn read(store: &impl View, ends: &Ends) -> xs::Result<Self> {
        let values =
            store.read_each(&[ends.backend().join(LOCKED), ends.frontend().join(EJECT)])?;
        let is =
            |at: usize, word: &[u8]| values.get(at).is_some_and(|v| v.as_deref() == Some(word));
        Ok(Self { locked: is(0, b"true"), asked: is(1, ASKED) })
    }
}

/// How the nodes of a medium came to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// Not at all: something is in the drive already.
    Full,
    /// Into the nodes of the drive.
    InPlace,
    /// With the drive, which had no ends.
    Anew,
}

/// The nodes of an empty drive that no guest has seen: its record, of the tree that has its ends too.
pub fn unseen(tree: Tree, ends: &Ends) -> Tree {
    tree.below(&ends.record())
}

/// Writes a medium into a drive: `tree` is the drive with it. For use in a transaction.
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if there is no record of the drive, or its domain has gone.
pub fn insert(tx: &impl Store, ends: &Ends, tree: &Tree) -> xs::Result<Inserted> {
    if rewrite(tx, ends, tree)? {
        return Ok(Inserted::Anew);
    }
    let (back, record) = (ends.backend(), ends.record());
    if tx.read_opt(&back.join("physical-device"))?.is_some() {
        return Ok(Inserted::Full);
    }
    // What an earlier script said would be taken for the word of the next one.
    for old in ["hotplug-status", "hotplug-error"] {
        tx.rm_if_exists(&back.join(old))?;
    }
    for node in tree.nodes() {
        let below = |top: &Path| node.path.as_str().strip_prefix(top.as_str());
        let key = below(&back).or_else(|| below(&record)).unwrap_or_default();
        if !matches!(key, "" | "/state" | "/online") {
            tx.write(&node.path, &node.value)?;
        }
    }
    Ok(Inserted::InPlace)
}

/// Writes the nodes of a device that is recorded and has no serving end any more, its record too;
/// whether it did. For use in a transaction.
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if the domain has no home or the device no record.
pub fn rewrite(tx: &impl Store, ends: &Ends, tree: &Tree) -> xs::Result<bool> {
    tx.read(&DomainPaths(ends.device.dom).home())?;
    tx.read(&ends.record().join("backend"))?;
    if tx.read_opt(&ends.backend())?.is_some() {
        return Ok(false);
    }
    for remains in [ends.frontend(), ends.error(), ends.device.error(), ends.record()] {
        tx.rm_if_exists(&remains)?;
    }
    tree.write_to(tx)?;
    Ok(true)
}

/// Whether the guest has begun to use the end that it was given, by its own word.
///
/// # Errors
/// As for [`View::read`].
pub fn is_noticed(store: &impl View, ends: &Ends) -> xs::Result<bool> {
    let state = store.read_opt(&ends.frontend().join("state"))?;
    Ok(state.is_some_and(|state| XenbusState::parse(&state) != XenbusState::Initialising))
}

/// Answers a guest that asked for the medium, as libxl does: with nothing. Nothing is written where the
/// guest did not ask.
///
/// # Errors
/// As for [`Store::write`].
pub fn answer(tx: &impl Store, ends: &Ends) -> xs::Result<()> {
    let asked = ends.frontend().join(EJECT);
    match tx.read_opt(&asked)?.as_deref() {
        Some(ASKED) => tx.write(&asked, ""),
        _ => Ok(()),
    }
}

/// Of the serving end, where QEMU says `true` or `false`.
const LOCKED: &str = "locked";
/// Of the frontend, where the guest asks, and what it says.
const EJECT: &str = "eject";
const ASKED: &[u8] = b"eject";
