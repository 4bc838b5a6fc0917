//! The plot: how many operations per second, by groups of bars, one bar for each store.
//!
//! It stands on light and on dark pages: it has no background of its own, and its words take
//! another colour where the reader prefers dark.

use std::fmt::Write as _;

use super::races::Race;
use super::stores::Stores;
use crate::measure::Samples;

/// Bars by groups, in the order in which they came.
#[derive(Debug, Default)]
pub struct Plot {
    groups: Vec<Group>,
}

/// The bars of one race.
#[derive(Debug)]
struct Group {
    what: &'static str,
    connections: usize,
    /// Thousands per second, in the order of [`Stores::NAMES`].
    rates: [f64; 3],
}

impl Plot {
    /// Adds the bars of a race, if it is one to be plotted.
    pub fn add(&mut self, race: &Race<'_>, samples: &[Samples]) {
        if let (Some((what, connections)), [ours, c, ocaml]) = (race.plotted, samples) {
            let rates = [ours, c, ocaml].map(|samples| 1e6 / samples.spread().median);
            self.groups.push(Group { what, connections, rates });
        }
    }

    /// The picture.
    pub fn to_svg(&self) -> String {
        let highest = self.groups.iter().flat_map(|group| group.rates).fold(1.0, f64::max);
        let step = step(highest);
        let top = (highest / step).ceil() * step;
        let height_of = |rate: f64| rate / top * HEIGHT;
        let width = LEFT + self.groups.len() as f64 * GROUP + 10.0;
        let bottom = TOP + HEIGHT;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {:.0}\" \
             role=\"img\" aria-label=\"operations per second of three stores\">\n{STYLE}",
            bottom + 50.0,
        );
        let mut line = |text: String| svg.push_str(&(text + "\n"));
        line(text("title", LEFT, 18.0, "thousands of operations per second (more is better)"));
        for (at, name) in Stores::NAMES.into_iter().enumerate() {
            let x = LEFT + at as f64 * 120.0;
            line(rect(at, x, 32.0, 12.0, 12.0));
            line(text("start", x + 18.0, 43.0, name));
        }
        let mut mark = 0.0;
        while mark <= top {
            let y = bottom - height_of(mark);
            line(format!("<path d=\"M{LEFT} {y:.1}H{:.1}\"/>", width - 10.0));
            line(text("end", LEFT - 6.0, y + 4.0, &format!("{mark:.0}")));
            mark += step;
        }
        for (number, group) in self.groups.iter().enumerate() {
            let from = LEFT + number as f64 * GROUP;
            let middle = from + GROUP / 2.0;
            for (at, rate) in group.rates.into_iter().enumerate() {
                let (x, height) = (from + GAP + at as f64 * BAR, height_of(rate));
                line(rect(at, x, bottom - height, BAR - 2.0, height));
                let above = bottom - height - 4.0;
                line(text("value", x + BAR / 2.0 - 1.0, above, &format!("{rate:.0}")));
            }
            line(text("middle", middle, bottom + 18.0, group.what));
            let connections = match group.connections {
                1 => "1 connection".to_owned(),
                count => format!("{count} connections"),
            };
            line(text("middle", middle, bottom + 34.0, &connections));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn rect(store: usize, x: f64, y: f64, width: f64, height: f64) -> String {
    let mut rect = format!("<rect class=\"s{store}\" x=\"{x:.1}\" y=\"{y:.1}\"");
    // Writing to a string cannot fail.
    let _ = write!(rect, " width=\"{width:.1}\" height=\"{height:.1}\"/>");
    rect
}

/// The words are ours: nothing in them has a meaning to XML.
fn text(class: &str, x: f64, y: f64, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>")
}

/// How far the lines lie apart: 1, 2 or 5 with zeros, so that there are four to ten.
fn step(highest: f64) -> f64 {
    let mut power = 1.0;
    loop {
        for step in [power, 2.0 * power, 5.0 * power] {
            if highest / step <= 10.0 {
                return step;
            }
        }
        power *= 10.0;
    }
}

/// Orange, blue and grey differ for those who see few colours, and from white and from black.
const STYLE: &str = "\
<style>
text { font: 12px sans-serif; fill: #24292f; }
path { stroke: #8c959f; stroke-opacity: .4; }
.title { font-weight: bold; }
.end { text-anchor: end; }
.middle, .value { text-anchor: middle; }
.value { font-size: 10px; }
.s0 { fill: #d9730d; }
.s1 { fill: #2f81f7; }
.s2 { fill: #8c959f; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
</style>
";

const LEFT: f64 = 40.0;
const TOP: f64 = 72.0;
const HEIGHT: f64 = 240.0;
const GROUP: f64 = 112.0;
const GAP: f64 = 10.0;
const BAR: f64 = 31.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_few_round_marks() {
        assert_eq!(step(137.0), 20.0);
        assert_eq!(step(50.0), 5.0);
        assert_eq!(step(1.0), 1.0);
    }

    #[test]
    fn the_highest_bar_stays_below_the_top() {
        let group = |rates| Group { what: "reads", connections: 8, rates };
        let plot = Plot { groups: vec![group([130.0, 50.0, 40.0]), group([140.0, 70.0, 60.0])] };
        let svg = plot.to_svg();
        let height = "width=\"29.0\" height=\"240.0\"";
        assert!(svg.contains(height), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 3 + 6);
    }
}
