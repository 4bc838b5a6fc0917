//! The Xen releases that the lab boots.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};

/// A Xen release, with the Debian suite that carries it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum XenRelease {
    V4_17,
    V4_20,
}

impl XenRelease {
    /// Every release, oldest first.
    pub(crate) const ALL: [Self; 2] = [Self::V4_17, Self::V4_20];

    /// The release as Xen and Debian's packages name it.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V4_17 => "4.17",
            Self::V4_20 => "4.20",
        }
    }

    /// The Debian suite whose packages are of this release.
    pub(crate) fn suite(self) -> Suite {
        match self {
            Self::V4_17 => Suite::Bookworm,
            Self::V4_20 => Suite::Trixie,
        }
    }
}

impl fmt::Display for XenRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version())
    }
}

impl FromStr for XenRelease {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match Self::ALL.into_iter().find(|release| release.version() == text) {
            Some(release) => Ok(release),
            None => bail!("no Xen {text} in the lab: 4.17 and 4.20 are"),
        }
    }
}

/// A Debian release.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Suite {
    /// Debian 11, whose Xen the lab does not boot: for its headers only.
    Bullseye,
    Bookworm,
    Trixie,
}

impl Suite {
    /// The name in a source list.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// Its Python.
    pub(crate) fn python(self) -> &'static str {
        match self {
            Self::Bullseye => "python3.9",
            Self::Bookworm => "python3.11",
            Self::Trixie => "python3.13",
        }
    }
}
