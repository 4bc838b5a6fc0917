//! Between this terminal and a domain's console: bytes both ways until one side ends.
//!
//! Nothing here blocks but the one `poll`: a guest that takes no input, or none at all any more, must
//! not keep its user from leaving.

mod raw;
mod search;

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::low_level::pipe;
use xenops::{Console, Deadline};

use self::raw::RawMode;
use self::search::Search;
use crate::failure::{Failure, INTERRUPTED};
use crate::signals;

/// Copies until Ctrl-] is typed, the domain goes, `until` was printed, a signal comes or the deadline
/// passes.
///
/// # Errors
/// Reading or writing failed, or the end came before `until` was printed.
pub(crate) fn attach(
    console: Console,
    until: Option<&str>,
    deadline: Option<Deadline>,
) -> Result<(), Failure> {
    let stdin = io::stdin();
    let interrupt = interrupts().map_err(|error| Failure::Io("take over signals", error))?;
    let _raw = RawMode::set(stdin.as_fd());
    let mut session = Session {
        console,
        search: until.map(|text| Search::new(text.as_bytes())),
        unsent: Vec::new(),
        typing: true,
    };
    loop {
        let ready = session
            .wait(stdin.as_fd(), interrupt.as_fd(), deadline)
            .map_err(|error| Failure::Io("wait for the console", error))?;
        if ready.interrupt {
            return Err(Failure::Quiet(INTERRUPTED));
        }
        if ready.console {
            match session.show()? {
                Shown::Found => return Ok(()),
                Shown::Ended if until.is_none() => return Ok(()),
                Shown::Ended => return Err(Failure::Io("wait for the text", ended_early())),
                Shown::More => {}
            }
        }
        let leave = ready.stdin && session.read_typed(stdin.as_fd())?;
        session.send()?;
        if leave {
            return Ok(());
        }
        if ready.time_is_up {
            return until.map_or(Ok(()), |text| Err(Failure::NotSeen(text.to_owned())));
        }
    }
}

/// A descriptor that becomes readable with the first signal.
fn interrupts() -> io::Result<UnixStream> {
    let (ours, handlers) = UnixStream::pair()?;
    for signal in signals::to_take_over() {
        pipe::register(signal, handlers.try_clone()?)?;
    }
    Ok(ours)
}

struct Session<'t> {
    console: Console,
    search: Option<Search<'t>>,
    /// Typed, and not taken by the guest yet.
    unsent: Vec<u8>,
    /// Whether more may be typed.
    typing: bool,
}

/// What a wait found.
struct Ready {
    console: bool,
    stdin: bool,
    interrupt: bool,
    time_is_up: bool,
}

/// What became of the guest's output.
enum Shown {
    More,
    Found,
    Ended,
}

impl Session<'_> {
    fn wait(
        &self,
        stdin: BorrowedFd<'_>,
        interrupt: BorrowedFd<'_>,
        deadline: Option<Deadline>,
    ) -> io::Result<Ready> {
        let mut wanted = PollFlags::IN;
        wanted.set(PollFlags::OUT, !self.unsent.is_empty());
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.console.as_fd(), wanted),
            PollFd::from_borrowed_fd(interrupt, PollFlags::IN),
        ];
        if self.typing && self.unsent.len() < MOST_UNSENT {
            fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
        }
        let left = deadline.map(|deadline| deadline.remaining(Instant::now()));
        let timeout = left.map(|left| Timespec::try_from(left).unwrap_or(LONGEST));
        let count = match poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) => return Ok(Ready::nothing()),
            count => count?,
        };
        let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ok(Ready {
            console: ready(0),
            interrupt: ready(1),
            stdin: ready(2),
            time_is_up: left.is_some() && (count == 0 || left == Some(Duration::ZERO)),
        })
    }

    /// Prints what the guest printed.
    fn show(&mut self) -> Result<Shown, Failure> {
        let mut buffer = [0; 4096];
        let count = match self.console.read(&mut buffer) {
            // The daemon closed its side: the domain has gone.
            Ok(0) => return Ok(Shown::Ended),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => {
                return Ok(Shown::Ended);
            }
            Err(error) if is_not_now(&error) => return Ok(Shown::More),
            read => read.map_err(|error| Failure::Io("read the console", error))?,
        };
        let mut out = io::stdout().lock();
        out.write_all(&buffer[..count])
            .and_then(|()| out.flush())
            .map_err(|error| Failure::Io("write to the terminal", error))?;
        let found = self.search.as_mut().is_some_and(|search| search.found_in(&buffer[..count]));
        Ok(if found { Shown::Found } else { Shown::More })
    }

    /// Takes what was typed; whether it had the escape in it.
    fn read_typed(&mut self, stdin: BorrowedFd<'_>) -> Result<bool, Failure> {
        let mut buffer = [0; 1024];
        let count = match rustix::io::read(stdin, &mut buffer[..]) {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(false),
            read => read.map_err(|error| Failure::Io("read the terminal", error.into()))?,
        };
        self.typing = count > 0;
        let (typed, escape) = up_to_escape(&buffer[..count]);
        self.unsent.extend_from_slice(typed);
        Ok(escape)
    }

    /// Gives the guest as much of what was typed as it takes.
    fn send(&mut self) -> Result<(), Failure> {
        while !self.unsent.is_empty() {
            match self.console.write(&self.unsent) {
                Err(error) if is_not_now(&error) => break,
                sent => {
                    let sent = sent.map_err(|error| Failure::Io("write to the console", error))?;
                    self.unsent.drain(..sent);
                }
            }
        }
        Ok(())
    }
}

impl Ready {
    const fn nothing() -> Self {
        Self { console: false, stdin: false, interrupt: false, time_is_up: false }
    }
}

fn is_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn ended_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the console ended before it")
}

/// What was typed before Ctrl-], and whether it was typed.
fn up_to_escape(typed: &[u8]) -> (&[u8], bool) {
    match typed.iter().position(|&byte| byte == ESCAPE) {
        Some(at) => (&typed[..at], true),
        None => (typed, false),
    }
}

/// Ctrl-], as `telnet` and `xl console`.
const ESCAPE: u8 = 0x1d;

/// How much may be typed ahead of the guest before the keyboard is left alone.
const MOST_UNSENT: usize = 4096;

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
