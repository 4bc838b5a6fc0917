//! The mode of our own terminal.

use std::os::fd::BorrowedFd;

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// Puts a terminal in raw mode, and back when dropped. Nothing happens to what is no terminal.
pub(super) struct RawMode<'fd>(BorrowedFd<'fd>, Option<Termios>);

impl<'fd> RawMode<'fd> {
    pub(super) fn set(fd: BorrowedFd<'fd>) -> Self {
        let saved = if isatty(fd) { tcgetattr(fd).ok() } else { None };
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            raw.make_raw();
            if tcsetattr(fd, OptionalActions::Now, &raw).is_err() {
                return Self(fd, None);
            }
        }
        Self(fd, saved)
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        if let Some(saved) = &self.1 {
            // The terminal may have hung up: then nobody is left to see its mode.
            let _ = tcsetattr(self.0, OptionalActions::Now, saved);
        }
    }
}
