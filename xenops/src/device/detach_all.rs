//! Taking all devices away from a domain that goes.
//!
//! ```text
//! each: begin ─▶ in turns: has it let go? ─yes─▶ host's part, nodes
//!                   ▲            │ not within its turn
//!                   └────────────┘ until the time of all is over
//! ```
//!
//! Who holds one device for ever, as a driver domain that hangs, does not keep the others from going: while
//! there are others it is waited for a turn at a time, and a QEMU once. A script that hangs can use up the
//! time of all; then each of the others has a last turn, and its host's part a time of its own.

use std::collections::VecDeque;
use std::time::Duration;

use devices::paths::DomainPaths;
use devices::{DeviceId, Record, unplug};
use xen_types::{DomId, DomainUuid, Kind as ErrorKind};

use super::detach::{check_removable, is_handled};
use crate::error::{Cause, Leftover};
use crate::host::Host;
use crate::hotplug::{self, qemu};
use crate::limits::Limits;

impl Host {
    /// Takes all devices away from the domain of this UUID that is about to be destroyed, or that whoever had
    /// the number has left; returns what it could not. It may take longer than its limits: by [`TURN`] for
    /// each device, and by what follows once its other end has let go.
    pub(crate) fn unplug_all(
        &self,
        dom: DomId,
        uuid: Option<DomainUuid>,
        limits: &Limits,
    ) -> Vec<Leftover> {
        let devices = match self.recorded_devices(dom) {
            Ok(devices) => devices,
            Err(why) => {
                return vec![Leftover::node(&DomainPaths(dom).recorded_devices(), why)];
            }
        };
        let mut left = Vec::new();
        let mut going = VecDeque::new();
        for device in devices.into_iter().filter(is_handled) {
            match self.begin_to_unplug(&device) {
                Ok(None) => {}
                Ok(Some(record)) => going.push_back(record),
                Err(why) => left.push(Leftover::device(&device, why)),
            }
        }
        left.extend(self.see_off(going, uuid, limits));
        left
    }

    /// Begins to take away a device that may have gone meanwhile. All of them begin to go before the first is
    /// waited for.
    fn begin_to_unplug(&self, device: &DeviceId) -> Result<Option<Record>, Cause> {
        let Some(read) = self.record_of(device)? else { return Ok(None) };
        let record = read?;
        check_removable(&record)?;
        let ends = record.ends();
        self.check_machine(ends.server)?;
        // What one shows that has gone by itself is not written over.
        if !hotplug::Elsewhere::of(&self.store, ends)?.has_let_go(&self.store, ends) {
            unplug::begin(&self.store, ends, true)?;
        }
        Ok(Some(record))
    }

    /// Takes away what is left of each device once the other end has let go of it.
    fn see_off(
        &self,
        mut going: VecDeque<Record>,
        uuid: Option<DomainUuid>,
        limits: &Limits,
    ) -> Vec<Leftover> {
        // One QEMU serves all that is QEMU's: they have its time together, from the first on.
        let mut of_qemu = None;
        let mut left = Vec::new();
        while let Some(record) = going.pop_front() {
            let device = &record.ends().device;
            let last = going.is_empty() || limits.is_late();
            let turn = limits.clock.after(TURN);
            let deadline = if record.ends().served_as.is_qemus() {
                let answers = limits.clock.after(qemu::ANSWERS);
                *of_qemu.get_or_insert(limits.deadline.max(turn).min(answers))
            } else if going.is_empty() {
                limits.deadline.max(turn)
            } else {
                turn
            };
            let turn = Limits { deadline, ..limits.clone() };
            match self.within(&turn).await_parted(&record, uuid, true, &turn) {
                // Whether a QEMU that was silent still holds a page of the domain is seen when it goes.
                Ok(_) => {
                    let cleared = self.clear(&record, uuid, limits);
                    left.extend(cleared.unwrap_or_else(|why| vec![Leftover::device(device, why)]));
                }
                Err(why) if is_passing(&why) && !last => going.push_back(record),
                Err(why) => left.push(Leftover::device(device, why)),
            }
        }
        left
    }
}

/// Whether another turn may do better.
fn is_passing(why: &Cause) -> bool {
    matches!(why.kind(), ErrorKind::TimedOut | ErrorKind::Again)
}

/// How long one device is waited for while there are others.
const TURN: Duration = Duration::from_secs(1);
