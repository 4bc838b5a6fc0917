//! The mode of our own terminal.
//!
//! A guest can have a terminal say things, such as where its cursor is, which come as if they were
//! typed. What has come by the end is thrown away, so that no shell takes it for a command.

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
            let _ = tcsetattr(self.0, OptionalActions::Flush, saved);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::fs::OFlags;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::LocalModes;

    use super::*;

    /// A terminal, and who sits in front of it.
    fn terminal() -> (File, File) {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let ours = OpenOptions::new().read(true).write(true).custom_flags(flags).open(name);
        let ours = ours.unwrap();
        (ours, user.into())
    }

    #[test]
    fn what_a_guest_made_the_terminal_say_is_not_left_for_the_shell() {
        let (ours, mut user) = terminal();
        let raw = RawMode::set(ours.as_fd());
        user.write_all(b"\x1b[1;1Rrm -rf x\r").unwrap();
        poll(&mut [PollFd::new(&ours, PollFlags::IN)], None).unwrap();
        assert_eq!(rustix::io::ioctl_fionread(&ours).unwrap(), 15);
        drop(raw);
        let line = tcgetattr(&ours).unwrap().local_modes.contains(LocalModes::ICANON);
        assert_eq!((line, rustix::io::ioctl_fionread(&ours).unwrap()), (true, 0));
    }
}
