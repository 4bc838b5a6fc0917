//! The host's side of a device that QEMU serves: what it will open is there, and a disk is nobody else's.
//!
//! The rest is done by the QEMU of the domain, which this library neither starts nor ends.

use std::path::Path;

use devices::{Kind, Record};
use xen_types::DomId;

use super::image::Image;
use super::{Ready, field};
use crate::error::Cause;
use crate::host::Host;
use crate::limits::Limits;
use crate::lock::Lock;

/// Looks at what QEMU is going to open.
pub(super) fn prepare(host: &Host, record: &Record, limits: &Limits) -> Result<Ready, Cause> {
    let ends = record.ends();
    if ends.server != DomId::DOM0 {
        return Ok(Ready::default());
    }
    let system = host.system()?;
    match ends.served_as {
        Kind::Qdisk => {
            let params = field(record, "params").unwrap_or_default();
            let path = params.split_once(':').map_or(params, |(_, path)| path);
            if path.is_empty() {
                return Ok(Ready::default());
            }
            let lock = Lock::of_disks(&host.locks, limits)?;
            let image = Image::find(system, Path::new(path), field(record, "mode") == Some("w"))?;
            image.check_unused(host)?;
            // It is in use once the store has its path.
            Ok(Ready { nodes: Vec::new(), image: Some(image), lock: Some(lock) })
        }
        Kind::NinePfs => {
            let path = Path::new(field(record, "path").unwrap_or_default());
            let fail = |source| Cause::File { what: "open", path: path.into(), source };
            system.list(path).map_err(fail)?;
            Ok(Ready::default())
        }
        _ => Ok(Ready::default()),
    }
}
