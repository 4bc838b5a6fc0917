//! An open handle.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::{Library, logger, process, xc_interface};

/// An open libxenctrl handle and the library that it belongs to.
///
/// It is opened reentrant, so one handle serves many threads (`xenctrl.h`, note at
/// `enum xc_open_flags`). libxc's messages go to [`tracing`].
#[derive(Debug)]
pub struct Interface {
    handle: NonNull<xc_interface>,
    /// The process that opened it: xenctrl.h forbids use after fork.
    owner: u64,
    library: Arc<Library>,
}

// SAFETY: a handle must be usable from another thread than the one that opened it: xenctrl.h says
// so of every handle opened without XC_OPENFLAG_NON_REENTRANT, and `open` passes no flag.
unsafe impl Send for Interface {}
// SAFETY: concurrent calls on one handle must be allowed: the same note in xenctrl.h. libxc keeps
// the text of the handle's last error unlocked, so two calls failing at once may mix their log lines;
// the buffer's last byte is never anything but zero (`xc_reportv`, xc_private.c, 4.15 to 4.22), and
// its reader, `xc_get_last_error`, is not declared in this crate.
unsafe impl Sync for Interface {}

impl Interface {
    /// Opens a handle with `library`.
    ///
    /// # Errors
    /// [`OpenError::Missing`] if the library has no such calls, [`OpenError::Os`] with libxc's errno
    /// otherwise (no `/dev/xen/privcmd`, no permission).
    #[doc(alias = "xc_interface_open")]
    pub fn open(library: Arc<Library>) -> Result<Self, OpenError> {
        let functions = library.functions().handle;
        let open = functions.interface_open.ok_or(OpenError::Missing("xc_interface_open"))?;
        functions.interface_close.ok_or(OpenError::Missing("xc_interface_close"))?;
        // SAFETY: the loggers must outlive the handle: `logger` lives as long as the program.
        let handle = unsafe { open(logger(), logger(), 0) };
        let handle =
            NonNull::new(handle).ok_or_else(|| OpenError::Os(std::io::Error::last_os_error()))?;
        Ok(Self { handle, owner: process::token(), library })
    }

    /// The handle, for one call.
    ///
    /// # Errors
    /// In a process forked from the one that opened it.
    pub fn as_ptr(&self) -> Result<*mut xc_interface, UsedAfterFork> {
        if process::token() == self.owner { Ok(self.handle.as_ptr()) } else { Err(UsedAfterFork) }
    }

    /// The library that the handle belongs to.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        // In a forked child the handle is not ours to close; the child's exec or exit drops it.
        if let (Ok(handle), Some(close)) =
            (self.as_ptr(), self.library.functions().handle.interface_close)
        {
            // SAFETY: must be open and never used again: it was opened with `self` and ends with it.
            unsafe { close(handle) };
        }
    }
}

/// A handle could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The library lacks a call without which nothing works.
    #[error("the library has no {0}")]
    Missing(&'static str),
    /// libxc refused.
    #[error(transparent)]
    Os(std::io::Error),
}

/// The handle was opened before a fork and is used in the child, which libxc does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the handle was opened by another process, before a fork")]
pub struct UsedAfterFork;
