//! Stopping a disk for a while, where its backend can: see [`devices::pause`].

use devices::pause::{self, Asked};
use devices::{DeviceId, Ends, Kind};
use xs::Condition;

use super::held::Held;
use crate::error::{Cause, Error, Problem, Result};
use crate::host::Host;
use crate::limits::Limits;

impl Host {
    /// Stops the requests of a disk at its backend: the guest keeps the disk and waits.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] if the backend has not done it by the deadline: nothing tells those
    /// that cannot from those that are slow. The request is withdrawn then.
    /// [`crate::Kind::NotFound`] if there is no such disk, [`crate::Kind::Invalid`] for another device.
    pub fn pause_disk(&self, disk: &DeviceId, limits: &Limits) -> Result<()> {
        self.on_disk("pause", disk, limits, |host, ends| {
            let answered = match host.store.transaction(|tx| pause::ask(tx, ends)) {
                Ok(Asked::Paused) => return Ok(()),
                Ok(_) => host.answers(&pause::paused(ends), limits),
                // It may stand there all the same.
                Err(error) => Err(error.into()),
            };
            // In a time of its own: that of the request is over.
            let last = host.within(&host.removal_limits());
            match (last.store.transaction(|tx| pause::withdraw(tx, ends)), answered) {
                (Ok(true), _) => Ok(()),
                (_, Err(cause)) => Err(cause),
                (Ok(false), Ok(_)) => Err(Problem::NoPause.into()),
                (Err(error), Ok(_)) => Err(error.into()),
            }
        })
    }

    /// Lets a paused disk run. One that runs stays as it is.
    ///
    /// # Errors
    /// [`crate::Kind::TimedOut`] if the backend has not done it by the deadline; otherwise as for
    /// [`Host::pause_disk`].
    pub fn unpause_disk(&self, disk: &DeviceId, limits: &Limits) -> Result<()> {
        self.on_disk("unpause", disk, limits, |host, ends| {
            if !host.store.transaction(|tx| pause::end(tx, ends))?
                || host.answers(&pause::running(ends), limits)?
            {
                return Ok(());
            }
            let (what, last) = ("the backend to run the disk", "pause-done".to_owned());
            Err(Problem::TimedOut { what, last }.into())
        })
    }

    fn on_disk(
        &self,
        what: &'static str,
        disk: &DeviceId,
        limits: &Limits,
        then: impl FnOnce(&Self, &Ends) -> Result<(), Cause>,
    ) -> Result<()> {
        let fail = |cause: Cause| Error::new(what, disk.clone(), cause);
        if disk.kind != Kind::Vbd {
            return Err(fail(Problem::NotA("disk").into()));
        }
        let Held { host, record, .. } = &self.hold(disk, limits).map_err(fail)?;
        if record.ends().served_as == Kind::Qdisk {
            return Err(fail(Problem::NoPause.into()));
        }
        then(host, record.ends()).map_err(fail)
    }

    /// Whether a condition comes about by the deadline.
    fn answers(&self, condition: &Condition, limits: &Limits) -> Result<bool, Cause> {
        loop {
            match self.store.wait(condition, limits.next_look()) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() != xs::Kind::TimedOut => return Err(error.into()),
                Err(_) if limits.is_late() => return Ok(false),
                Err(_) => limits.check()?,
            }
        }
    }
}
