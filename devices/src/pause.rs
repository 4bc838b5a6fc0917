//! Stopping a disk for a while: the guest keeps it, and its requests wait.
//!
//! ```text
//! runs ──`pause` written──▶ asked ──the backend──▶ `pause-done` appears: paused
//!   ▲                                                  │ `pause` removed
//!   └──────────── `pause-done` vanishes ◀──the backend─┘
//! ```
//!
//! Only the backends in the kernels of xapi and OpenXT do it (`Device.Vbd.pause` in their toolstacks);
//! nothing in the store says whether a backend does. Linux's blkback and QEMU never answer.

use xs::{Condition, Store, any_of, appears, vanishes};

use crate::id::Ends;

/// What became of a request to pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The disk is paused already.
    Paused,
    /// The backend has been asked, now or before.
    Asked,
}

/// Asks a disk's backend to pause it. For use in a transaction.
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if there is no backend.
pub fn ask(tx: &impl Store, ends: &Ends) -> xs::Result<Asked> {
    let back = ends.backend();
    tx.read(&back.join("state"))?;
    if tx.read_opt(&back.join(DONE))?.is_some() {
        return Ok(Asked::Paused);
    }
    tx.write(&back.join(PAUSE), "")?;
    Ok(Asked::Asked)
}

/// Takes a request back, unless the backend has answered it; whether the disk is paused. For use in a
/// transaction.
///
/// # Errors
/// As for [`Store::rm`].
pub fn withdraw(tx: &impl Store, ends: &Ends) -> xs::Result<bool> {
    let back = ends.backend();
    if tx.read_opt(&back.join(DONE))?.is_some() {
        return Ok(true);
    }
    tx.rm_if_exists(&back.join(PAUSE))?;
    Ok(false)
}

/// Lets a disk run; whether it was paused, so that the backend has to answer. For use in a transaction.
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if there is no backend.
pub fn end(tx: &impl Store, ends: &Ends) -> xs::Result<bool> {
    let back = ends.backend();
    tx.read(&back.join("state"))?;
    tx.rm_if_exists(&back.join(PAUSE))?;
    Ok(tx.read_opt(&back.join(DONE))?.is_some())
}

/// That the backend has paused the disk, or is gone.
pub fn paused(ends: &Ends) -> Condition {
    any_of([appears(ends.backend().join(DONE)), vanishes(ends.backend().join("state"))])
}

/// That the disk runs again, or is gone.
pub fn running(ends: &Ends) -> Condition {
    vanishes(ends.backend().join(DONE))
}

const PAUSE: &str = "pause";
const DONE: &str = "pause-done";
