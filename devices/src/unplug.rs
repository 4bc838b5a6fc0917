//! Taking a device away: who holds it decides how.
//!
//! ```text
//! backend shows                          parting   what is written
//! missing, Initialising                  Drop      nothing: nobody holds it
//! InitWait, Initialised, Closed          Cut       online=0, state=5, the frontend's nodes go
//! Connected, Closing, Reconfigur*        Ask       online=0, state=5
//! ```
//!
//! Asked, the frontend closes and then the backend (`Closed`). A backend whose frontend never
//! connected has nobody to answer it; it lets go when the frontend's nodes vanish, which is also how
//! a device is taken from a guest that does not answer. libxl asks first in all cases, waits 10 s
//! and then cuts (`libxl__initiate_device_generic_remove`, `libxl_device.c`).

use xen_types::Deadline;
use xs::{Client, Store, View};

use crate::handshake::{Link, XenbusState};
use crate::id::Ends;
use crate::setback::Setback;
use crate::sighting::Sighting;

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
    let (state, online) = (back.join("state"), back.join("online"));
    store.transaction(|tx| {
        let shown = tx.read_opt(&state)?.map(|value| XenbusState::parse(&value));
        let parting = match Parting::from(shown) {
            Parting::Ask if hard => Parting::Cut,
            parting => parting,
        };
        if parting == Parting::Drop {
            return Ok(parting);
        }
        tx.write(&online, "0")?;
        if shown != Some(XenbusState::Closed) {
            tx.write(&state, XenbusState::Closing.raw().to_string())?;
        }
        if parting == Parting::Cut {
            tx.rm_if_exists(&front)?;
        }
        Ok(parting)
    })
}

/// Waits until the backend has let go of a device that [`begin`] asked for.
///
/// # Errors
/// [`Setback::TimedOut`] at the deadline, with the words of both ends; [`Setback::Replaced`] if
/// another device stands there meanwhile.
pub fn await_closed(store: &Client, ends: &Ends, deadline: Deadline) -> Result<(), Setback> {
    let what = "the other end to let go";
    let mut link = Link::Leaving;
    let mut last = Sighting::default();
    let found = store.until(what, deadline, |look| {
        last = Sighting::read(look, ends)?;
        Ok(match link.next(last.seen()) {
            Ok(Link::Left | Link::Gone) => Some(Ok(())),
            Ok(next) => {
                link = next;
                None
            }
            Err(other) => Some(Err(other)),
        })
    });
    match found {
        Ok(closed) => Ok(closed?),
        Err(error) if error.kind() == xs::Kind::TimedOut => Err(Setback::TimedOut { what, last }),
        Err(error) => Err(error.into()),
    }
}

/// Removes all nodes of a device, those of its errors too.
///
/// # Errors
/// The store said no, or was silent.
#[doc(alias = "libxl__device_destroy")]
pub fn forget(store: &Client, ends: &Ends) -> xs::Result<()> {
    let errors = [ends.error(), ends.device.error()].map(|error| error.parent());
    let nodes = [ends.frontend(), ends.backend(), ends.record()];
    store.transaction(|tx| {
        let errors = errors.iter().flatten();
        nodes.iter().chain(errors).try_for_each(|node| tx.rm_if_exists(node))
    })
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
