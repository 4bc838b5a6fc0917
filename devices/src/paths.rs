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
}
