//! USB controllers, with the devices of the host that are in their ports.
//!
//! Keys: `libxl_usb.c` (4.17, 4.20), `io/usbif.h`. A controller that only QEMU emulates has no ends
//! and is not described here.
//!
//! A device is put into a port by writing its name there, in the serving end alone when it is libxl:
//! its records have the ports as they were in the beginning.

use std::collections::BTreeMap;

use xen_types::DomId;

use crate::error::{Error, Result};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::part::{rule, text, within};
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

/// A USB controller of a domain.
///
/// ```
/// use devices::{Record, Spec, Vusb};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let usb = Vusb::new(0, 2, 8)?.by_qemu().plugged(1, "1-2.3")?;
/// let record = Record::in_tree(&usb.tree(dom), &usb.ends(dom).device)?;
/// assert_eq!(Vusb::from_record(&record)?, usb);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vusb {
    number: u32,
    qemu: bool,
    version: u32,
    ports: u32,
    plugged: BTreeMap<u32, Text>,
    server: DomId,
}

impl Vusb {
    /// How many ports a controller may have (`USBIF_MAX_PORTNR`, `io/usbif.h`).
    pub const MAX_PORTS: u32 = 31;

    /// A controller of USB 1 or 2 with so many ports, served by the kernel.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) for another version, no port or more than
    /// [`Vusb::MAX_PORTS`].
    pub fn new(number: u32, version: u32, ports: u32) -> Result<Self> {
        let version = within("the version of a USB controller", version, 1, MAX_VERSION)?;
        let ports = within("the ports of a USB controller", ports, 1, Self::MAX_PORTS)?;
        let plugged = BTreeMap::new();
        Ok(Self { number, qemu: false, version, ports, plugged, server: DomId::DOM0 })
    }

    /// The same, served by QEMU.
    #[must_use]
    pub fn by_qemu(self) -> Self {
        Self { qemu: true, ..self }
    }

    /// The same with a device of the serving domain in a port, counted from 1. The device is named as
    /// in `/sys/bus/usb/devices`: `1-2.3`.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if there is no such port, or something is in it, or the
    /// name is not a [`Text`].
    pub fn plugged(mut self, port: u32, device: &str) -> Result<Self> {
        let port = within("the port of a USB device", port, 1, self.ports)?;
        let device = text("the name of a USB device", device)?;
        match self.plugged.insert(port, device) {
            None => Ok(self),
            Some(_) => Err(Error::part("a USB device", rule("the port is taken"))),
        }
    }

    /// The same, served by another domain than the control domain.
    #[must_use]
    pub fn served_by(self, server: DomId) -> Self {
        Self { server, ..self }
    }

    /// What is in which port.
    pub const fn devices(&self) -> &BTreeMap<u32, Text> {
        &self.plugged
    }
}

impl Spec for Vusb {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Vusb, number: self.number };
        let served_as = if self.qemu { Kind::Qusb } else { Kind::Vusb };
        Ends { device, server: self.server, served_as }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        layout
            .back("type", if self.qemu { "qusb" } else { "pv" })
            .back("usb-ver", self.version)
            .back("num-ports", self.ports)
            .back("port", "");
        for port in 1..=self.ports {
            let device = self.plugged.get(&port).map_or("", Text::as_str);
            layout.back(format!("port/{port}"), device);
        }
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.of_kind(&Kind::Vusb)?;
        let qemu = match ends.served_as {
            Kind::Vusb => false,
            Kind::Qusb => true,
            _ => return Err(record.of_another_kind()),
        };
        let (version, ports) = (record.parse("usb-ver")?, record.parse("num-ports")?);
        let usb = Self::new(ends.device.number, version, ports);
        let mut usb = usb.map_err(|_| record.wrong("num-ports"))?;
        (usb.qemu, usb.server) = (qemu, ends.server);
        for port in 1..=usb.ports {
            let device = record.text_opt(&format!("port/{port}"))?;
            usb.plugged.extend(device.map(|device| (port, device)));
        }
        Ok(usb)
    }
}

/// libxl's limit for controllers with ends.
const MAX_VERSION: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below, read_back, record_with};

    #[test]
    fn every_port_has_a_node() {
        let usb = Vusb::new(0, 2, 3).unwrap().plugged(2, "1-2").unwrap();
        assert_eq!(
            lines_below(&usb, "/local/domain/0/backend/vusb/7/0")[5..],
            [
                r#"/type = "pv""#,
                r#"/usb-ver = "2""#,
                r#"/num-ports = "3""#,
                r#"/port = """#,
                r#"/port/1 = """#,
                r#"/port/2 = "1-2""#,
                r#"/port/3 = """#,
            ]
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let usb = Vusb::new(4, 1, 31).unwrap().by_qemu().served_by(dom(3));
        let usb = usb.plugged(31, "1-2").unwrap().plugged(1, "2-1").unwrap();
        assert_eq!(read_back(&usb).unwrap(), usb);
    }

    #[test]
    fn there_are_only_so_many_ports() {
        let usb = Vusb::new(0, 2, 2).unwrap().plugged(1, "1-2").unwrap();
        assert!(usb.clone().plugged(1, "1-3").is_err());
        assert!(usb.clone().plugged(3, "1-3").is_err());
        assert!(Vusb::new(0, 2, 0).is_err());
        assert!(Vusb::new(0, 2, 32).is_err());
        assert!(Vusb::new(0, 3, 1).is_err());
        assert!(Vusb::from_record(&record_with(&usb, "num-ports", "4000000000")).is_err());
    }
}
