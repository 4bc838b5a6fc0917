//! What can go wrong in a toolstack operation, said in a way that a person can act on.
//!
//! An [`Error`] has the operation, the subject and the cause; the cause is either an error of a
//! lower layer or a [`Problem`] that this layer found itself. When undoing a failed operation could
//! not release everything, the error that started it keeps a list of [`Leftover`]s: nothing is
//! swallowed, and the cleanup's error never takes the place of the cause.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use devices::DeviceId;
use thiserror::Error as ThisError;
use xen_types::{DomId, Kind, MiB, ShutdownReason};
use xs::Path;

/// The result of a toolstack operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation: what was tried, on what, why it failed, and what stayed behind.
pub struct Error(Box<Inner>);

struct Inner {
    operation: &'static str,
    subject: Subject,
    cause: Cause,
    leftovers: Vec<Leftover>,
}

/// What an operation was about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The host as a whole.
    Host,
    /// A domain by its number.
    Domain(DomId),
    /// A domain by the name that the caller gave.
    Name(String),
    /// A channel by its path in the xenstore.
    Channel(String),
    /// A device of a domain.
    Device(DeviceId),
}

/// Why an operation failed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Cause {
    /// The xenstore said no, or was silent.
    #[error(transparent)]
    Store(#[from] xs::Error),
    /// The hypervisor said no, or is not there.
    #[error(transparent)]
    Hypervisor(#[from] xc::Error),
    /// The domain builder failed.
    #[error(transparent)]
    Builder(#[from] xg::Error),
    /// The description of a device, or what the store says of it, makes no sense.
    #[error(transparent)]
    Description(#[from] devices::Error),
    /// A device did not come or go.
    #[error(transparent)]
    Device(#[from] devices::Setback),
    /// Event channels failed.
    #[error(transparent)]
    Events(#[from] eventchn::Error),
    /// A file or terminal in the control domain.
    #[error("{what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A part of the operation that is an operation of its own.
    #[error(transparent)]
    Part(Box<Error>),
    /// A condition found by the toolstack itself.
    #[error(transparent)]
    Problem(#[from] Problem),
}

/// A condition that the toolstack itself finds.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Problem {
    /// Several domains answer to the name or UUID, these two among them.
    #[error("domains {0} and {1} both answer to it")]
    Ambiguous(DomId, DomId),
    /// The caller, or a signal, asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A saved domain has so many states before its last one, and a restore from a file takes one.
    #[error("it holds {0} checkpoints before its last state, and is restored from a single one")]
    Checkpoints(u64),
    /// A key of the description is wrong.
    #[error("{key} {why}")]
    Config {
        /// The key, as in a configuration file.
        key: &'static str,
        /// What is wrong with its value.
        why: &'static str,
    },
    /// It is the domain that runs the toolstack.
    #[error("it is the control domain")]
    ControlDomain,
    /// The disk is used by somebody in a way that does not go together with the new one.
    #[error("{} is used by {by}", path.display())]
    DiskInUse {
        /// The disk.
        path: PathBuf,
        /// Who uses it.
        by: String,
    },
    /// The domain stopped, but not in the way that was asked for.
    #[error("it stopped with {0}")]
    Ended(ShutdownReason),
    /// The other end of a channel wrote something that cannot be.
    #[error("the other end wrote {what} that cannot be, {value:#x}")]
    FromTheOtherEnd {
        /// What it is.
        what: &'static str,
        /// The value.
        value: u32,
    },
    /// The domain has another request to answer: two do not fit.
    #[error("it has not answered a request to {0:?} yet")]
    OtherRequest(String),
    /// A toolstack keeps the domain from running, so it answers no request.
    #[error("it is paused")]
    Paused,
    /// It is done, but not everything could be removed; the error lists the rest.
    #[error("not everything could be removed")]
    LeftBehind,
    /// A node of the xenstore that a toolstack or a daemon wrote holds something else than it should.
    #[error("xenstore {path} holds {value:?}")]
    Malformed {
        /// The node.
        path: String,
        /// What it holds.
        value: String,
    },
    /// Another domain has the name.
    #[error("domain {0} has this name")]
    NameTaken(DomId),
    /// The device's drive keeps what is in it.
    #[error("its tray is locked by the guest")]
    Locked,
    /// Something is in the drive.
    #[error("something is in it")]
    DriveFull,
    /// What a drive holds is not changed where udev runs the scripts.
    #[error("udev's scripts know of devices that come and go, not of media")]
    NoMedia,
    /// The disk's backend did not do what was asked, as one that cannot.
    #[error("its backend did not answer, as one that cannot pause a disk")]
    NoPause,
    /// A device of another kind was meant.
    #[error("it is no {0}")]
    NotA(&'static str),
    /// What should be a block device is something else.
    #[error("{} is no block device", .0.display())]
    NoBlockDevice(PathBuf),
    /// There is no bridge of this name on the host.
    #[error("there is no bridge {0:?}")]
    NoBridge(String),
    /// What should be a disk is neither a file nor a block device.
    #[error("{} is neither a file nor a block device", .0.display())]
    NoDisk(PathBuf),
    /// Addresses were to be let through, and the host has no filter that works.
    #[error("the addresses of a network interface cannot be filtered: iptables does not work")]
    NoFilter,
    /// What should be a file is something else.
    #[error("{} is not a file", .0.display())]
    NoFile(PathBuf),
    /// No configuration says all there is about a device, which would come back as another one.
    #[error("{0} has options that a configuration cannot have, or is of a kind that it cannot")]
    NotDescribed(DeviceId),
    /// The native policy does not do this for a device.
    #[error("hotplug without scripts does not {0}")]
    NotNative(&'static str),
    /// No domain answers to the name, number or UUID.
    #[error("no such domain")]
    NoSuchDomain,
    /// The running Xen has no shadow paging, which finds out what a PV guest writes.
    #[error("this Xen cannot tell what a PV guest writes: it has no shadow paging")]
    NoShadowPaging,
    /// The host cannot give this much memory now.
    #[error("{need} must be free on the host and {free} are")]
    NotEnoughMemory {
        /// What the domain needs, all costs included.
        need: MiB,
        /// What is free.
        free: MiB,
    },
    /// A node whose value has to be believed can be written by others than the control domain.
    #[error("xenstore {0} can be written by others than the control domain")]
    OpenToOthers(String),
    /// Another client is connected to a channel.
    #[error("another client is connected to it")]
    OtherClient,
    /// Devices of this kind, or those of another toolstack's QEMU, are neither attached nor detached here.
    #[error("devices of kind {0} can be neither attached nor detached")]
    OtherDevice(String),
    /// The domain has devices that this release cannot take apart.
    #[error("it has devices of kind {0}, which cannot be removed")]
    OtherDevices(String),
    /// The host is not the machine that this runs on, whose kernel would do the device's part.
    #[error("the host is not this machine: devices are attached and detached only in its own dom0")]
    OtherMachine,
    /// Another domain serves the device, and has to do itself what was asked for.
    #[error("domain {0} serves it, and only what the control domain serves can be changed so")]
    OtherServer(DomId),
    /// The domain that is to serve the device is not there.
    #[error("domain {0}, which is to serve it, is not there")]
    NoServer(DomId),
    /// The other end of a channel has gone.
    #[error("the other end has gone")]
    OtherEndGone,
    /// A hotplug script failed.
    #[error("{} ended with {status}, it printed {said:?}", script.display())]
    Script {
        /// The script.
        script: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it printed.
        said: String,
    },
    /// Another domain has the UUID.
    #[error("domain {0} has this UUID")]
    UuidTaken(DomId),
    /// A wait ended without what it waited for.
    #[error("waited for {what}, last seen: {last}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// What was there when the time was up.
        last: String,
    },
    /// The console's terminal is not what the console daemon makes.
    #[error("its console terminal {0:?} is not a pseudo-terminal")]
    UntrustedTerminal(String),
}

/// Something an operation made and could not take away again.
#[derive(Debug)]
pub struct Leftover {
    /// What is still there.
    pub what: Remnant,
    /// Why it could not be removed.
    pub why: Cause,
}

/// A thing that can stay behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remnant {
    /// A device of a domain, with what it holds on the host.
    Device(DeviceId),
    /// A domain in the hypervisor.
    Domain(DomId),
    /// A file in the control domain.
    File(PathBuf),
    /// A node in the xenstore, with all below it.
    StorePath(String),
    /// The suspension of a domain that was to run on, now or still to come.
    Suspension(DomId),
}

impl Leftover {
    /// A device that could not be taken away.
    pub(crate) fn device(device: &DeviceId, why: Cause) -> Self {
        Self { what: Remnant::Device(device.clone()), why }
    }

    /// A node that could not be removed or read.
    pub(crate) fn node(path: &Path, why: impl Into<Cause>) -> Self {
        Self { what: Remnant::StorePath(path.to_string()), why: why.into() }
    }
}

impl Error {
    pub(crate) fn new(
        operation: &'static str,
        subject: impl Into<Subject>,
        cause: impl Into<Cause>,
    ) -> Self {
        Self(Box::new(Inner {
            operation,
            subject: subject.into(),
            cause: cause.into(),
            leftovers: Vec::new(),
        }))
    }

    /// The error with what stayed behind, too.
    pub(crate) fn with_leftovers(mut self, leftovers: Vec<Leftover>) -> Self {
        self.0.leftovers.extend(leftovers);
        self
    }

    /// What was tried.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// On what.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// Why it failed.
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// What the failed operation made and could not take away again.
    pub fn leftovers(&self) -> &[Leftover] {
        &self.0.leftovers
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.0.cause.kind()
    }
}

impl Cause {
    /// What stayed behind of a part of the operation, to be told with all that does.
    pub(crate) fn take_leftovers(&mut self) -> Vec<Leftover> {
        match self {
            Self::Part(error) => std::mem::take(&mut error.0.leftovers),
            _ => Vec::new(),
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Hypervisor(error) => error.kind(),
            Self::Builder(error) => error.kind(),
            Self::Description(error) => error.kind(),
            Self::Device(setback) => setback.kind(),
            Self::Events(error) => error.kind(),
            Self::Part(error) => error.kind(),
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Kind::NotFound,
                io::ErrorKind::PermissionDenied => Kind::Denied,
                io::ErrorKind::AlreadyExists => Kind::Exists,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::NoMemory,
                _ => Kind::Other,
            },
            Self::Problem(problem) => problem.kind(),
        }
    }
}

impl Problem {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled => Kind::Cancelled,
            Self::Config { .. }
            | Self::ControlDomain
            | Self::FromTheOtherEnd { .. }
            | Self::Malformed { .. }
            | Self::Checkpoints(_)
            | Self::NoBlockDevice(_)
            | Self::NoDisk(_)
            | Self::NoFile(_)
            | Self::NotA(_)
            | Self::NotNative(_)
            | Self::OpenToOthers(_)
            | Self::UntrustedTerminal(_) => Kind::Invalid,
            Self::Ambiguous(..) | Self::DriveFull | Self::NameTaken(_) | Self::UuidTaken(_) => {
                Kind::Exists
            }
            Self::NoBridge(_) | Self::NoServer(_) | Self::NoSuchDomain => Kind::NotFound,
            Self::NotEnoughMemory { .. } => Kind::NoMemory,
            Self::NoFilter
            | Self::NoMedia
            | Self::NoPause
            | Self::NoShadowPaging
            | Self::NotDescribed(_)
            | Self::OtherDevice(_)
            | Self::OtherDevices(_)
            | Self::OtherMachine
            | Self::OtherServer(_) => Kind::Unavailable,
            Self::DiskInUse { .. }
            | Self::Locked
            | Self::OtherClient
            | Self::OtherRequest(_)
            | Self::Paused => Kind::Busy,
            Self::OtherEndGone => Kind::Gone,
            Self::TimedOut { .. } => Kind::TimedOut,
            Self::Ended(_) | Self::LeftBehind | Self::Script { .. } => Kind::Other,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.subject {
            Subject::Host => f.write_str(self.0.operation),
            subject => write!(f, "{} {subject}", self.0.operation),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("operation", &self.0.operation)
            .field("subject", &self.0.subject)
            .field("cause", &self.0.cause)
            .field("leftovers", &self.0.leftovers)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.cause)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the host"),
            Self::Domain(dom) => write!(f, "domain {dom}"),
            Self::Name(name) => write!(f, "domain {name:?}"),
            Self::Channel(path) => write!(f, "channel {path}"),
            Self::Device(device) => device.fmt(f),
        }
    }
}

impl fmt::Display for Remnant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => device.fmt(f),
            Self::Domain(dom) => write!(f, "domain {dom}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::StorePath(path) => write!(f, "xenstore {path}"),
            Self::Suspension(dom) => write!(f, "the suspension of domain {dom}"),
        }
    }
}

impl From<DeviceId> for Subject {
    fn from(device: DeviceId) -> Self {
        Self::Device(device)
    }
}

impl From<DomId> for Subject {
    fn from(dom: DomId) -> Self {
        Self::Domain(dom)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_says_operation_subject_and_cause_once() {
        let error =
            Error::new("create", Subject::Name("web".into()), Problem::NameTaken(DomId::DOM0));
        assert_eq!(error.to_string(), "create domain \"web\"");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("domain 0 has this name")
        );
        assert_eq!(error.kind(), Kind::Exists);
    }
}
