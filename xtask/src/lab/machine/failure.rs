//! Why a machine is no more.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::console;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The hypervisor's own words.
    XenPanic(String),
    /// dom0's kernel's own words.
    Dom0Panic(String),
    /// dom0's init gave up, and says why.
    InitFailed(String),
    /// QEMU ended with this status; unknown for a machine that another process started.
    Exited(Option<i32>),
    /// The agent said nothing from the start on.
    NoAgent(Duration),
    /// The agent answers no more.
    Hang(Duration),
    ChannelLost,
    NoPowerOff,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::XenPanic(words) => write!(f, "the hypervisor panicked: {words}"),
            Self::Dom0Panic(words) => write!(f, "dom0 panicked: {words}"),
            Self::InitFailed(words) => write!(f, "dom0 did not come up: {words}"),
            Self::Exited(Some(124)) => write!(f, "the machine's lifetime has passed"),
            Self::Exited(Some(status)) => write!(f, "QEMU exited with status {status}"),
            Self::Exited(None) => write!(f, "QEMU exited"),
            Self::NoAgent(time) => write!(f, "dom0 took no commands within {} s", time.as_secs()),
            Self::Hang(time) => write!(f, "dom0 hangs: no sign of life for {} s", time.as_secs()),
            Self::ChannelLost => write!(f, "QEMU closed the command channel"),
            Self::NoPowerOff => write!(f, "the machine did not power off"),
        }
    }
}

/// The end of a machine, with the end of its serial log.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Cause,
    log: PathBuf,
    tail: String,
    /// QEMU's own words, if it ended by itself.
    qemu: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, log: PathBuf, qemu_log: &Path) -> Self {
        let lines = match cause {
            Cause::Hang(_) => HANG_TAIL_LINES,
            _ => TAIL_LINES,
        };
        let tail = console::tail(&log, lines);
        let qemu = match cause {
            Cause::Exited(_) => console::tail(qemu_log, TAIL_LINES),
            // Else it can only say that we ended it.
            _ => String::new(),
        };
        Self { cause, log, tail, qemu }
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The whole serial log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.cause)?;
        if !self.qemu.is_empty() {
            writeln!(f, "---- QEMU said\n{}", self.qemu)?;
        }
        writeln!(f, "---- the last lines of the serial log")?;
        writeln!(f, "{}", self.tail)?;
        write!(f, "---- the whole log: {}", self.log.display())
    }
}

impl std::error::Error for Failure {}

const TAIL_LINES: usize = 40;

/// After a hang, what all processors were at.
const HANG_TAIL_LINES: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(cause: Cause) -> String {
        let begin =
            format!("xtask-failure-{:?}-{}", cause, std::process::id()).replace(['(', ')'], "-");
        let folder = std::env::temp_dir();
        let (serial, qemu) = (folder.join(begin.clone() + "serial"), folder.join(begin + "qemu"));
        std::fs::write(&serial, "(XEN) up\n").unwrap();
        std::fs::write(&qemu, "cannot set up guest memory\n").unwrap();
        let text = Failure::new(cause, serial.clone(), &qemu).to_string();
        std::fs::remove_file(serial).unwrap();
        std::fs::remove_file(qemu).unwrap();
        text
    }

    #[test]
    fn a_qemu_that_ends_by_itself_is_quoted() {
        let text = failure(Cause::Exited(Some(1)));
        assert!(text.contains("QEMU said\ncannot set up guest memory\n"), "{text}");
        assert!(text.contains("serial log\n(XEN) up\n"), "{text}");
    }

    #[test]
    fn a_qemu_that_we_end_is_not() {
        let text = failure(Cause::ChannelLost);
        assert!(!text.contains("QEMU said"), "{text}");
    }
}
