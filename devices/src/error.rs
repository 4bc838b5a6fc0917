//! What can be wrong with the description of a device.

use std::fmt;

use xen_types::{DomId, Kind as ErrorKind};

use crate::id::DeviceId;
use crate::mac::InvalidMac;
use crate::rate::InvalidRate;
use crate::text::InvalidText;
use crate::vdev::InvalidVdev;

/// The result of describing a device, or of reading its description.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation: what was tried, on what, and why it failed.
pub struct Error(Box<Inner>);

struct Inner {
    operation: &'static str,
    subject: Subject,
    cause: Cause,
}

/// What an operation was about.
#[derive(Debug)]
pub(crate) enum Subject {
    Device(DeviceId),
    Domain(DomId),
    /// A part of a description, as callers name it.
    Part(&'static str),
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Store(#[from] xs::Error),
    #[error(transparent)]
    Text(#[from] InvalidText),
    #[error(transparent)]
    Vdev(#[from] InvalidVdev),
    #[error(transparent)]
    Mac(#[from] InvalidMac),
    #[error(transparent)]
    Rate(#[from] InvalidRate),
    /// The kernel's backends alone change a medium by the store.
    #[error("what is in the drive is known to the program that serves it, and changed there")]
    Elsewhere,
    /// What is described cannot be.
    #[error("{0}")]
    Rule(&'static str),
    #[error("{value} is not between {least} and {most}")]
    Range { value: u64, least: u64, most: u64 },
    #[error("there is no record of it")]
    NoRecord,
    #[error("the record has no {key}")]
    Missing { key: String },
    #[error("the record says {key} = {value:?}")]
    Value { key: String, value: String },
    #[error("the record leads to {path:?}, which is no end of this device")]
    Astray { path: String },
    #[error("there are more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
}

impl Error {
    pub(crate) fn new(operation: &'static str, subject: Subject, cause: impl Into<Cause>) -> Self {
        Self(Box::new(Inner { operation, subject, cause: cause.into() }))
    }

    /// A part of a description is wrong.
    pub(crate) fn part(part: &'static str, cause: impl Into<Cause>) -> Self {
        Self::new("describe", Subject::Part(part), cause)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match &self.0.cause {
            Cause::Store(error) => error.kind(),
            Cause::NoRecord => ErrorKind::NotFound,
            Cause::Elsewhere => ErrorKind::Unavailable,
            Cause::Text(_)
            | Cause::Vdev(_)
            | Cause::Mac(_)
            | Cause::Rate(_)
            | Cause::Rule(_)
            | Cause::Range { .. }
            | Cause::Missing { .. }
            | Cause::Value { .. }
            | Cause::Astray { .. }
            | Cause::TooMany { .. } => ErrorKind::Invalid,
        }
    }

    /// What was tried, in words: `describe`, `understand`, `list the devices of`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The device it was about, if it was about one.
    pub fn device(&self) -> Option<&DeviceId> {
        match &self.0.subject {
            Subject::Device(device) => Some(device),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.operation, self.0.subject)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => device.fmt(f),
            Self::Domain(dom) => write!(f, "domain {dom}"),
            Self::Part(part) => f.write_str(part),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("operation", &self.0.operation)
            .field("subject", &self.0.subject)
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.cause)
    }
}
