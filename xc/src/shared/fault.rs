//! Why something with shared memory failed, down to the single frame or copy.

use std::fmt;

use rustix::io::Errno;
use xen_types::{Gfn, Kind};
use xenctrl_sys::shared::AccessError;

use crate::error::{Cause, Error, kind_of};

/// Why something with shared memory failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The device itself could not be opened.
    #[error(transparent)]
    Device(Errno),
    #[error(transparent)]
    Errno(#[from] Errno),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("{}", Listed(.0))]
    Frames(Vec<FrameFailure>),
    #[error("{}", Listed(.0))]
    Copies(Vec<CopyFailure>),
    #[error("{0}")]
    Invalid(&'static str),
    #[error("the device was opened by another process, before a fork")]
    UsedAfterFork,
}

/// A frame that could not be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFailure {
    /// Which of the frames asked for, from 0.
    pub index: usize,
    /// Its number.
    pub gfn: Gfn,
    /// Why: `EINVAL` if the domain has no such frame, `ENOENT` if it is paged out.
    pub errno: Errno,
}

/// A grant copy that was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyFailure {
    /// Which of the copies asked for, from 0.
    pub index: usize,
    /// What the hypervisor says.
    pub status: GrantStatus,
}

/// What the hypervisor says of an operation on a grant (`GNTST_*`,
/// `xen/include/public/grant_table.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrantStatus(pub i16);

impl GrantStatus {
    /// It is done.
    pub const OKAY: Self = Self(0);
    /// It cannot be done, for instance because a grant is for reading only (observed on 4.17).
    pub const GENERAL_ERROR: Self = Self(-1);
    /// There is no such domain.
    pub const BAD_DOMAIN: Self = Self(-2);
    /// The reference is no grant for this domain.
    pub const BAD_GRANT_REF: Self = Self(-3);
    /// This domain may not use the grant in that way.
    pub const PERMISSION_DENIED: Self = Self(-8);
    /// The page does not allow it.
    pub const BAD_PAGE: Self = Self(-9);
    /// The copy goes beyond a page.
    pub const BAD_COPY: Self = Self(-10);
    /// The page is on its way; ask again.
    pub const AGAIN: Self = Self(-12);

    /// What kind of failure it is.
    pub fn kind(self) -> Kind {
        match self {
            Self::BAD_DOMAIN => Kind::NotFound,
            Self::BAD_GRANT_REF | Self::BAD_PAGE | Self::BAD_COPY => Kind::Invalid,
            Self::PERMISSION_DENIED => Kind::Denied,
            Self::AGAIN => Kind::Again,
            _ => Kind::Other,
        }
    }
}

impl Fault {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Device(Errno::NOENT) => Kind::Unavailable,
            Self::Device(errno) | Self::Errno(errno) => kind_of(*errno),
            Self::Access(AccessError::UsedAfterFork) | Self::UsedAfterFork => Kind::Gone,
            Self::Access(_) | Self::Invalid(_) => Kind::Invalid,
            Self::Frames(failures) => failures.first().map_or(Kind::Other, FrameFailure::kind),
            Self::Copies(failures) => {
                failures.first().map_or(Kind::Other, |failure| failure.status.kind())
            }
        }
    }

    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Self::Device(errno) | Self::Errno(errno) => Some(*errno),
            Self::Frames(failures) => failures.first().map(|failure| failure.errno),
            _ => None,
        }
    }
}

impl FrameFailure {
    fn kind(&self) -> Kind {
        match self.errno {
            Errno::NOENT => Kind::Again, // paged out; the pager has been told
            errno => kind_of(errno),
        }
    }
}

impl Error {
    /// The frames that could not be mapped, where that is the cause, in ascending order.
    pub fn failed_frames(&self) -> &[FrameFailure] {
        match self.cause() {
            Cause::Shared(Fault::Frames(failures)) => failures,
            _ => &[],
        }
    }

    /// The grant copies that were not made, where that is the cause, in ascending order.
    pub fn failed_copies(&self) -> &[CopyFailure] {
        match self.cause() {
            Cause::Shared(Fault::Copies(failures)) => failures,
            _ => &[],
        }
    }
}

/// The first few of a list, and how many more there are.
struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (i, item) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
        }
        match self.0.len() {
            more if more > SHOWN => write!(f, " and {} more", more - SHOWN),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for FrameFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.gfn, self.errno)
    }
}

impl fmt::Display for CopyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "copy {}: {}", self.index, self.status)
    }
}

impl fmt::Display for GrantStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::OKAY => "done",
            Self::GENERAL_ERROR => "it is not possible with this grant",
            Self::BAD_DOMAIN => "no such domain",
            Self::BAD_GRANT_REF => "no such grant for this domain",
            Self::PERMISSION_DENIED => "the grant does not allow it",
            Self::BAD_PAGE => "the page does not allow it",
            Self::BAD_COPY => "it goes beyond a page",
            Self::AGAIN => "the page is paged out",
            Self(other) => return write!(f, "grant status {other}"),
        };
        f.write_str(text)
    }
}
