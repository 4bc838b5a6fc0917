//! Which device is meant, and where its ends are.

use std::fmt;

use xen_types::DomId;
use xs::Path;

use crate::kind::Kind;
use crate::paths::DomainPaths;

/// A device of a domain: what the record of it is filed under.
///
/// ```
/// use devices::{DeviceId, Kind};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let disk = DeviceId { dom, kind: Kind::Vbd, number: 51712 };
/// assert_eq!(disk.record().as_str(), "/libxl/7/device/vbd/51712");
/// assert_eq!(disk.to_string(), "vbd 51712 of domain 7");
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// The domain that uses it.
    pub dom: DomId,
    /// What it is; the name of the frontend's kind.
    pub kind: Kind,
    /// Its number (libxl's `devid`), unique within domain and kind. For a disk it says which it is:
    /// see [`Vdev`](crate::Vdev).
    pub number: u32,
}

/// A device with the domain that serves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ends {
    /// The device.
    pub device: DeviceId,
    /// The domain that serves it.
    pub server: DomId,
    /// The kind of the serving end, which may be another than the device's.
    pub served_as: Kind,
}

impl DeviceId {
    /// The guest's end. The guest owns it, and what is read there is the guest's word.
    pub fn frontend(&self) -> Path {
        DomainPaths(self.dom).frontend(&self.kind, self.number)
    }

    /// The toolstack's record of the device, which no guest can write.
    pub fn record(&self) -> Path {
        DomainPaths(self.dom).recorded_device(&self.kind, self.number)
    }

    /// Where the guest's driver says what failed, in its own words.
    pub fn error(&self) -> Path {
        DomainPaths(self.dom).frontend_error(&self.kind, self.number)
    }
}

impl Ends {
    /// The guest's end: [`DeviceId::frontend`].
    pub fn frontend(&self) -> Path {
        self.device.frontend()
    }

    /// The serving end. The serving domain owns it; the guest may read it.
    pub fn backend(&self) -> Path {
        DomainPaths(self.device.dom).backend(self.server, &self.served_as, self.device.number)
    }

    /// Where the serving domain's driver says what failed.
    pub fn error(&self) -> Path {
        let (dom, number) = (self.device.dom, self.device.number);
        DomainPaths(dom).backend_error(self.server, &self.served_as, number)
    }

    /// The toolstack's record: [`DeviceId::record`].
    pub fn record(&self) -> Path {
        self.device.record()
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of domain {}", self.kind, self.number, self.dom)
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.device.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(kind: Kind, number: u32, served_as: Kind) -> Ends {
        let dom = DomId::new(7).unwrap();
        let server = DomId::new(3).unwrap();
        Ends { device: DeviceId { dom, kind, number }, server, served_as }
    }

    #[test]
    fn the_serving_end_stands_under_its_own_kind_and_domain() {
        let disk = ends(Kind::Vbd, 51712, Kind::Qdisk);
        assert_eq!(disk.frontend().as_str(), "/local/domain/7/device/vbd/51712");
        assert_eq!(disk.backend().as_str(), "/local/domain/3/backend/qdisk/7/51712");
        assert_eq!(disk.record().as_str(), "/libxl/7/device/vbd/51712");
    }

    #[test]
    fn the_first_console_has_no_number_in_the_guest() {
        let first = ends(Kind::Console, 0, Kind::Console);
        assert_eq!(first.frontend().as_str(), "/local/domain/7/console");
        assert_eq!(first.backend().as_str(), "/local/domain/3/backend/console/7/0");
        let second = ends(Kind::Console, 1, Kind::Console);
        assert_eq!(second.frontend().as_str(), "/local/domain/7/device/console/1");
    }

    #[test]
    fn a_serial_port_stands_beside_the_devices() {
        let serial = ends(Kind::Vuart, 0, Kind::Vuart);
        assert_eq!(serial.frontend().as_str(), "/local/domain/7/vuart/0");
    }

    #[test]
    fn the_guest_complains_in_its_own_home() {
        let device = ends(Kind::Vif, 1, Kind::Vif).device;
        assert_eq!(device.error().as_str(), "/local/domain/7/error/device/vif/1/error");
    }
}
