//! Which calls fail, and how.

use std::collections::HashMap;
use std::fmt;

/// Which call of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The n-th of all that the process makes, counted from 1.
    Nth(usize),
    /// The n-th of this name, counted from 1.
    NthOf(&'static str, usize),
    /// Every one of this name.
    Every(&'static str),
}

impl Which {
    fn is(self, name: &str, all: usize, of_name: usize) -> bool {
        match self {
            Self::Nth(number) => number == all,
            Self::NthOf(wanted, number) => wanted == name && number == of_name,
            Self::Every(wanted) => wanted == name,
        }
    }
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It does nothing, and says so.
    Undone,
    /// It does its work, and says that it failed.
    Unheard,
    /// Of the end of a transaction: another change came before it. Elsewhere as [`How::Undone`].
    Conflict,
    /// The process is killed before it.
    DeathBefore,
    /// The process is killed before it hears of the outcome.
    DeathAfter,
}

/// Something that somebody else does.
pub(crate) struct Deed(pub(crate) Box<dyn FnOnce() + Send>);

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deed")
    }
}

/// What goes wrong with the calls of a process.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    faults: Vec<(Which, How)>,
    /// What others do before a call.
    deeds: Vec<(Which, Deed)>,
    /// How many calls were made, and how many of each name.
    all: usize,
    of_name: HashMap<String, usize>,
    /// The names of the calls made since the last [`Plan::forget`], in order.
    made: Vec<String>,
    failed: Option<String>,
}

impl Plan {
    pub(crate) fn new(faults: &[(Which, How)]) -> Self {
        Self { faults: faults.into(), ..Self::default() }
    }

    /// Counts a call and says what goes wrong with it.
    pub(crate) fn verdict(&mut self, name: &str) -> Option<How> {
        self.made.push(name.to_owned());
        self.all += 1;
        let of_name = match self.of_name.get_mut(name) {
            Some(count) => count,
            None => self.of_name.entry(name.to_owned()).or_default(),
        };
        *of_name += 1;
        let of_name = *of_name;
        let all = self.all;
        let hit = |(which, _): &&(Which, How)| which.is(name, all, of_name);
        let how = self.faults.iter().find(hit).map(|(_, how)| *how);
        if how.is_some() {
            self.failed = Some(format!("call {all}, {name}"));
        }
        how
    }

    /// Has somebody do something before a call.
    pub(crate) fn add_deed(&mut self, which: Which, deed: Deed) {
        self.deeds.push((which, deed));
    }

    /// What somebody does before the call that was counted last, once.
    pub(crate) fn deed(&mut self, name: &str) -> Option<Deed> {
        let (all, of_name) = (self.all, self.of_name.get(name).copied().unwrap_or_default());
        let at = self.deeds.iter().position(|(which, _)| which.is(name, all, of_name))?;
        Some(self.deeds.remove(at).1)
    }

    pub(crate) fn failed(&self) -> Option<String> {
        self.failed.clone()
    }

    pub(crate) fn made(&self) -> &[String] {
        &self.made
    }

    /// Forgets the names of the calls made, and goes on counting.
    pub(crate) fn forget(&mut self) {
        self.made.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_hit_by_number_or_by_name() {
        let faults = [(Which::Nth(2), How::Undone), (Which::NthOf("b", 2), How::Unheard)];
        let mut plan = Plan::new(&faults);
        let verdicts = ["b", "a", "b", "b"].map(|name| plan.verdict(name));
        assert_eq!(verdicts, [None, Some(How::Undone), Some(How::Unheard), None]);
        assert_eq!(plan.failed().as_deref(), Some("call 3, b"));
    }

    #[test]
    fn what_somebody_does_before_a_call_is_done_once() {
        let mut plan = Plan::default();
        plan.add_deed(Which::Every("b"), Deed(Box::new(|| {})));
        let deeds = ["a", "b", "b"].map(|name| {
            plan.verdict(name);
            plan.deed(name).is_some()
        });
        assert_eq!(deeds, [false, true, false]);
    }

    #[test]
    fn calls_that_are_forgotten_still_count() {
        let mut plan =
            Plan::new(&[(Which::Nth(3), How::Undone), (Which::NthOf("a", 3), How::Unheard)]);
        plan.verdict("a");
        plan.forget();
        let verdicts = ["a", "b", "a"].map(|name| plan.verdict(name));
        assert_eq!(verdicts, [None, Some(How::Undone), Some(How::Unheard)]);
        assert_eq!(plan.made(), ["a", "b", "a"]);
    }
}
