//! Names of nodes: checked once, when they are made, and then known to be well formed.
//!
//! The rules are those of docs/misc/xenstore.txt (Xen 4.20): segments of `[A-Za-z0-9-_@]`, one `/`
//! between them, none at the end. There are three kinds: absolute (`/local/domain/7`), relative to
//! the home of the connection's own domain (`device/vbd`), and special (`@releaseDomain`), which
//! name events and can only be watched or given permissions.
//!
//! Strings that start with `/local/domain` are made here and nowhere else.

mod name;
mod segment;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use xen_types::DomId;

pub use name::Name;
pub use segment::Segment;

/// The path of a node, or the name of a special watch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Cow<'static, str>);

/// What a path is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// To the root of the store.
    Absolute,
    /// To the home of the domain that the connection belongs to.
    Relative,
    /// To nothing: it is the name of an event, such as `@releaseDomain`.
    Special,
}

/// Why a string is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidPath {
    /// It has a byte that no path may have.
    #[error("byte {0:#04x} is not allowed in a path")]
    Byte(u8),
    /// It is empty, ends in `/`, or has `//` in it.
    #[error("a path has no empty segment")]
    EmptySegment,
    /// It is longer than xenstored accepts.
    #[error("a path of {len} bytes is over the limit of {limit}")]
    TooLong {
        /// How long it is.
        len: usize,
        /// How long its kind may be.
        limit: usize,
    },
}

impl Path {
    /// The root of the store, `/`.
    pub const ROOT: Self = Self::from_static("/");
    /// The parent of the home of every domain.
    pub const DOMAINS: Self = Self::from_static("/local/domain");
    /// The event that a domain became known to the store.
    pub const INTRODUCE_DOMAIN: Self = Self::from_static("@introduceDomain");
    /// The event that a domain shut down, crashed or went away.
    pub const RELEASE_DOMAIN: Self = Self::from_static("@releaseDomain");

    /// The longest absolute path (`XENSTORE_ABS_PATH_MAX`, `io/xs_wire.h`).
    pub const MAX_ABSOLUTE: usize = 3072;
    /// The longest relative path (`XENSTORE_REL_PATH_MAX`, `io/xs_wire.h`).
    pub const MAX_RELATIVE: usize = 2048;

    /// The path in a runtime string.
    ///
    /// # Errors
    /// Says which rule the string breaks.
    pub fn new(path: impl Into<String>) -> Result<Self, InvalidPath> {
        let path = path.into();
        check(path.as_bytes())?;
        Ok(Self(Cow::Owned(path)))
    }

    /// The path in a literal; in a `const` a wrong one does not compile.
    ///
    /// # Panics
    /// If the literal is not a path.
    pub const fn from_static(path: &'static str) -> Self {
        assert!(check(path.as_bytes()).is_ok(), "not a xenstore path");
        Self(Cow::Borrowed(path))
    }

    /// The home of a domain, `/local/domain/<domid>`.
    ///
    /// ```
    /// use xen_types::DomId;
    /// use xs::Path;
    ///
    /// assert_eq!(Path::domain(DomId::DOM0).join("name").as_str(), "/local/domain/0/name");
    /// ```
    #[doc(alias = "xs_get_domain_path")]
    pub fn domain(dom: DomId) -> Self {
        Self::DOMAINS.join(dom)
    }

    /// This path with something below it: a literal, a number, a [`Name`].
    ///
    /// Whether the result is too long for the store is found when it is used; with literals and
    /// numbers below a domain's home it never is.
    ///
    /// # Panics
    /// If a literal is not made of path segments. Strings that are not literals go through
    /// [`Path::try_join`].
    #[must_use]
    pub fn join(&self, below: impl Segment) -> Self {
        Self(Cow::Owned(self.concat(&below.segment())))
    }

    /// This path with a runtime string below it, one segment or more.
    ///
    /// # Errors
    /// Says which rule the string, or the path as a whole, breaks.
    pub fn try_join(&self, below: &str) -> Result<Self, InvalidPath> {
        check_segments(below.as_bytes())?;
        Self::new(self.concat(below))
    }

    fn concat(&self, below: &str) -> String {
        let separator = if *self == Self::ROOT { "" } else { "/" };
        [self.as_str(), separator, below].concat()
    }

    /// The path as the store knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the path is relative to.
    pub fn kind(&self) -> PathKind {
        match self.0.as_bytes().first() {
            Some(b'/') => PathKind::Absolute,
            Some(b'@') => PathKind::Special,
            _ => PathKind::Relative,
        }
    }

    /// The path one level up; `None` for the root and for a single segment.
    pub fn parent(&self) -> Option<Self> {
        let (parent, leaf) = self.0.rsplit_once('/')?;
        match (parent, leaf) {
            ("", "") => None,
            ("", _) => Some(Self::ROOT),
            _ => Some(Self(Cow::Owned(parent.to_owned()))),
        }
    }

    /// The last segment; empty for the root.
    pub fn leaf(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, leaf)| leaf)
    }

    /// Whether `other` is this node or below it: a "child" in the words of xenstore.txt.
    pub fn contains(&self, other: &Self) -> bool {
        match other.0.strip_prefix(&*self.0) {
            Some(rest) => {
                rest.is_empty()
                    || rest.starts_with('/')
                    || (*self == Self::ROOT && other.kind() == PathKind::Absolute)
            }
            None => false,
        }
    }

    /// Checks the length, which [`Path::join`] leaves open.
    ///
    /// # Errors
    /// [`InvalidPath::TooLong`].
    pub fn check_length(&self) -> Result<(), InvalidPath> {
        check_length(self.0.as_bytes())
    }
}

impl FromStr for Path {
    type Err = InvalidPath;

    fn from_str(path: &str) -> Result<Self, InvalidPath> {
        Self::new(path)
    }
}

impl AsRef<str> for Path {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a whole path. `const`, so that literals are checked by the compiler.
const fn check(path: &[u8]) -> Result<(), InvalidPath> {
    match path {
        [b'/'] => Ok(()),
        [b'/', below @ ..] => match check_segments(below) {
            Ok(()) => check_length(path),
            wrong => wrong,
        },
        _ => match check_segments(path) {
            Ok(()) => check_length(path),
            wrong => wrong,
        },
    }
}

const fn check_segments(path: &[u8]) -> Result<(), InvalidPath> {
    let mut i = 0;
    let mut segment = 0;
    while i < path.len() {
        match path[i] {
            b'/' if segment == 0 => return Err(InvalidPath::EmptySegment),
            b'/' => segment = 0,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'@' => segment += 1,
            byte => return Err(InvalidPath::Byte(byte)),
        }
        i += 1;
    }
    if segment == 0 { Err(InvalidPath::EmptySegment) } else { Ok(()) }
}

const fn check_length(path: &[u8]) -> Result<(), InvalidPath> {
    let limit = match path {
        [b'/', ..] => Path::MAX_ABSOLUTE,
        _ => Path::MAX_RELATIVE,
    };
    if path.len() > limit {
        return Err(InvalidPath::TooLong { len: path.len(), limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
