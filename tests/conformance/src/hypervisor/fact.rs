//! A fact, and what it takes to show it.

use std::error::Error;

use super::Ctx;

/// What showing a fact comes to.
pub(super) type Outcome = Result<(), Box<dyn Error>>;

/// Something that is true of the hypervisor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    pub(super) subject: &'static str,
    pub(super) name: &'static str,
    pub(super) show: fn(&Ctx) -> Outcome,
    /// Why it is not shown on simulated machines, if it is not.
    pub(super) not_simulated: Option<&'static str>,
}

/// Names functions after themselves and after their module.
macro_rules! facts {
    ($($show:ident),* $(,)?) => {
        [$($crate::hypervisor::Fact {
            subject: module_path!(),
            name: stringify!($show),
            show: $show,
            not_simulated: None,
        }),*]
    };
}
pub(super) use facts;

impl Fact {
    /// The last part of the module's path.
    pub(super) fn subject(&self) -> &'static str {
        self.subject.rsplit(':').next().unwrap_or(self.subject)
    }
}

/// More about several facts.
pub(super) trait Facts {
    /// They are shown on a real Xen only.
    fn not_simulated(self, why: &'static str) -> Vec<Fact>;
}

impl<const N: usize> Facts for [Fact; N] {
    fn not_simulated(self, why: &'static str) -> Vec<Fact> {
        self.map(|fact| Fact { not_simulated: Some(why), ..fact }).into()
    }
}
