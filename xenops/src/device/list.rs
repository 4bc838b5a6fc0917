//! Listing the devices of a domain, by the record that no guest can write.

use devices::{DeviceId, Kind, Record, Sighting};
use xen_types::DomId;

use crate::error::{Cause, Error, Result};
use crate::host::Host;
use crate::hotplug::Hotplug;

/// A device as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attached {
    /// Which device it is.
    pub device: DeviceId,
    /// The domain that serves it.
    pub server: DomId,
    /// The kind of the serving end.
    pub served_as: Kind,
    /// Who did the host's part; `None` if there is none, or the record has a word that is not known
    /// here.
    pub hotplug: Option<Hotplug>,
    /// What it is in the control domain: the path of a disk, the bridge of a network interface.
    pub source: Option<String>,
    /// What both ends show.
    pub state: Sighting,
}

impl Host {
    /// The devices of a domain, whichever toolstack attached them, in the order of kinds and numbers.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain, [`crate::Kind::Invalid`] for a record
    /// that makes no sense.
    #[doc(alias = "libxl_device_disk_list")]
    #[doc(alias = "libxl_device_nic_list")]
    pub fn devices(&self, dom: DomId) -> Result<Vec<Attached>> {
        let fail = |cause: Cause| Error::new("list the devices of", dom, cause);
        self.existing(dom).map_err(fail)?;
        let devices = self.recorded_devices(dom).map_err(fail)?;
        devices.iter().map(|device| self.attached(device)).collect::<Result<_, _>>().map_err(fail)
    }

    /// The devices that the record has.
    pub(crate) fn recorded_devices(&self, dom: DomId) -> Result<Vec<DeviceId>, Cause> {
        Ok(devices::recorded(&self.store, dom)?)
    }

    fn attached(&self, device: &DeviceId) -> Result<Attached, Cause> {
        let record = Record::read(&self.store, device)?;
        let ends = record.ends();
        let text = |key: &str| {
            let value = record.fields().get(key)?;
            String::from_utf8(value.clone()).ok().filter(|text| !text.is_empty())
        };
        let scripted = text("script").is_some();
        Ok(Attached {
            device: device.clone(),
            server: ends.server,
            served_as: ends.served_as.clone(),
            hotplug: Hotplug::of(&record).ok().filter(|_| scripted),
            source: text("params").or_else(|| text("bridge")),
            state: Sighting::read(&self.store, ends)?,
        })
    }
}
