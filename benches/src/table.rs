//! The one table: who against whom, by how much, and whether that is what was aimed at.

use std::fmt;

use crate::cases::{Case, Shown};
use crate::measure::{Samples, Spread};

/// What a ratio, or a count, should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// Smaller is better.
    AtMost(f64),
    /// Larger is better.
    AtLeast(f64),
    /// Neither more nor less.
    Exactly(f64),
    /// Only there to be compared with.
    None,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was done.
    pub what: &'static str,
    /// Who did it, and the figure.
    pub own: (&'static str, String),
    /// Who else did it, and that figure.
    pub peer: (&'static str, String),
    /// What the aim is about: a ratio or a count. Nothing if it could not be measured.
    pub outcome: Option<f64>,
    /// How far the ratios of the rounds lie apart.
    pub quartiles: Option<(f64, f64)>,
    /// What was aimed at.
    pub aim: Aim,
}

/// All lines.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Aim {
    /// Whether it is reached; what has no aim always is, what was not measured never.
    pub fn met(self, outcome: Option<f64>) -> bool {
        match (self, outcome) {
            (Self::None, _) => true,
            (_, None) => false,
            (Self::AtMost(limit), Some(outcome)) => outcome <= limit,
            (Self::AtLeast(limit), Some(outcome)) => outcome >= limit,
            (Self::Exactly(aim), Some(outcome)) => outcome == aim,
        }
    }
}

impl Table {
    /// Adds a line.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a sentence below the lines, unless it is there already.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds the lines that a case claims, from what was measured for each of its contenders.
    pub fn extend(&mut self, case: &Case<'_>, samples: &[Samples]) {
        let of = |name| {
            let at = case.contenders.iter().position(|contender| contender.name == name);
            &samples[at.expect("a claim is about contenders of its case")]
        };
        for &(own, peer, aim) in &case.claims {
            let figure = |samples: &Samples| figure(case.shown, samples.spread());
            let ratio = match case.shown {
                Shown::Time => of(own).over(of(peer)),
                Shown::Speed | Shown::Rate => of(peer).over(of(own)),
            };
            self.push(Row {
                what: case.what,
                own: (own, figure(of(own))),
                peer: (peer, figure(of(peer))),
                outcome: Some(ratio.median),
                quartiles: Some((ratio.lower, ratio.upper)),
                aim,
            });
        }
    }

    /// How many aims there are, and how many of them are met.
    pub fn aims(&self) -> (usize, usize) {
        let aims = self.rows.iter().filter(|row| row.aim != Aim::None);
        (aims.clone().count(), aims.filter(|row| row.aim.met(row.outcome)).count())
    }
}

fn figure(shown: Shown, per_operation: Spread) -> String {
    match shown {
        Shown::Time | Shown::Speed => format!("{:.1} µs", per_operation.median / 1e3),
        Shown::Rate => format!("{:.1} k/s", 1e6 / per_operation.median),
    }
}

impl Row {
    fn cells(&self) -> [String; 9] {
        let quartiles = self.quartiles.map(|(low, high)| format!("{low:.2} – {high:.2}"));
        let verdict = match self.aim {
            Aim::None => "",
            aim if aim.met(self.outcome) => "met",
            _ if self.outcome.is_none() => "not measured",
            _ => "missed",
        };
        [
            self.what.to_owned(),
            self.own.0.to_owned(),
            self.own.1.clone(),
            self.peer.0.to_owned(),
            self.peer.1.clone(),
            self.outcome.map_or_else(String::new, |outcome| match self.aim {
                Aim::Exactly(_) => format!("{outcome:.3}"),
                _ => format!("{outcome:.2}"),
            }),
            quartiles.unwrap_or_default(),
            self.aim.to_string(),
            verdict.to_owned(),
        ]
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
            Self::AtLeast(limit) => write!(f, "≥ {limit}"),
            Self::Exactly(aim) => write!(f, "= {aim}"),
            Self::None => Ok(()),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "who", "", "against", "", "is", "quartiles", "aim", ""];
        let lines = [head.map(str::to_owned)].into_iter().chain(self.rows.iter().map(Row::cells));
        f.write_str(&in_columns(&lines.collect::<Vec<_>>(), &RIGHT))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

/// Lines of cells, those of a column below each other, and to the right in some columns.
pub(crate) fn in_columns<const N: usize>(lines: &[[String; N]], right: &[usize]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    });
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            match right.contains(&column) {
                true => row.push_str(&format!("{cell:>width$}  ")),
                false => row.push_str(&format!("{cell:<width$}  ")),
            }
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// The columns with numbers.
const RIGHT: [usize; 3] = [2, 4, 5];

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Option<f64>, aim: Aim) -> Row {
        let figure = || "35.0 µs".to_owned();
        let (own, peer) = (("xs", figure()), ("hand loop", figure()));
        Row { what: "read", own, peer, outcome, quartiles: None, aim }
    }

    #[test]
    fn an_aim_is_met_up_to_its_limit() {
        assert!(Aim::AtMost(1.1).met(Some(1.1)));
        assert!(!Aim::AtMost(1.1).met(Some(1.101)));
        assert!(Aim::AtLeast(1.4).met(Some(1.4)));
        assert!(!Aim::AtLeast(1.4).met(Some(1.399)));
        assert!(!Aim::Exactly(2.0).met(Some(2.001)));
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        assert!(!Aim::AtMost(1.1).met(None));
        assert!(row(None, Aim::AtMost(1.1)).cells().contains(&"not measured".to_owned()));
    }

    #[test]
    fn rows_without_an_aim_do_not_count() {
        let mut table = Table::default();
        table.push(row(Some(1.0), Aim::AtMost(1.1)));
        table.push(row(Some(1.2), Aim::AtMost(1.1)));
        table.push(row(Some(9.0), Aim::None));
        assert_eq!(table.aims(), (2, 1));
    }

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::default();
        table.push(row(Some(1.234), Aim::AtMost(1.1)));
        let text = table.to_string();
        let (head, line) = text.split_once('\n').unwrap();
        let column = |line: &str, word: &str| line.split_once(word).unwrap().0.chars().count();
        assert_eq!(column(head, "aim"), column(line, "≤ 1.1"));
        assert!(line.ends_with("1.23             ≤ 1.1  missed\n"), "{line:?}");
    }
}
