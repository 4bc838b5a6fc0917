//! What failed, on which port, and why.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use rustix::io::Errno;
use xen_types::Kind;

/// The result of an operation on event channels.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation on event channels that failed.
///
/// Its text names the operation with port and domain; the cause is the
/// [source](StdError::source).
#[derive(Debug)]
pub struct Error {
    operation: Cow<'static, str>,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Errno(Errno),
    /// The device itself could not be opened.
    #[error(transparent)]
    Device(Errno),
    #[error("no event arrived in time")]
    NoEvent,
    #[error("the device was opened by another process, before a fork")]
    UsedAfterFork,
    #[cfg(feature = "tokio")]
    #[error("the port is bound through another device")]
    OtherDevice,
    #[cfg(feature = "tokio")]
    #[error("the runtime that drives the device has gone")]
    Undriven,
}

impl From<Errno> for Cause {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Error {
    pub(crate) fn new(operation: impl Into<Cow<'static, str>>, cause: impl Into<Cause>) -> Self {
        Self { operation: operation.into(), cause: cause.into() }
    }

    /// What was tried, with its arguments.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The error number, where the cause is one.
    pub fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::Errno(errno) | Cause::Device(errno) => Some(errno),
            _ => None,
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self.cause {
            Cause::NoEvent => Kind::TimedOut,
            Cause::UsedAfterFork => Kind::Gone,
            #[cfg(feature = "tokio")]
            Cause::OtherDevice => Kind::Invalid,
            #[cfg(feature = "tokio")]
            Cause::Undriven => Kind::Gone,
            Cause::Device(Errno::NOENT) => Kind::Unavailable,
            Cause::Errno(errno) | Cause::Device(errno) => kind_of(errno),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.operation)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause)
    }
}

fn kind_of(errno: Errno) -> Kind {
    match errno {
        Errno::NOENT | Errno::SRCH | Errno::NOTCONN => Kind::NotFound,
        Errno::AGAIN => Kind::Again,
        Errno::PERM | Errno::ACCESS => Kind::Denied,
        Errno::EXIST => Kind::Exists,
        Errno::BUSY => Kind::Busy,
        Errno::INVAL => Kind::Invalid,
        Errno::NOMEM | Errno::NOSPC => Kind::NoMemory,
        Errno::NODEV | Errno::NXIO | Errno::NOSYS => Kind::Unavailable,
        _ => Kind::Other,
    }
}
