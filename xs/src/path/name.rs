//! One segment of a path: what a directory lists.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use super::{InvalidPath, check_segments};

/// The name of a node within its parent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name in a string.
    ///
    /// # Errors
    /// Says which rule the string breaks; a `/` is not allowed in a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidPath> {
        let name = name.into();
        check_segments(name.as_bytes())?;
        if name.contains('/') {
            return Err(InvalidPath::Byte(b'/'));
        }
        Ok(Self(name))
    }

    /// The name as the store knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidPath;

    fn from_str(name: &str) -> Result<Self, InvalidPath> {
        Self::new(name)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
