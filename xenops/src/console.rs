//! Reaching a domain's first console through the pseudo-terminal that xenconsoled made for it.
//!
//! The path of the terminal stands in a node that a guest may only read ([`devices::Console`]). The
//! domain may have been made by a toolstack that was less careful, so the path is taken only from a
//! node that nobody but the control domain can write, and opened only if it is a pseudo-terminal: a
//! guest that could choose would show its user the terminal of somebody else (XSA-57).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use devices::paths::DomainPaths;
use rustix::fs::{OFlags, fstat, major};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use xen_types::{Deadline, DomId};
use xs::{Access, Grantee, Perms, View};

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
    /// daemon made no terminal for it, [`crate::Kind::Invalid`] if others than the control domain
    /// may say which terminal it is, or what they say is none.
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
        if !is_ours_alone(&self.store.with_deadline(deadline).perms(&tty)?) {
            return Err(Problem::OpenToOthers(tty.to_string()).into());
        }
        let name = met.value(&tty).unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }
}

/// Whether nobody but the control domain can write a node.
fn is_ours_alone(perms: &Perms) -> bool {
    let writes = |access| matches!(access, Access::Write | Access::Both);
    let ours = Grantee::Domain(DomId::DOM0);
    perms.owner() == DomId::DOM0
        && !writes(perms.others())
        && perms.entries().iter().all(|&(who, access)| who == ours || !writes(access))
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
        assert!(refusal("/dev/pts/0\u{1b}[2J"));
        assert!(refusal("dev/pts/0"));
    }

    fn ours_alone(perms: &[&str]) -> bool {
        is_ours_alone(&Perms::parse(perms.iter().copied()).unwrap())
    }

    #[test]
    fn a_node_that_guests_may_read_is_ours_alone() {
        assert!(ours_alone(&["n0", "r7"]));
        assert!(ours_alone(&["r0", "b0"]));
    }

    #[test]
    fn a_node_that_somebody_else_can_write_is_not() {
        assert!(!ours_alone(&["n7", "r0"]));
        assert!(!ours_alone(&["b0"]));
        assert!(!ours_alone(&["n0", "r7", "w8"]));
        assert!(!ours_alone(&["n0", "b32757"]));
    }
}
