//! What can go wrong between a caller and the store.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use xen_types::{DomId, Kind};

use crate::path::{InvalidPath, Path};
use crate::proto::ring::{Complaint, Impossible};
use crate::proto::{ErrorCode, InvalidRequest, Malformed, Oversized, Refusal};

/// The result of an operation on the store.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation: what was tried, on what, and why it failed.
pub struct Error(Box<Inner>);

struct Inner {
    operation: &'static str,
    subject: Subject,
    cause: Cause,
}

/// What an operation was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Node(Path),
    Domain(DomId),
    Socket(PathBuf),
    Text(String),
    Transaction,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Code(#[from] ErrorCode),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Request(#[from] InvalidRequest),
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error("the value is not UTF-8")]
    NotText,
    #[error(transparent)]
    Connect(io::Error),
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("no answer before the deadline")]
    TimedOut,
    /// The daemon will never see the request.
    #[error("the deadline passed before the request could be sent")]
    NotSent,
    #[error("nothing changed before the deadline")]
    NoEvent,
    #[error("the deadline passed; last seen: {last_seen}")]
    NotMet { last_seen: String },
    #[error("the store stopped answering; last seen: {last_seen}")]
    Silent { last_seen: String },
    #[error("lost {attempts} races against other changes")]
    Conflicts { attempts: u32 },
    #[error("nothing was read, so no change would tell")]
    NothingRead,
    #[error("the store does not offer to begin anew")]
    NoReconnection,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Lost {
    #[error("the daemon closed the connection")]
    Closed,
    #[error("the connection to the daemon broke: {0}")]
    Broken(Errno),
    #[error("the connection was ended: {0}")]
    Oversized(Oversized),
    #[error("the connection was ended: the daemon leaves too many requests unanswered")]
    Unanswered,
    #[error("the connection was ended: {0}")]
    Ring(Impossible),
    #[error("the connection was ended: somebody else has set the ring back")]
    Moved,
    #[error("the store has given up on the ring: {0}")]
    GivenUp(Complaint),
    #[cfg(feature = "tokio")]
    #[error("the task that serves the connection has ended, as with its runtime")]
    Undriven,
}

impl Lost {
    /// What ended the connection is a failed call.
    pub(crate) fn by(error: io::Error) -> Self {
        Self::Broken(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

impl Error {
    pub(crate) fn new(operation: &'static str, subject: Subject, cause: impl Into<Cause>) -> Self {
        Self(Box::new(Inner { operation, subject, cause: cause.into() }))
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.0.cause.kind()
    }

    /// What was tried, in words: `read`, `introduce`, `wait until`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The node it was about, if it was about one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0.subject {
            Subject::Node(path) => Some(path),
            _ => None,
        }
    }

    /// What the daemon said, if it was the daemon that refused.
    pub fn code(&self) -> Option<&ErrorCode> {
        match &self.0.cause {
            Cause::Code(code) => Some(code),
            _ => None,
        }
    }
}

impl Cause {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Code(code) => code_kind(code),
            Self::Malformed(_) => Kind::Other,
            Self::Request(InvalidRequest::WatchesInUse) => Kind::Busy,
            Self::Request(_) | Self::Path(_) | Self::NotText | Self::NothingRead => Kind::Invalid,
            Self::Connect(error) if error.kind() == io::ErrorKind::PermissionDenied => Kind::Denied,
            Self::Connect(error) if error.kind() == io::ErrorKind::TimedOut => Kind::TimedOut,
            // Not `Gone`: that speaks of what an operation is about, and a dead daemon says
            // nothing about that.
            Self::Connect(_) | Self::Lost(_) | Self::NoReconnection => Kind::Unavailable,
            Self::TimedOut
            | Self::NotSent
            | Self::NoEvent
            | Self::NotMet { .. }
            | Self::Silent { .. } => Kind::TimedOut,
            Self::Conflicts { .. } => Kind::Again,
        }
    }
}

fn code_kind(code: &ErrorCode) -> Kind {
    match code {
        ErrorCode::Enoent => Kind::NotFound,
        ErrorCode::Eagain => Kind::Again,
        ErrorCode::Eacces | ErrorCode::Eperm | ErrorCode::Erofs => Kind::Denied,
        ErrorCode::Eexist | ErrorCode::Eisconn => Kind::Exists,
        ErrorCode::Ebusy => Kind::Busy,
        ErrorCode::Einval | ErrorCode::Eisdir | ErrorCode::Enotempty => Kind::Invalid,
        // E2BIG is also what the C daemon says over the quota of watches, but to guests only.
        ErrorCode::E2big => Kind::Invalid,
        ErrorCode::Enomem | ErrorCode::Enospc | ErrorCode::Equota => Kind::NoMemory,
        ErrorCode::Enosys => Kind::Unavailable,
        ErrorCode::Eio | ErrorCode::Other(_) => Kind::Other,
    }
}

impl From<Impossible> for Lost {
    fn from(impossible: Impossible) -> Self {
        Self::Ring(impossible)
    }
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Code(code) => code.into(),
            Refusal::Malformed(malformed) => malformed.into(),
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
            Self::Node(path) => path.fmt(f),
            Self::Domain(dom) => write!(f, "domain {dom}"),
            Self::Socket(socket) => socket.display().fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Transaction => f.write_str("a transaction"),
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

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_names_operation_and_subject_and_leaves_the_cause_to_its_source() {
        let error = Error::new("read", Subject::Node(Path::from_static("/a")), ErrorCode::Enoent);
        assert_eq!(error.to_string(), "read /a");
        assert_eq!(error.source().unwrap().to_string(), "no such node (ENOENT)");
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(error.code(), Some(&ErrorCode::Enoent));
    }

    #[test]
    fn a_dead_daemon_is_unavailable_and_not_gone() {
        let error = Error::new("read", Subject::Node(Path::ROOT), Lost::Closed);
        assert_eq!(error.kind(), Kind::Unavailable);
        assert_eq!(error.source().unwrap().to_string(), "the daemon closed the connection");
    }
}
