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

use xen_types::{Deadline, DomId};
use xs::{Client, Store, ask};

use crate::handshake::XenbusState;
use crate::id::Ends;
use crate::paths::DomainPaths;
use crate::setback::Setback;
use crate::sighting::{Plug, Sighting};
use crate::tree::Tree;
use crate::waiting::{Verdict, wait};

/// Writes the nodes of a device, unless there is one of its kind and number; whether it did. For use
/// in a transaction.
///
/// A frontend's nodes without backend and record are remains, and replaced. So are errors that an
/// earlier device of the same number left.
///
/// # Errors
/// [`Kind::NotFound`](xs::Kind::NotFound) if the domain, or the one that serves it, has no home: it
/// has gone, and a write would make its home again.
#[doc(alias = "libxl__device_generic_add")]
pub fn write(tx: &impl Store, ends: &Ends, tree: &Tree) -> xs::Result<bool> {
    tx.read(&DomainPaths(ends.device.dom).home())?;
    if ends.server != DomId::DOM0 {
        tx.read(&DomainPaths(ends.server).home())?;
    }
    let there = tx.read_each(&[ends.record(), ends.backend()])?;
    if there.iter().any(Option::is_some) {
        return Ok(false);
    }
    let remains = [ends.frontend(), ends.error(), ends.device.error()];
    tx.batch(remains.iter().map(ask::rm_if_exists)).into_iter().collect::<xs::Result<()>>()?;
    tree.write_to(tx)?;
    Ok(true)
}

/// Waits until the backend's driver has taken a device. `keep_on` is asked ten times a second whether
/// to go on.
///
/// # Errors
/// [`Setback::Failed`] as soon as the driver or a script complains, or the backend closes or
/// vanishes; [`Setback::TimedOut`] at the deadline; [`Setback::Stopped`] if `keep_on` says no.
pub fn await_taken(
    store: &Client,
    ends: &Ends,
    deadline: Deadline,
    keep_on: impl FnMut() -> bool,
) -> Result<(), Setback> {
    wait(store, ends, deadline, keep_on, "the backend's driver to take it", |seen| {
        match seen.plug() {
            Plug::Taken => Verdict::Done(()),
            Plug::Pending => Verdict::NotYet,
            Plug::Failed(why) => Verdict::Never(failed(why, seen)),
        }
    })
}

/// Waits until a hotplug script that somebody else runs has answered that the host's side is connected.
///
/// # Errors
/// As for [`await_taken`]; any other answer is a failure, too.
pub fn await_hotplug(
    store: &Client,
    ends: &Ends,
    deadline: Deadline,
    keep_on: impl FnMut() -> bool,
) -> Result<(), Setback> {
    wait(store, ends, deadline, keep_on, "the hotplug script's answer", |seen| {
        match (seen.plug(), seen.hotplug_status.as_deref()) {
            (Plug::Failed(why), _) => Verdict::Never(failed(why, seen)),
            (_, Some("connected")) => Verdict::Done(()),
            (_, None) => Verdict::NotYet,
            (_, Some(_)) => Verdict::Never(failed(Some("the script failed".to_owned()), seen)),
        }
    })
}

/// Waits until the frontend has connected. A guest that is paused or has no driver never does.
///
/// # Errors
/// As for [`await_taken`].
pub fn await_connected(
    store: &Client,
    ends: &Ends,
    deadline: Deadline,
    keep_on: impl FnMut() -> bool,
) -> Result<(), Setback> {
    wait(store, ends, deadline, keep_on, "both ends to connect", |seen| match seen.plug() {
        Plug::Failed(why) => Verdict::Never(failed(why, seen)),
        _ if seen.backend == Some(XenbusState::Connected) => Verdict::Done(()),
        _ => Verdict::NotYet,
    })
}

fn failed(why: Option<String>, last: &Sighting) -> Setback {
    let silent = match last.hotplug_status.as_deref() {
        Some("error" | "busy") => "the script failed",
        _ if matches!(last.frontend, Some(XenbusState::Closing | XenbusState::Closed)) => {
            "the guest's driver gave up without a word, as one does that may make no more nodes in the \
             store"
        }
        _ => "the backend gave up without a word",
    };
    let why = why.unwrap_or_else(|| silent.to_owned());
    Setback::Failed { why, last: Box::new(last.clone()) }
}
