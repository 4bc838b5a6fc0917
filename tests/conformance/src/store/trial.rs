//! Every fact on every daemon, by every front-end that it is about.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::conn::Front;
use super::ctx::Ctx;
use super::fact::{Fact, Subject};
use super::host::Store;
use super::place::{self, Place};

/// One run of one fact.
pub struct Trial {
    /// Such as `c/ring/blocking/what_is_written_is_read`.
    pub name: String,
    /// It needs a daemon, that is, more than this process.
    pub needs_daemon: bool,
    fact: Fact,
    place: PlaceOf,
    subject: Subject,
    front: Front,
}

/// A store that starts when the first fact wants it.
#[derive(Clone)]
enum PlaceOf {
    Shared(Store, Arc<OnceLock<Arc<Place>>>),
    Dom0(Arc<OnceLock<Arc<Place>>>),
}

/// All that can be run here: on ours, and on daemons if there are some to start, else in dom0.
pub fn trials() -> Vec<Trial> {
    let facts = super::all();
    let names: BTreeSet<_> = facts.iter().map(|fact| fact.name).collect();
    assert_eq!(names.len(), facts.len(), "two facts have the same name");
    let shared = |store| PlaceOf::Shared(store, Arc::default());
    let places = if place::has_daemons() {
        [Store::Ours, Store::C, Store::OCaml].map(shared).to_vec()
    } else {
        vec![shared(Store::Ours), PlaceOf::Dom0(Arc::default())]
    };
    let on = |place: &PlaceOf| facts.iter().flat_map(|fact| of(*fact, place)).collect::<Vec<_>>();
    places.iter().flat_map(on).collect()
}

fn of(fact: Fact, place: &PlaceOf) -> Vec<Trial> {
    let standalone = matches!(place, PlaceOf::Shared(..));
    let subjects: &[Subject] = match fact.subject {
        _ if fact.alone && !standalone => &[],
        Subject::Anyone if standalone => &[Subject::Dom0, Subject::Guest],
        Subject::Guest if !standalone => &[],
        Subject::Guest => &[Subject::Guest],
        Subject::Anyone | Subject::Dom0 => &[Subject::Dom0],
    };
    let fronts: &[Front] = if fact.by_hand { &[Front::ByHand] } else { Front::CLIENTS };
    let with = |subject| {
        fronts.iter().map(move |front| {
            let transport = if subject == Subject::Guest { "ring" } else { "socket" };
            let name = format!("{place}/{transport}/{front}/{}", fact.name);
            let needs_daemon = !matches!(place, PlaceOf::Shared(Store::Ours, _));
            Trial { name, needs_daemon, fact, place: place.clone(), subject, front: *front }
        })
    };
    subjects.iter().copied().flat_map(with).collect()
}

impl Trial {
    /// Shows the fact, or panics.
    pub fn run(&self) {
        let place = match &self.place {
            PlaceOf::Shared(store, _) if self.fact.alone || self.fact.apart => {
                Arc::new(Place::start(*store))
            }
            PlaceOf::Shared(store, shared) => {
                Arc::clone(shared.get_or_init(|| Arc::new(Place::start(*store))))
            }
            PlaceOf::Dom0(here) => Arc::clone(here.get_or_init(|| Arc::new(Place::here()))),
        };
        let ctx = Ctx::new(place, self.subject, self.front, self.fact.name);
        (self.fact.show)(&ctx);
    }
}

impl fmt::Display for PlaceOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(store, _) => store.fmt(f),
            Self::Dom0(_) => f.write_str("dom0"),
        }
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trial").field(&self.name).finish()
    }
}
