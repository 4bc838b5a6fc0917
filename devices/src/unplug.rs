//! Taking a device away: who holds it decides how.
//!
//! ```text
//! backend shows                          parting   what is written
//! missing, Initialising                  Drop      nothing: nobody holds it; in another domain, whose
//!                                                  driver may take it yet, online=0, and the frontend's
//!                                                  nodes go, without which it lets go again
//! InitWait, Initialised, Closed          Cut       online=0, state=5, the frontend's nodes go;
//!                                                  for QEMU, the frontend's state=6
//! Connected, Closing, Reconfigur*        Ask       online=0, state=5
//! ```
//!
//! Asked, the frontend closes and then the backend (`Closed`). A backend whose frontend never
//! connected has nobody to answer it; it lets go when the frontend's nodes vanish, which is also how
//! a device is taken from a guest that does not answer. libxl asks first in all cases, waits 10 s
//! and then cuts (`libxl__initiate_device_generic_remove`, `libxl_device.c`).
//!
//! QEMU does not notice that a frontend's nodes have gone: it looks at changes below them alone
//! (`xenstore_update_fe`, `hw/xen/xen-legacy-backend.c` of QEMU 7.2 and 10.0), and never at its own
//! `state`. What it does notice is a frontend that has closed, so that is written in the guest's place.

use xen_types::{Deadline, DomId};
use xs::{Client, Path, Store, View, ask};

use crate::handshake::{Link, XenbusState};
use crate::id::Ends;
use crate::setback::Setback;
use crate::waiting::{Verdict, wait};

/// How a device is taken from who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// Nobody holds it.
    Drop,
    /// The backend's driver alone holds it.
    Cut,
    /// The guest may be using it.
    Ask,
}

impl Parting {
    /// How to part from a backend in this state.
    pub const fn from(state: Option<XenbusState>) -> Self {
        match state {
            None | Some(XenbusState::Initialising) => Self::Drop,
            Some(
                XenbusState::Connected
                | XenbusState::Closing
                | XenbusState::Reconfiguring
                | XenbusState::Reconfigured,
            ) => Self::Ask,
            // What a state says that is not known here is not clear: a cut ends it in any case.
            Some(_) => Self::Cut,
        }
    }
}

/// Begins to take a device away and says how. With `hard` the guest is not asked.
///
/// # Errors
/// The store said no, or was silent.
pub fn begin(store: &Client, ends: &Ends, hard: bool) -> xs::Result<Parting> {
    let (front, back) = (ends.frontend(), ends.backend());
    let (state, online, front_state) =
        (back.join("state"), back.join("online"), front.join("state"));
    let (closing, closed) =
        (XenbusState::Closing.raw().to_string(), XenbusState::Closed.raw().to_string());
    store.transaction(|tx| {
        let shown = tx.read_opt(&state)?.map(|value| XenbusState::parse(&value));
        let parting = match Parting::from(shown) {
            Parting::Ask if hard => Parting::Cut,
            parting => parting,
        };
        if parting == Parting::Drop {
            if shown.is_some() && ends.server != DomId::DOM0 && !ends.served_as.is_qemus() {
                let asked = [ask::write(&online, "0"), ask::rm_if_exists(&front)];
                tx.batch(asked).into_iter().collect::<xs::Result<()>>()?;
            }
            return Ok(parting);
        }
        let asked = [
            Some(ask::write(&online, "0")),
            (shown != Some(XenbusState::Closed)).then(|| ask::write(&state, &closing)),
            match parting {
                // A write would make a frontend again that has gone.
                Parting::Cut if ends.served_as.is_qemus() => {
                    tx.read_opt(&front_state)?.map(|_| ask::write(&front_state, &closed))
                }
                Parting::Cut => Some(ask::rm_if_exists(&front)),
                _ => None,
            },
        ];
        tx.batch(asked.into_iter().flatten()).into_iter().collect::<xs::Result<()>>()?;
        Ok(parting)
    })
}

/// Waits until the backend has let go of a device that [`begin`] asked for. `keep_on` is asked ten
/// times a second whether to go on.
///
/// # Errors
/// [`Setback::TimedOut`] at the deadline, with the words of both ends; [`Setback::Replaced`] if
/// another device stands there meanwhile; [`Setback::Stopped`] if `keep_on` says no.
pub fn await_closed(
    store: &Client,
    ends: &Ends,
    deadline: Deadline,
    keep_on: impl FnMut() -> bool,
) -> Result<(), Setback> {
    let mut link = Link::Leaving;
    wait(store, ends, deadline, keep_on, "the other end to let go", |seen| {
        match link.next(seen.seen()) {
            Ok(Link::Left | Link::Gone) => Verdict::Done(()),
            Ok(next) => {
                link = next;
                Verdict::NotYet
            }
            Err(other) => Verdict::Never(other.into()),
        }
    })
}

/// Waits until somebody else, who did the host's part of a device, has taken it back: udev's scripts, which
/// remove the answer that they gave, or a driver domain, which removes its end (`xl devd`). `keep_on` is
/// asked ten times a second whether to go on.
///
/// # Errors
/// [`Setback::TimedOut`] at the deadline, with what was seen last; [`Setback::Stopped`] if `keep_on` says
/// no.
pub fn await_taken_back(
    store: &Client,
    ends: &Ends,
    deadline: Deadline,
    keep_on: impl FnMut() -> bool,
) -> Result<(), Setback> {
    wait(store, ends, deadline, keep_on, "the host's part to be taken back", |seen| {
        match (seen.backend, seen.hotplug_status.as_deref()) {
            (Some(_), Some("connected")) => Verdict::NotYet,
            _ => Verdict::Done(()),
        }
    })
}

/// All nodes of a device, those of its errors too, the record last: it says what there is to remove.
#[doc(alias = "libxl__device_destroy")]
pub fn nodes(ends: &Ends) -> Vec<Path> {
    let errors = [ends.error(), ends.device.error()].map(|error| error.parent());
    let [served, used] = errors;
    let ours = [Some(ends.frontend()), Some(ends.backend()), served, used, Some(ends.record())];
    ours.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frontend_that_may_use_the_device_is_asked() {
        assert_eq!(Parting::from(Some(XenbusState::Connected)), Parting::Ask);
        assert_eq!(Parting::from(Some(XenbusState::Reconfigured)), Parting::Ask);
        assert_eq!(Parting::from(Some(XenbusState::Closing)), Parting::Ask);
    }

    #[test]
    fn a_backend_without_a_frontend_is_cut_off() {
        assert_eq!(Parting::from(Some(XenbusState::InitWait)), Parting::Cut);
        assert_eq!(Parting::from(Some(XenbusState::Closed)), Parting::Cut);
        assert_eq!(Parting::from(Some(XenbusState::Other(12))), Parting::Cut);
    }

    #[test]
    fn what_no_driver_has_looked_at_is_dropped() {
        assert_eq!(Parting::from(Some(XenbusState::Initialising)), Parting::Drop);
        assert_eq!(Parting::from(None), Parting::Drop);
    }
}
