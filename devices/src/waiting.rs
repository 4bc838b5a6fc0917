//! The wait that bringing and taking away have in common: look at both ends, and again whenever the
//! backend's nodes change.
//!
//! One watch is enough: a driver that writes its error node, which stands elsewhere, closes the
//! backend as well (`xenbus_dev_fatal` in Linux), and scripts write into the backend's folder.

use std::time::Duration;

use xen_types::Deadline;
use xs::Client;

use crate::id::Ends;
use crate::setback::Setback;
use crate::sighting::Sighting;

/// Looks until `verdict` has one. `keep_on` is asked ten times a second whether to go on.
pub(crate) fn wait<T>(
    store: &Client,
    ends: &Ends,
    deadline: Deadline,
    mut keep_on: impl FnMut() -> bool,
    what: &'static str,
    mut verdict: impl FnMut(&Sighting) -> Verdict<T>,
) -> Result<T, Setback> {
    let store = store.with_deadline(deadline);
    let mut last = Box::<Sighting>::default();
    let late = |error: xs::Error, last| match error.kind() {
        xs::Kind::TimedOut => Setback::TimedOut { what, last },
        _ => error.into(),
    };
    let mut changes = store.watch(&ends.backend()).map_err(|error| late(error, last.clone()))?;
    loop {
        match Sighting::read(&store, ends) {
            Ok(seen) => *last = seen,
            Err(error) => return Err(late(error, last)),
        }
        match verdict(&last) {
            Verdict::Done(value) => return Ok(value),
            Verdict::Never(setback) => return Err(setback),
            Verdict::NotYet => {}
        }
        if !keep_on() {
            return Err(Setback::Stopped);
        }
        match changes.wait(store.clock().next_look(LOOK_INTERVAL, deadline)) {
            Err(error) if error.kind() != xs::Kind::TimedOut => return Err(error.into()),
            Err(_) if store.clock().passed(deadline) => {
                return Err(Setback::TimedOut { what, last });
            }
            _ => while changes.try_next()?.is_some() {}, // one look answers all of them
        }
    }
}

/// What a look means for a wait.
pub(crate) enum Verdict<T> {
    /// It is over.
    Done(T),
    /// Something else may be seen later.
    NotYet,
    /// What is waited for will not come.
    Never(Setback),
}

const LOOK_INTERVAL: Duration = Duration::from_millis(100);
