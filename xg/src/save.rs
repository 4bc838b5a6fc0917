//! Writing a domain into a stream: at once, while it runs, or one state after another.
//!
//! ```text
//!  Starting ──▶ Precopy ──▶ Suspending ──▶ Suspended ──▶ end
//!      │        (live)          ▲              │
//!      └────────────────────────┘◀─ resumed ───┘ (checkpoints)
//! ```

mod drive;
mod precopy;

use std::fmt;
use std::os::fd::BorrowedFd;

use xen_types::{DomId, PageCount};
use xenguest_sys::{XC_STREAM_PLAIN, XC_STREAM_REMUS, XCFLAGS_DEBUG, XCFLAGS_LIVE};

use self::drive::Drive;
use crate::{Error, Result, StreamFailure, Xg};

pub use self::precopy::{Precopied, Precopy, PrecopyLimits};

/// How a domain is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaveOptions {
    /// Whether its memory is sent while it runs, and again what it wrote meanwhile, so that it
    /// stands still for the rest only.
    pub live: bool,
    /// When to suspend it at the latest, if it is saved live.
    pub limits: PrecopyLimits,
    /// What the stream holds.
    pub stream: StreamKind,
    /// Send all memory once more at the end of a live save, for the restore to compare. It finds
    /// what was not noticed to change. In 4.15 of streams of checkpoints alone.
    pub verify: bool,
}

impl SaveOptions {
    /// The domain stands still from beginning to end.
    pub const STILL: Self = Self {
        live: false,
        limits: PrecopyLimits::DEFAULT,
        stream: StreamKind::Plain,
        verify: false,
    };
    /// The domain runs for as long as that pays.
    pub const LIVE: Self = Self { live: true, ..Self::STILL };
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamKind {
    /// One state of a domain.
    Plain,
    /// One state after another of a domain that goes on between them (Remus). The restore takes the
    /// last one that arrived whole. HVM and PVH: log-dirty mode stays on all the time.
    Checkpoints,
}

impl StreamKind {
    pub(crate) const fn raw(self) -> u32 {
        match self {
            Self::Plain => XC_STREAM_PLAIN,
            Self::Checkpoints => XC_STREAM_REMUS,
        }
    }
}

/// What a save asks of its caller while it runs, on the thread that called [`Xg::save`], which
/// waits for the answer.
pub trait Saving {
    /// Asks the domain to suspend itself, and waits until Xen reports
    /// [`ShutdownReason::Suspend`](xen_types::ShutdownReason::Suspend). The save looks for itself.
    ///
    /// # Errors
    /// [`Stopped`] if it did not. The caller keeps the reason, and the domain as it was.
    fn suspend(&mut self) -> Result<(), Stopped>;

    /// Whether to go on. Asked before anything is done, before and after each of the other
    /// questions, and each 4 MiB of memory; so not during a write that does not return.
    fn go_on(&mut self) -> bool {
        true
    }

    /// What to do next in a live save, asked before and after each round.
    /// [`Precopy::Continue`] beyond the limits of [`SaveOptions`] is [`Precopy::StopAndCopy`].
    fn precopy(&mut self, _so_far: &Precopied) -> Precopy {
        Precopy::Continue
    }

    /// How much of the present round has been sent, each 4 MiB and at its end.
    fn progress(&mut self, _sent: PageCount, _of: PageCount) {}

    /// Tells the device model of an HVM domain to log what it writes, before a live save, or no
    /// more to do so. Without a device model there is nothing to do.
    ///
    /// # Errors
    /// [`Stopped`] if it could not be told.
    fn log_dirty(&mut self, _enable: bool) -> Result<(), Stopped> {
        Ok(())
    }

    /// Lets the domain go on after a checkpoint, as [`Xg::resume`] does.
    ///
    /// # Errors
    /// [`Stopped`] if it does not go on.
    fn resume(&mut self) -> Result<(), Stopped> {
        Err(Stopped)
    }

    /// A checkpoint has been written, and the domain goes on: whether there shall be another, which
    /// follows at once.
    ///
    /// # Errors
    /// [`Stopped`] to give up.
    fn checkpoint(&mut self) -> Result<Checkpoint, Stopped> {
        Ok(Checkpoint::Last)
    }
}

/// The caller's part of a save failed, or it wants the save to end. Why is for the caller to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stopped;

/// Whether there shall be another checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Checkpoint {
    Another,
    Last,
}

/// What a save did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved {
    /// How often memory was sent, in one round after another.
    pub rounds: u32,
    /// The frames of all rounds, each as often as it was sent. The first round counts the frames
    /// that have no memory too.
    pub frames: PageCount,
}

/// How far a save had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SavePhase {
    /// Nothing was asked of the domain.
    Starting,
    /// Its memory was being sent while it ran.
    Precopy,
    /// It was being asked to suspend.
    Suspending,
    /// It had suspended: someone must let it go on.
    Suspended,
}

impl fmt::Display for SavePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "before anything was asked of it",
            Self::Precopy => "while it ran",
            Self::Suspending => "while it was asked to suspend",
            Self::Suspended => "after it had suspended",
        })
    }
}

impl Xg {
    /// Writes `dom` to `to`, in libxenguest's format (`docs/specs/libxc-migration-stream.pandoc` of
    /// Xen), for [`Xg::restore`] here or elsewhere.
    ///
    /// A plain save leaves the domain suspended, well or not once it is: the caller destroys it, or
    /// lets it go on with [`Xg::resume`], which makes the save a checkpoint. Disks, and the device
    /// model of an HVM guest, are the caller's to save. Log-dirty mode is off afterwards, on every
    /// path. A live save of a PV guest needs a Xen with shadow paging
    /// ([`Capabilities::SHADOW`](xc::Capabilities::SHADOW)).
    ///
    /// The caller is asked along the way ([`Saving`]); there and each 4 MiB the save can be ended.
    /// What cannot be interrupted is a write that does not return, which whoever has the other end
    /// of a pipe or socket ends by closing it, and the enumeration of a PV guest's map at the
    /// beginning. A descriptor in non-blocking mode fails the save when it is full. A pipe nobody
    /// reads from raises SIGPIPE, which Rust programs ignore unless told otherwise.
    ///
    /// # Errors
    /// [`Error::Save`], with the phase: in [`SavePhase::Suspended`] the domain is suspended.
    /// [`Kind::Cancelled`](crate::Kind::Cancelled) if the caller stopped it,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if the file system is full, or another kind with
    /// libxenguest's words.
    ///
    /// # Panics
    /// If `saving` does, once libxenguest has cleaned up.
    #[doc(alias = "xc_domain_save")]
    pub fn save(
        &self,
        dom: DomId,
        to: BorrowedFd<'_>,
        options: &SaveOptions,
        saving: &mut dyn Saving,
    ) -> Result<Saved> {
        let mut drive = Drive::new(saving, options.limits);
        let mut flags = 0;
        for (wanted, flag) in [(options.live, XCFLAGS_LIVE), (options.verify, XCFLAGS_DEBUG)] {
            flags |= if wanted { flag } else { 0 };
        }
        let stopped = |phase| Error::Save { dom, phase, source: StreamFailure::Stopped };
        if drive.stops() {
            return Err(stopped(drive.phase()));
        }
        let done = self.backend.domain_save(dom, to, flags, options.stream.raw(), &mut drive);
        match done {
            Ok(()) if drive.stopped() => Err(stopped(drive.phase())),
            Ok(()) => Ok(drive.saved()),
            Err(_) if drive.stopped() => Err(stopped(drive.phase())),
            Err(source) => Err(Error::Save { dom, phase: drive.phase(), source: source.into() }),
        }
    }
}
