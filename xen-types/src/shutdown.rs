//! Why a domain stopped.

use std::fmt;

/// The reason a domain gave, or was given, for shutting down (`SHUTDOWN_*`,
/// `xen/include/public/sched.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShutdownReason {
    /// Ended normally; clean up and forget it.
    Poweroff,
    /// Wants to be started again.
    Reboot,
    /// Stopped so that its memory can be saved.
    Suspend,
    /// Reported that it crashed.
    Crash,
    /// Its watchdog timer ran out.
    Watchdog,
    /// Wants its memory kept and its state reset (kexec).
    SoftReset,
    /// A reason newer than this library.
    Unknown(u8),
}

impl ShutdownReason {
    /// The number in Xen's interfaces.
    pub const fn raw(self) -> u8 {
        match self {
            Self::Poweroff => 0,
            Self::Reboot => 1,
            Self::Suspend => 2,
            Self::Crash => 3,
            Self::Watchdog => 4,
            Self::SoftReset => 5,
            Self::Unknown(raw) => raw,
        }
    }
}

impl From<u8> for ShutdownReason {
    fn from(raw: u8) -> Self {
        match raw {
            0 => Self::Poweroff,
            1 => Self::Reboot,
            2 => Self::Suspend,
            3 => Self::Crash,
            4 => Self::Watchdog,
            5 => Self::SoftReset,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for ShutdownReason {
    /// The word that Xen's tools print and that `control/shutdown` carries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poweroff => f.write_str("poweroff"),
            Self::Reboot => f.write_str("reboot"),
            Self::Suspend => f.write_str("suspend"),
            Self::Crash => f.write_str("crash"),
            Self::Watchdog => f.write_str("watchdog"),
            Self::SoftReset => f.write_str("soft-reset"),
            Self::Unknown(raw) => write!(f, "reason-{raw}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_reason_keeps_its_number() {
        assert_eq!(ShutdownReason::from(9).raw(), 9);
        assert_eq!(ShutdownReason::from(4), ShutdownReason::Watchdog);
    }
}
