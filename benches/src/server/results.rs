//! What came of it: a line for each race, and whether that was what was aimed at.

use std::fmt;

use anyhow::Result;

use super::races::{Against, Race};
use super::stores::Stores;
use crate::cases::Shown;
use crate::measure::{Samples, Spread};
use crate::table::{Aim, in_columns};

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    what: String,
    /// The figures, in the order of [`Stores::NAMES`].
    figures: [String; 3],
    /// What the aim is about.
    ratio: f64,
    /// How far the ratios of the rounds lie apart.
    quartiles: Option<(f64, f64)>,
    aim: Aim,
}

/// All lines.
#[derive(Debug, Default)]
pub struct Results {
    lines: Vec<Line>,
}

impl Line {
    /// What the samples of a race's contenders say.
    pub fn of_race(race: &Race<'_>, samples: &[Samples]) -> Self {
        let (stores, without) = samples.split_at(Stores::NAMES.len());
        let median = |samples: &Samples| samples.spread().median;
        let ratio = match race.against {
            Against::Better => {
                stores[better(median(&stores[1]), median(&stores[2]))].over(&stores[0])
            }
            Against::C => stores[1].over(&stores[0]),
            Against::Unloaded => stores[0].over(&without[0]),
        };
        let figure = |at: usize| {
            let own = figure(race.shown, stores[at].spread());
            match without.get(at) {
                Some(empty) => format!("{own} × {:.2}", stores[at].over(empty).median),
                None => own,
            }
        };
        Self {
            what: race.what.clone(),
            figures: [figure(0), figure(1), figure(2)],
            ratio: ratio.median,
            quartiles: Some((ratio.lower, ratio.upper)),
            aim: race.aim,
        }
    }

    /// What memory the stores have, in the words of a load.
    ///
    /// # Errors
    /// If one of them has ended.
    pub fn of_memory(what: &str, stores: &Stores) -> Result<Self> {
        let [ours, c, ocaml] = stores.each().each_ref().map(|store| store.memory());
        let kib = [ours?, c?, ocaml?];
        Ok(Self {
            what: format!("memory, with {what}"),
            figures: kib.map(|kib| format!("{:.1} MiB", kib / 1024.0)),
            ratio: kib[0] / kib[better(kib[1], kib[2])],
            quartiles: None,
            aim: Aim::AtMost(3.0),
        })
    }

    fn is_met(&self) -> bool {
        self.aim.met(Some(self.ratio))
    }

    fn cells(&self) -> [String; 8] {
        let quartiles = self.quartiles.map(|(low, high)| format!("{low:.2} – {high:.2}"));
        let [ours, c, ocaml] = self.figures.clone();
        [
            self.what.clone(),
            ours,
            c,
            ocaml,
            format!("{:.2}", self.ratio),
            quartiles.unwrap_or_default(),
            self.aim.to_string(),
            if self.is_met() { "met" } else { "missed" }.to_owned(),
        ]
    }
}

impl Results {
    /// Adds a line.
    pub fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// How many lines there are, each with an aim, and how many of these are met.
    pub fn aims(&self) -> (usize, usize) {
        (self.lines.len(), self.lines.iter().filter(|line| line.is_met()).count())
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ours, c, ocaml] = Stores::NAMES;
        let head = ["what", ours, c, ocaml, "ratio", "quartiles", "aim", ""].map(str::to_owned);
        let lines: Vec<_> = [head].into_iter().chain(self.lines.iter().map(Line::cells)).collect();
        f.write_str(&in_columns(&lines, &NUMBERS))
    }
}

fn figure(shown: Shown, per_operation: Spread) -> String {
    match shown {
        Shown::Time | Shown::Speed => format!("{:.1} µs", per_operation.median / 1e3),
        Shown::Rate => format!("{:.1} k/s", 1e6 / per_operation.median),
    }
}

/// Which of the two real daemons takes less, as an index.
fn better(c: f64, ocaml: f64) -> usize {
    if ocaml < c { 2 } else { 1 }
}

/// The columns with numbers.
const NUMBERS: [usize; 4] = [1, 2, 3, 4];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::{Contender, measure};

    /// The line of a race whose contenders take so many nanoseconds for an operation.
    fn line(against: Against, aim: Aim, nanoseconds: &'static [u64]) -> Line {
        let contender = |&nanos| Contender::new("it", move |_| Ok(Duration::from_nanos(nanos)));
        let race = Race {
            what: "reads".to_owned(),
            operations: 1,
            shown: Shown::Time,
            contenders: nanoseconds.iter().map(contender).collect(),
            against,
            aim,
            plotted: None,
        };
        let samples = measure(&race.contenders, 3, 1).unwrap();
        Line::of_race(&race, &samples)
    }

    #[test]
    fn speed_is_compared_with_the_better_of_the_two() {
        let line = line(Against::Better, Aim::AtLeast(1.8), &[10_000, 30_000, 20_000]);
        assert_eq!(line.ratio, 2.0);
        assert!(line.is_met());
    }

    #[test]
    fn a_load_is_compared_with_the_same_store_without() {
        let nanoseconds = &[20_000, 60_000, 40_000, 10_000, 10_000, 40_000];
        let line = line(Against::Unloaded, Aim::AtMost(1.3), nanoseconds);
        assert_eq!(line.ratio, 2.0);
        assert_eq!(line.figures, ["20.0 µs × 2.00", "60.0 µs × 6.00", "40.0 µs × 1.00"]);
        assert!(!line.is_met());
    }

    #[test]
    fn some_races_are_with_the_c_daemon_alone() {
        let line = line(Against::C, Aim::AtLeast(4.0), &[10_000, 30_000, 20_000]);
        assert_eq!(line.ratio, 3.0);
        assert!(!line.is_met());
    }
}
