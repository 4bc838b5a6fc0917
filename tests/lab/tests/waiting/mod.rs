//! How long tests wait, and two ports to wait at.
//!
//! What a test can only ask for again and again is waited for with [`until`](crate::dom0::until).

#![allow(dead_code, reason = "every test file takes the part it needs")]

use std::time::Duration;

use eventchn::{Bound, EventChannels};
use xen_types::{Deadline, DomId};

/// For what must come: late enough for a busy machine.
pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(120))
}

/// For what must not come.
pub(crate) fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(200))
}

/// Two ports of this domain bound to each other, the event of the fresh binding consumed.
pub(crate) fn pair(channels: &EventChannels) -> eventchn::Result<(Bound, Bound)> {
    let one = channels.bind_unbound_port(DomId::DOM0)?;
    let other = channels.bind_interdomain(DomId::DOM0, one.port())?;
    other.wait(soon())?;
    Ok((one, other))
}
