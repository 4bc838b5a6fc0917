//! Bringing a device: its nodes appear at once, then the backend's driver takes it.
//!
//! ```text
//! write ──▶ backend Initialising ──driver──▶ InitWait ──frontend, hotplug──▶ Connected
//!                │ vanishes, closes, complains
//!                ▼
//!              failed: the words of hotplug-error or of the backend's error node
//! ```
//!
//! That the frontend connects is the guest's business: it may be paused, or have no driver.

use xen_types::Deadline;
use xs::{Client, Store};

use crate::handshake::XenbusState;
use crate::id::Ends;
use crate::paths::DomainPaths;
use crate::setback::Setback;
use crate::sighting::{Plug, Sighting};
use crate::tree::Tree;

/// Writes the nodes of a device, unless there is one of its kind and number; whether it did. For use
/// in a transaction.
///
/// A frontend's nodes without backend and record are remains, and replaced. So are errors that an
/// earlier device of the same number left.
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if the domain has no home: it has gone, and a write would
/// make its home again.
#[doc(alias = "libxl__device_generic_add")]
pub fn write(tx: &impl Store, ends: &Ends, tree: &Tree) -> xs::Result<bool> {
    tx.read(&DomainPaths(ends.device.dom).home())?;
    let there = tx.read_each(&[ends.record(), ends.backend()])?;
    if there.iter().any(Option::is_some) {
        return Ok(false);
    }
    for remains in [ends.frontend(), ends.error(), ends.device.error()] {
        tx.rm_if_exists(&remains)?;
    }
    tree.write_to(tx)?;
    Ok(true)
}

/// Waits until the backend's driver has taken a device.
///
/// # Errors
/// [`Setback::Failed`] as soon as the driver or a script complains, or the backend closes or
/// vanishes; [`Setback::TimedOut`] at the deadline.
pub fn await_taken(store: &Client, ends: &Ends, deadline: Deadline) -> Result<(), Setback> {
    wait(store, ends, deadline, "the backend's driver to take it", |sighting| {
        match sighting.plug() {
            Plug::Pending => Ok(None),
            Plug::Taken => Ok(Some(())),
            Plug::Failed(why) => Err(why),
        }
    })
}

/// Waits until the frontend has connected. A guest that is paused or has no driver never does.
///
/// # Errors
/// As for [`await_taken`].
pub fn await_connected(store: &Client, ends: &Ends, deadline: Deadline) -> Result<(), Setback> {
    wait(store, ends, deadline, "both ends to connect", |sighting| match sighting.plug() {
        Plug::Failed(why) => Err(why),
        _ => Ok((sighting.backend == Some(XenbusState::Connected)).then_some(())),
    })
}

fn wait<T>(
    store: &Client,
    ends: &Ends,
    deadline: Deadline,
    what: &'static str,
    mut verdict: impl FnMut(&Sighting) -> Result<Option<T>, Option<String>>,
) -> Result<T, Setback> {
    let mut last = Sighting::default();
    let found = store.until(what, deadline, |look| {
        last = Sighting::read(look, ends)?;
        Ok(verdict(&last).transpose())
    });
    match found {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(why)) => {
            let why = why.unwrap_or_else(|| "the backend gave up without a word".to_owned());
            Err(Setback::Failed { why, last })
        }
        Err(error) if error.kind() == xs::Kind::TimedOut => Err(Setback::TimedOut { what, last }),
        Err(error) => Err(error.into()),
    }
}
