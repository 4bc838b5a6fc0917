//! Reaching a domain's first console through the pseudo-terminal that xenconsoled made for it.
//!
//! The path of the terminal comes from a node that the guest may only read ([`devices::Console`]),
//! and still it is believed only if it is a pseudo-terminal: the domain may have been made by a
//! toolstack that was less careful.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use devices::paths::DomainPaths;
use rustix::fs::{OFlags, fstat, major};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use xen_types::{Deadline, DomId};

use crate::error::{Cause, Error, Problem, Result};
use crate::host::Host;

/// An open console: bytes read come from the guest, bytes written are typed into it.
///
/// It does not block: where there is nothing to read, or the guest takes no more, the error is
/// [`io::ErrorKind::WouldBlock`], and the descriptor can be polled.
#[derive(Debug)]
pub struct Console(File);

impl Host {
    /// Opens the first console of a domain, waiting for the console daemon to serve it.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain, [`crate::Kind::TimedOut`] if the
    /// daemon made no terminal for it.
    pub fn console(&self, dom: DomId, deadline: Deadline) -> Result<Console> {
        let fail = |cause: Cause| Error::new("open the console of", dom, cause);
        self.existing(dom).map_err(fail)?;
        let terminal = self.terminal(dom, deadline).map_err(fail)?;
        open(&terminal).map_err(fail)
    }

    fn terminal(&self, dom: DomId, deadline: Deadline) -> Result<String, Cause> {
        let tty = DomainPaths(dom).console_tty();
        // The toolstack writes an empty node first, the daemon fills it.
        let named = xs::holds(tty.clone(), "is named by the console daemon", |value| {
            value.is_some_and(|name| !name.is_empty())
        });
        let met = self.store.wait(&named, deadline)?;
        let name = met.value(&tty).unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }
}

fn open(terminal: &str) -> Result<Console, Cause> {
    let untrusted = || Cause::Problem(Problem::UntrustedTerminal(terminal.to_owned()));
    let number = terminal.strip_prefix("/dev/pts/").ok_or_else(untrusted)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(untrusted());
    }
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
    let fail = |what| move |source| Cause::File { what, path: terminal.into(), source };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(terminal)
        .map_err(fail("open"))?;
    let device = fstat(&file).map_err(|error| fail("look at")(error.into()))?.st_rdev;
    if !PSEUDO_TERMINALS.contains(&major(device)) {
        return Err(untrusted());
    }
    let mut mode = tcgetattr(&file).map_err(|error| fail("read the mode of")(error.into()))?;
    mode.make_raw();
    tcsetattr(&file, OptionalActions::Now, &mode)
        .map_err(|error| fail("set the mode of")(error.into()))?;
    Ok(Console(file))
}

/// The major numbers of Unix98 pseudo-terminals (`devices.txt` of Linux).
const PSEUDO_TERMINALS: std::ops::RangeInclusive<u32> = 136..=143;

impl Read for Console {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(terminal: &str) -> bool {
        matches!(open(terminal), Err(Cause::Problem(Problem::UntrustedTerminal(_))))
    }

    #[test]
    fn a_terminal_that_is_another_file_is_not_opened() {
        assert!(refusal("/etc/passwd"));
        assert!(refusal("/dev/pts/../../etc/passwd"));
        assert!(refusal("/dev/pts/"));
    }
}
