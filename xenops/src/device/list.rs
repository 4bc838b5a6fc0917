//! Listing the devices of a domain, by the record that no guest can write.

use devices::{DeviceId, Kind, Record, Sighting};
use xen_types::{DomId, Kind as ErrorKind};

use crate::error::{Cause, Error, Result};
use crate::host::Host;
use crate::hotplug::Hotplug;

/// A device that the record has.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listed {
    /// Which device it is.
    pub device: DeviceId,
    /// What it was at one moment, or why that is not understood.
    pub found: Result<Attached, Cause>,
}

/// A device as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attached {
    /// The domain that serves it.
    pub server: DomId,
    /// The kind of the serving end.
    pub served_as: Kind,
    /// Who did the host's part; `None` if there is none, another domain serves it, or the record has a
    /// word that is not known here.
    pub hotplug: Option<Hotplug>,
    /// What it is in the control domain: the path of a disk, the bridge of a network interface.
    pub source: Option<String>,
    /// What both ends show.
    pub state: Sighting,
}

impl Host {
    /// The devices of a domain, whichever toolstack attached them, in the order of kinds and numbers.
    ///
    /// A device is in the list even if its record makes no sense; one that goes meanwhile is not.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain, and what the store says.
    #[doc(alias = "libxl_device_disk_list")]
    #[doc(alias = "libxl_device_nic_list")]
    pub fn devices(&self, dom: DomId) -> Result<Vec<Listed>> {
        let fail = |cause: Cause| Error::new("list the devices of", dom, cause);
        self.existing(dom).map_err(fail)?;
        let devices = self.recorded_devices(dom).map_err(fail)?;
        let mut listed = Vec::new();
        for device in devices {
            let Some(record) = self.record_of(&device).map_err(fail)? else { continue };
            let found = match record {
                Ok(record) => Ok(self.attached(&record).map_err(fail)?),
                Err(why) => Err(why.into()),
            };
            listed.push(Listed { device, found });
        }
        Ok(listed)
    }

    /// What the record has of a device, or why that makes no sense; `None` if the device has gone.
    pub(crate) fn record_of(
        &self,
        device: &DeviceId,
    ) -> Result<Option<Result<Record, devices::Error>>, Cause> {
        match Record::read(&self.store, device) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() != ErrorKind::Invalid => Err(error.into()),
            read => Ok(Some(read)),
        }
    }

    /// The devices that the record has.
    pub(crate) fn recorded_devices(&self, dom: DomId) -> Result<Vec<DeviceId>, Cause> {
        Ok(devices::recorded(&self.store, dom)?)
    }

    fn attached(&self, record: &Record) -> Result<Attached, Cause> {
        let ends = record.ends();
        let text = |key: &str| {
            let value = record.fields().get(key)?;
            String::from_utf8(value.clone()).ok().filter(|text| !text.is_empty())
        };
        let scripted = text("script").is_some();
        Ok(Attached {
            server: ends.server,
            served_as: ends.served_as.clone(),
            hotplug: Hotplug::of(record).ok().filter(|_| scripted && ends.server == DomId::DOM0),
            source: text("params").or_else(|| text("bridge")),
            state: Sighting::read(&self.store, ends)?,
        })
    }
}
