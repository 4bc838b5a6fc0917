//! An open handle for libxenguest.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::logger::logger;
use crate::{Library, OpenError, UsedAfterFork, xc_interface};

/// An open libxenctrl handle, for the calls of libxenguest.
///
/// One for each build, so that builds do not share the handle's error text. It is apart from the
/// handle that the crate `xc` works with because its logger keeps what the library says during a
/// call, for [`messages_of`](crate::messages_of).
#[derive(Debug)]
pub struct Interface {
    handle: NonNull<xc_interface>,
    /// The process that opened it: xenctrl.h forbids use after fork.
    pid: u32,
    library: Arc<Library>,
}

// SAFETY: a handle must be usable from another thread than the one that opened it: xenctrl.h says
// so of every handle opened without XC_OPENFLAG_NON_REENTRANT, and `open` passes no flag.
unsafe impl Send for Interface {}

impl Interface {
    /// Opens a handle with the libxenctrl below `library`.
    ///
    /// # Errors
    /// [`OpenError::Missing`] if the library has no such calls, [`OpenError::Os`] with libxc's errno
    /// otherwise (no `/dev/xen/privcmd`, no permission).
    #[doc(alias = "xc_interface_open")]
    pub fn open(library: Arc<Library>) -> Result<Self, OpenError> {
        let functions = library.ctrl().functions().handle;
        let open = functions.interface_open.ok_or(OpenError::Missing("xc_interface_open"))?;
        functions.interface_close.ok_or(OpenError::Missing("xc_interface_close"))?;
        // Null for either logger would mean stderr, and a file under /var/log/xen.
        // SAFETY: the loggers must outlive the handle: `logger` lives as long as the program.
        let handle = unsafe { open(logger(), logger(), 0) };
        let handle =
            NonNull::new(handle).ok_or_else(|| OpenError::Os(std::io::Error::last_os_error()))?;
        Ok(Self { handle, pid: std::process::id(), library })
    }

    /// The handle, for one call.
    ///
    /// # Errors
    /// In a process forked from the one that opened it.
    pub fn as_ptr(&self) -> Result<*mut xc_interface, UsedAfterFork> {
        if std::process::id() == self.pid { Ok(self.handle.as_ptr()) } else { Err(UsedAfterFork) }
    }

    /// The libraries that the handle belongs to.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        // In a forked child the handle is not ours to close; the child's exec or exit drops it.
        let close = self.library.ctrl().functions().handle.interface_close;
        if let (Ok(handle), Some(close)) = (self.as_ptr(), close) {
            // SAFETY: must be open and never used again: it was opened with `self` and ends with it.
            unsafe { close(handle) };
        }
    }
}
