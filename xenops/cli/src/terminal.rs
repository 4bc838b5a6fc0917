//! Between this terminal and a domain's console: bytes both ways until one side ends.

mod search;

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use xenops::{Console, Deadline};

use self::search::Search;
use crate::failure::Failure;

/// Copies until Ctrl-] is typed, the domain goes, `until` was printed or the deadline passes.
///
/// # Errors
/// Reading or writing failed, or the deadline came before `until`.
pub(crate) fn attach(
    mut console: Console,
    until: Option<&[u8]>,
    deadline: Option<Deadline>,
) -> Result<(), Failure> {
    let stdin = io::stdin();
    let _raw = RawMode::set(stdin.as_fd());
    let mut search = until.map(Search::new);
    let mut typing = true;
    let mut buffer = [0; 4096];
    loop {
        let ready = wait(console.as_fd(), typing.then(|| stdin.as_fd()), deadline)
            .map_err(|error| Failure::Io("wait for the console", error))?;
        if ready.console {
            let count = match console.read(&mut buffer) {
                // The daemon closed its side: the domain has gone.
                Ok(0) => return ended(until),
                Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    return ended(until);
                }
                read => read.map_err(|error| Failure::Io("read the console", error))?,
            };
            show(&buffer[..count])?;
            if search.as_mut().is_some_and(|search| search.found_in(&buffer[..count])) {
                return Ok(());
            }
        }
        if ready.stdin {
            let count = rustix::io::read(stdin.as_fd(), &mut buffer[..])
                .map_err(|error| Failure::Io("read the terminal", error.into()))?;
            typing = count > 0;
            let (typed, escape) = up_to_escape(&buffer[..count]);
            console.write_all(typed).map_err(|error| Failure::Io("write to the console", error))?;
            if escape {
                return Ok(());
            }
        }
        if ready.time_is_up {
            return if until.is_some() { Err(Failure::timed_out()) } else { Ok(()) };
        }
    }
}

/// What a wait found.
struct Ready {
    console: bool,
    stdin: bool,
    time_is_up: bool,
}

fn wait(
    console: BorrowedFd<'_>,
    stdin: Option<BorrowedFd<'_>>,
    deadline: Option<Deadline>,
) -> io::Result<Ready> {
    let mut fds = vec![PollFd::from_borrowed_fd(console, PollFlags::IN)];
    fds.extend(stdin.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    loop {
        let left = deadline.map(|deadline| deadline.remaining(Instant::now()));
        let timeout = left.map(|left| Timespec::try_from(left).unwrap_or(LONGEST));
        match poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(count) => {
                let ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
                return Ok(Ready {
                    console: ready(fds.first()),
                    stdin: ready(fds.get(1)),
                    time_is_up: count == 0 || left == Some(Duration::ZERO),
                });
            }
        }
    }
}

/// The console ended: fine, unless something was still expected of it.
fn ended(until: Option<&[u8]>) -> Result<(), Failure> {
    match until {
        None => Ok(()),
        Some(_) => Err(Failure::Io(
            "wait for the text",
            io::Error::new(io::ErrorKind::UnexpectedEof, "the console ended before it"),
        )),
    }
}

fn show(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Io("write to the terminal", error))
}

/// What was typed before Ctrl-], and whether it was typed.
fn up_to_escape(typed: &[u8]) -> (&[u8], bool) {
    match typed.iter().position(|&byte| byte == ESCAPE) {
        Some(at) => (&typed[..at], true),
        None => (typed, false),
    }
}

/// Puts a terminal in raw mode, and back when dropped. Nothing happens to what is no terminal.
struct RawMode<'fd>(BorrowedFd<'fd>, Option<Termios>);

impl<'fd> RawMode<'fd> {
    fn set(fd: BorrowedFd<'fd>) -> Self {
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

/// Ctrl-], as `telnet` and `xl console`.
const ESCAPE: u8 = 0x1d;

/// What fits a `poll` when a deadline does not.
const LONGEST: Timespec = Timespec { tv_sec: 1 << 31, tv_nsec: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_before_the_escape_still_goes_to_the_guest() {
        assert_eq!(up_to_escape(b"ls\r\x1dxx"), (&b"ls\r"[..], true));
        assert_eq!(up_to_escape(b"ls\r"), (&b"ls\r"[..], false));
    }
}
