//! What failed, for which domain, and why.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use rustix::io::Errno;
use xen_types::{DomId, Kind};
use xenctrl_sys::{DetectError, LoadError, OpenError};

use crate::backend::CallError;
use crate::canary::CanaryError;
use crate::shared::Fault;

/// The result of an operation on the hypervisor.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation on the hypervisor that failed.
///
/// Its text names the operation and the domain; the cause is the [source](StdError::source).
#[derive(Debug)]
pub struct Error {
    operation: Cow<'static, str>,
    domain: Option<DomId>,
    cause: Cause,
}

impl Error {
    pub(crate) fn new(operation: impl Into<Cow<'static, str>>, cause: impl Into<Cause>) -> Self {
        Self { operation: operation.into(), domain: None, cause: cause.into() }
    }

    pub(crate) fn on(
        operation: impl Into<Cow<'static, str>>,
        domain: DomId,
        cause: impl Into<Cause>,
    ) -> Self {
        Self { operation: operation.into(), domain: Some(domain), cause: cause.into() }
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What was tried, with its arguments.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The domain it was tried on, if one.
    pub fn domain(&self) -> Option<DomId> {
        self.domain
    }

    /// The error number, where the cause is one.
    pub fn errno(&self) -> Option<Errno> {
        match &self.cause {
            Cause::Call(CallError::Errno(errno)) => Some(*errno),
            Cause::Shared(fault) => fault.errno(),
            _ => None,
        }
    }

    /// How many it was done for, of an operation on many things that stopped on the way.
    pub fn done(&self) -> Option<usize> {
        match &self.cause {
            Cause::Incomplete { done, .. } => Some(*done),
            _ => None,
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match &self.cause {
            Cause::Call(e) => e.kind(),
            Cause::Shared(fault) => fault.kind(),
            Cause::NoSuchDomain => Kind::NotFound,
            Cause::Argument(_) | Cause::NoVcpus => Kind::Invalid,
            Cause::Incomplete { kind, .. } => *kind,
            Cause::Detect(e) if e.is_denied() => Kind::Denied,
            Cause::Detect(_) | Cause::Load(_) | Cause::Canary(_) => Kind::Unavailable,
            Cause::Open(OpenError::Os(e)) => match Errno::from_io_error(e).map(kind_of) {
                Some(Kind::NotFound) => Kind::Unavailable, // no privcmd device
                other => other.unwrap_or(Kind::Other),
            },
            Cause::Open(_) => Kind::Unavailable,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain {
            Some(domain) => write!(f, "domain {domain}: {}", self.operation),
            None => f.write_str(&self.operation),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Shared(#[from] Fault),
    #[error("no such domain")]
    NoSuchDomain,
    /// What an argument must be and is not, where Xen would not say so.
    #[error("{0}")]
    Argument(&'static str),
    /// Xen did it for some and does not say why for no more.
    #[error("{done} of {asked} done, Xen does not say why no more")]
    Incomplete { done: usize, asked: usize, kind: Kind },
    #[error("the domain has no virtual CPUs yet")]
    NoVcpus,
    #[error(transparent)]
    Detect(#[from] DetectError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Canary(#[from] CanaryError),
}

impl CallError {
    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match *self {
            Self::Errno(errno) => kind_of(errno),
            Self::Unsupported { .. } => Kind::Unavailable,
            Self::UsedAfterFork => Kind::Gone,
            Self::Nonsense { .. } => Kind::Other,
        }
    }
}

pub(crate) fn kind_of(errno: Errno) -> Kind {
    match errno {
        // The latter: a processor is not in the CPU pool that it is to leave.
        Errno::NOENT | Errno::SRCH | Errno::ADDRNOTAVAIL => Kind::NotFound,
        Errno::AGAIN => Kind::Again,
        Errno::PERM | Errno::ACCESS => Kind::Denied,
        Errno::EXIST => Kind::Exists,
        // The latter: a domain has pinned itself to a processor of a CPU pool.
        Errno::BUSY | Errno::ADDRINUSE => Kind::Busy,
        Errno::INVAL | Errno::TOOBIG | Errno::RANGE | Errno::DOM | Errno::FAULT => Kind::Invalid,
        Errno::NOMEM | Errno::NOSPC => Kind::NoMemory,
        Errno::TIMEDOUT => Kind::TimedOut,
        Errno::NOSYS | Errno::OPNOTSUPP | Errno::NODEV | Errno::NXIO => Kind::Unavailable,
        Errno::NOTTY => Kind::Unavailable, // privcmd of an older kernel
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_operation_and_domain_and_leaves_the_cause_to_the_source() {
        let dom = DomId::new(7).unwrap();
        let error = Error::on("pause", dom, CallError::Errno(Errno::SRCH));
        assert_eq!(error.to_string(), "domain 7: pause");
        assert_eq!(error.source().unwrap().to_string(), "No such process (os error 3)");
        assert_eq!((error.kind(), error.errno()), (Kind::NotFound, Some(Errno::SRCH)));
    }
}
