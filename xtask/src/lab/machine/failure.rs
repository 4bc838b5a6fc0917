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
}

impl Failure {
    pub(super) fn new(cause: Cause, log: PathBuf) -> Self {
        let tail = console::tail(&log, TAIL_LINES);
        Self { cause, log, tail }
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
        writeln!(f, "---- the last {TAIL_LINES} lines of the serial log")?;
        writeln!(f, "{}", self.tail)?;
        write!(f, "---- the whole log: {}", self.log.display())
    }
}

impl std::error::Error for Failure {}

const TAIL_LINES: usize = 40;
