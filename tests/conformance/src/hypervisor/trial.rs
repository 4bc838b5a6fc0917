//! Every fact on every machine.

use std::collections::BTreeSet;
use std::fmt;

use xc::Release;

use super::ctx::Ctx;
use super::fact::Fact;

/// One run of one fact.
pub struct Trial {
    /// Such as `sim-4.17/domains/pauses_count`.
    pub name: String,
    /// It runs in dom0 of a real Xen.
    pub needs_xen: bool,
    fact: Fact,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Simulated(Release),
    Real,
}

/// All that can be run, here or there.
pub fn trials() -> Vec<Trial> {
    let facts = super::all();
    let names: BTreeSet<_> = facts.iter().map(|fact| fact.name).collect();
    assert_eq!(names.len(), facts.len(), "two facts have the same name");
    let simulated = SIMULATED.map(|minor| Place::Simulated(Release::new(4, minor)));
    let on = |place: Place| facts.iter().filter_map(move |fact| Trial::of(*fact, place));
    simulated.into_iter().chain([Place::Real]).flat_map(on).collect()
}

impl Trial {
    fn of(fact: Fact, place: Place) -> Option<Self> {
        let needs_xen = matches!(place, Place::Real);
        if fact.not_simulated.is_some() && !needs_xen {
            return None;
        }
        let name = format!("{place}/{}/{}", fact.subject(), fact.name);
        Some(Self { name, needs_xen, fact, place })
    }

    /// Shows the fact.
    ///
    /// # Errors
    /// What kept it from being shown; what is not true panics.
    pub fn run(&self) -> Result<(), Box<dyn std::error::Error>> {
        let ctx = match self.place {
            Place::Simulated(release) => Ctx::simulated(release)?,
            Place::Real => Ctx::real()?,
        };
        (self.fact.show)(&ctx)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulated(release) => write!(f, "sim-{release}"),
            Self::Real => f.write_str("xen"),
        }
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trial").field(&self.name).finish()
    }
}

/// The minor numbers of the releases that the lab has.
const SIMULATED: [u16; 2] = [17, 20];
