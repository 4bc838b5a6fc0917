//! Where things stand in the xenstore: the only place, besides `xs`, where paths are put together.
//!
//! | path | who writes | what |
//! |---|---|---|
//! | `/local/domain/<domid>` | toolstack, parts by the guest | the domain's home |
//! | `/vm/<uuid>` | toolstack | what outlives one run of a guest |
//! | `/libxl/<domid>` | toolstack only | the record that removal goes by |
//! | `/local/domain/<backend>/backend/<kind>/<domid>/<id>` | backend | the serving end of a device |

use xen_types::{DomId, DomainUuid};
use xs::Path;

use crate::kind::Kind;

/// Everything that belongs to one run of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainPaths(pub DomId);

impl DomainPaths {
    /// The home, which the guest can read.
    pub fn home(self) -> Path {
        Path::domain(self.0)
    }

    /// The record kept for toolstacks, which the guest cannot even read (`libxl_internal.h`).
    pub fn record(self) -> Path {
        RECORDS.join(self.0)
    }

    /// The kinds of devices in the record.
    pub fn recorded_devices(self) -> Path {
        self.record().join("device")
    }

    /// The record of one device.
    pub fn recorded_device(self, kind: &Kind, number: u32) -> Path {
        below(&self.recorded_devices(), kind).join(number)
    }

    /// The guest's end of a device.
    ///
    /// The first console and the serial ports stand beside the devices
    /// (`libxl__device_frontend_path`, `libxl_device.c`).
    pub fn frontend(self, kind: &Kind, number: u32) -> Path {
        match (kind, number) {
            (Kind::Console, 0) => below(&self.home(), kind),
            (Kind::Vuart, _) => below(&self.home(), kind).join(number),
            _ => below(&self.home().join("device"), kind).join(number),
        }
    }

    /// Where the guest's driver of a device says what failed (`xenbus_dev_error` in Linux).
    pub fn frontend_error(self, kind: &Kind, number: u32) -> Path {
        below(&self.home().join("error/device"), kind).join(number).join("error")
    }

    /// The most memory that it may have, in KiB, which the guest can read.
    pub fn most_memory(self) -> Path {
        self.home().join("memory/static-max")
    }

    /// Where the path of its [`vm`] stands.
    pub fn vm(self) -> Path {
        self.home().join("vm")
    }

    /// The name.
    pub fn name(self) -> Path {
        self.home().join("name")
    }

    /// The request to shut down, which the guest answers by emptying it.
    pub fn shutdown(self) -> Path {
        self.home().join("control/shutdown")
    }

    /// The terminal on which the console daemon serves the first console.
    pub fn console_tty(self) -> Path {
        self.home().join("console/tty")
    }

    /// How it is virtualised, in the record (`pv`, `pvh`, `hvm`).
    pub fn kind(self) -> Path {
        self.record().join("type")
    }

    /// All backends that `backend` runs, by kind and then by domain.
    pub fn all_backends(self, backend: DomId) -> Path {
        Path::domain(backend).join("backend")
    }

    /// The backends of one kind of device that `backend` runs for this domain.
    pub fn backends(self, backend: DomId, kind: &'static str) -> Path {
        self.all_backends(backend).join(kind).join(self.0)
    }

    /// What `server` serves under one kind to this domain.
    pub fn served(self, server: DomId, kind: &Kind) -> Path {
        below(&self.all_backends(server), kind).join(self.0)
    }

    /// The serving end of one device of this domain.
    pub fn backend(self, server: DomId, kind: &Kind, number: u32) -> Path {
        self.served(server, kind).join(number)
    }

    /// Where the driver of a serving end says what failed (`xenbus_dev_error` in Linux).
    pub fn backend_error(self, server: DomId, kind: &Kind, number: u32) -> Path {
        let errors = Path::domain(server).join("error/backend");
        below(&errors, kind).join(self.0).join(number).join("error")
    }
}

/// What the path of a serving end says, if it is one: the serving domain, the kind, the domain that
/// is served and the device's number.
pub fn parse_backend(path: &str) -> Option<(DomId, Kind, DomId, u32)> {
    let rest = path.strip_prefix(Path::DOMAINS.as_str())?.strip_prefix('/')?;
    let mut words = rest.split('/');
    let server = words.next()?.parse().ok()?;
    let ("backend", kind) = (words.next()?, Kind::new(words.next()?).ok()?) else { return None };
    let (dom, number) = (words.next()?.parse().ok()?, parse_number(words.next()?)?);
    let same = DomainPaths(dom).backend(server, &kind, number).as_str() == path;
    same.then_some((server, kind, dom, number))
}

/// What the path of a guest's end says, if it is one: the domain, the kind and the device's number.
pub fn parse_frontend(path: &str) -> Option<(DomId, Kind, u32)> {
    let rest = path.strip_prefix(Path::DOMAINS.as_str())?.strip_prefix('/')?;
    let (dom, rest) = rest.split_once('/')?;
    let dom = dom.parse().ok()?;
    if rest == Kind::Console.as_str() {
        return Some((dom, Kind::Console, 0));
    }
    let (folder, rest) = rest.split_once('/')?;
    let (kind, number) = match rest.split_once('/') {
        Some((kind, number)) if folder == "device" => (kind, number),
        None if folder == Kind::Vuart.as_str() => (folder, rest),
        _ => return None,
    };
    let (kind, number) = (Kind::new(kind).ok()?, parse_number(number)?);
    (DomainPaths(dom).frontend(&kind, number).as_str() == path).then_some((dom, kind, number))
}

/// The number of a device as paths spell it: decimal digits, none too many.
pub fn parse_number(digits: &str) -> Option<u32> {
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// A path with the name of a kind below it.
pub(crate) fn below(path: &Path, kind: &Kind) -> Path {
    path.try_join(kind.as_str()).expect("the name of a kind is a segment")
}

/// A path with a key below it that was put together from literals and numbers.
pub(crate) fn key(path: &Path, key: &str) -> Path {
    path.try_join(key).expect("literals and numbers make segments")
}

/// What is kept about a VM across its runs.
pub fn vm(uuid: DomainUuid) -> Path {
    VMS.try_join(&uuid.to_string()).expect("hexadecimal digits and hyphens make a segment")
}

/// The domain that runs xenstored, if it is not the control domain.
pub const XENSTORED_DOMID: Path = Path::from_static("/tool/xenstored/domid");
/// The domain that runs xenconsoled, if it is not the control domain.
pub const XENCONSOLED_DOMID: Path = Path::from_static("/tool/xenconsoled/domid");

const RECORDS: Path = Path::from_static("/libxl");
const VMS: Path = Path::from_static("/vm");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_other_toolstacks() {
        let dom = DomainPaths(DomId::new(7).unwrap());
        assert_eq!(dom.record().as_str(), "/libxl/7");
        assert_eq!(dom.backends(DomId::DOM0, "vbd").as_str(), "/local/domain/0/backend/vbd/7");
        let uuid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        assert_eq!(vm(uuid).as_str(), "/vm/00112233-4455-6677-8899-aabbccddeeff");
    }

    #[test]
    fn the_path_of_a_serving_end_says_whose_it_is() {
        let (three, seven) = (DomId::new(3).unwrap(), DomId::new(7).unwrap());
        assert_eq!(
            parse_backend("/local/domain/3/backend/vif/7/1"),
            Some((three, Kind::Vif, seven, 1))
        );
    }

    #[test]
    fn the_path_of_a_guests_end_says_which_it_is() {
        let seven = DomId::new(7).unwrap();
        let parse = parse_frontend;
        assert_eq!(parse("/local/domain/7/device/vbd/51712"), Some((seven, Kind::Vbd, 51712)));
        assert_eq!(parse("/local/domain/7/console"), Some((seven, Kind::Console, 0)));
        assert_eq!(parse("/local/domain/7/device/console/1"), Some((seven, Kind::Console, 1)));
        assert_eq!(parse("/local/domain/7/vuart/0"), Some((seven, Kind::Vuart, 0)));
        assert_eq!(parse("/local/domain/7/device/console/0"), None);
        assert_eq!(parse("/local/domain/7/device/vbd"), None);
        assert_eq!(parse("/local/domain/7/device/vbd/1/state"), None);
        assert_eq!(parse("/local/domain/7/vbd/1"), None);
    }

    #[test]
    fn what_is_no_path_of_a_serving_end_says_nothing() {
        assert_eq!(parse_backend(""), None);
        assert_eq!(parse_backend("/local/domain/3/backend/vif/7"), None);
        assert_eq!(parse_backend("/local/domain/3/backend/vif/7/1/state"), None);
        assert_eq!(parse_backend("/local/domain/3/device/vif/7/1"), None);
        assert_eq!(parse_backend("/local/domain/3/backend/vif/7/01"), None);
        assert_eq!(parse_backend("/local/domain/03/backend/vif/7/1"), None);
        assert_eq!(parse_backend("/local/domain/3/backend/vif/07/1"), None);
        assert_eq!(parse_backend("/local/domain/3/backend//7/1"), None);
        assert_eq!(parse_backend("/local/domainer/3/backend/vif/7/1"), None);
        assert_eq!(parse_backend("/local/domain/3/backend/vif/32752/1"), None);
    }
}
