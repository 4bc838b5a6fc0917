//! What every change of a device that is there begins with: nobody else changes it meanwhile.

use devices::{DeviceId, Record};
use xen_types::DomainUuid;

use crate::domain::State;
use crate::error::Cause;
use crate::host::Host;
use crate::lifecycle::not_control;
use crate::limits::Limits;
use crate::lock::Lock;

/// A device that nobody else changes until this is dropped.
pub(super) struct Held {
    /// The host within the limits of the change.
    pub(super) host: Host,
    /// What the device's record has.
    pub(super) record: Record,
    /// Which domain has it.
    pub(super) uuid: DomainUuid,
    /// What its domain does.
    pub(super) state: State,
    _lock: Lock,
}

impl Host {
    /// Takes the right to change a device, and reads its record then.
    pub(super) fn hold(&self, device: &DeviceId, limits: &Limits) -> Result<Held, Cause> {
        not_control(device.dom)?;
        let host = self.within(limits);
        let (lock, uuid, state) = host.lock_devices(device.dom, limits)?;
        let record = Record::read(&host.store, device)?;
        Ok(Held { host, record, uuid, state, _lock: lock })
    }
}
