//! Which releases a line of the tables speaks of: a run of minor numbers of Xen 4.

use std::fmt;
use std::ops::RangeInclusive;

/// The releases that were measured: 4.14 to 4.22.
pub const MINORS: RangeInclusive<u16> = 14..=22;

/// A run of releases, by their minor numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minors(pub RangeInclusive<u16>);

impl Minors {
    /// Whether Xen 4.`minor` is among them.
    pub fn contains(&self, minor: u16) -> bool {
        self.0.contains(&minor)
    }

    /// From `4.14-4.16`, or `4.17` alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let minor = |release: &str| release.strip_prefix("4.")?.parse().ok();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(Self(minor(first)?..=minor(last)?))
    }
}

impl fmt::Display for Minors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.start(), self.0.end()) {
            (first, last) if first == last => write!(f, "4.{first}"),
            (first, last) => write!(f, "4.{first}-4.{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_and_a_single_release_are_read_as_they_are_written() {
        let run = Minors::parse("4.9-4.16").unwrap();
        assert!(run.contains(9) && run.contains(16) && !run.contains(17));
        assert_eq!(run.to_string(), "4.9-4.16");
        assert_eq!(Minors::parse("4.17").unwrap().to_string(), "4.17");
        assert_eq!(Minors::parse("17"), None);
    }
}
