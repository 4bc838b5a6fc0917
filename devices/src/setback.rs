//! Why a device did not come or go.

use xen_types::Kind as ErrorKind;

use crate::handshake::OtherDevice;
use crate::sighting::Sighting;

/// Why plugging or unplugging a device failed. The caller knows which device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Setback {
    /// The store said no, or was silent.
    #[error(transparent)]
    Store(#[from] xs::Error),
    /// There is a device of this kind and number already.
    #[error("there is one already")]
    Exists,
    /// The backend's driver, or a hotplug script, failed.
    #[error("it failed: {why}; {last}")]
    Failed {
        /// What they said.
        why: String,
        /// What was there then.
        last: Box<Sighting>,
    },
    /// Another device has taken its place meanwhile.
    #[error(transparent)]
    Replaced(#[from] OtherDevice),
    /// The caller asked to stop.
    #[error("cancelled")]
    Stopped,
    /// The deadline passed.
    #[error("waited for {what}, last seen: {last}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// What was there when the time was up.
        last: Box<Sighting>,
    },
}

impl Setback {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Exists => ErrorKind::Exists,
            // What the script of a disk says of one that is in use (`ebusy`, `block-common.sh`).
            Self::Failed { last, .. } if last.hotplug_status.as_deref() == Some("busy") => {
                ErrorKind::Busy
            }
            Self::Failed { .. } => ErrorKind::Other,
            Self::Replaced(_) => ErrorKind::Gone,
            Self::Stopped => ErrorKind::Cancelled,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
        }
    }
}
