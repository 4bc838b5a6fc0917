//! The host's side of a device that QEMU serves: what it will open is there, and a disk is nobody else's.
//!
//! The rest is done by the QEMU of the domain, which this library neither starts nor ends: it is waited for.

use std::path::Path;
use std::time::Duration;

use devices::unplug::Parting;
use devices::{Ends, Kind, Record};
use xen_types::{DomId, DomainUuid, Kind as ErrorKind};
use xs::vanishes;

use super::image::Image;
use super::{Ready, field};
use crate::error::{Cause, Leftover};
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

/// Waits until QEMU has let go of a device. With `hard` one that does not is named in what is returned: what
/// one that has ended held went with it, and one that lives lets go as the nodes go.
pub(crate) fn part(
    host: &Host,
    record: &Record,
    uuid: Option<DomainUuid>,
    hard: bool,
    limits: &Limits,
) -> Result<Option<Leftover>, Cause> {
    let ends = record.ends();
    if !hard {
        host.check_same(record, uuid)?;
        let parting = host.part(record, hard, limits)?;
        return let_finish(host, ends, parting).map(|()| None);
    }
    let mut silent = None;
    for _ in 0..CUTS {
        host.check_same(record, uuid)?;
        let soon = limits.deadline.min(host.store.clock().after(ANSWERS / CUTS));
        match host.part(record, hard, &Limits { deadline: soon, ..limits.clone() }) {
            Err(why) if why.kind() == ErrorKind::TimedOut => silent = Some(why),
            parted => return let_finish(host, ends, parted?).map(|()| None),
        }
    }
    Ok(silent.map(|why| Leftover::device(&ends.device, why)))
}

/// Gives a QEMU that has let go of a device a moment. Its newer backends remove their end themselves
/// (`xen_device_backend_changed`, `hw/xen/xen-bus.c`). Its older ones take each change that they see after
/// the nodes have gone for a new device, and write into its end (`xenstore_update_be`,
/// `hw/xen/xen-legacy-backend.c`).
fn let_finish(host: &Host, ends: &Ends, parting: Parting) -> Result<(), Cause> {
    if parting == Parting::Drop {
        return Ok(());
    }
    let limits = host.limits(FINISHES);
    match host.within(&limits).store.wait(&vanishes(ends.backend()), limits.deadline) {
        Err(error) if error.kind() != xs::Kind::TimedOut => Err(error.into()),
        _ => Ok(()),
    }
}

/// How long a QEMU may take to let go of a device without the guest (`LIBXL_DESTROY_TIMEOUT`).
pub(crate) const ANSWERS: Duration = Duration::from_secs(10);

/// How often a device is cut off in that time: a guest that was about to connect writes its state over the
/// one that was written for it.
const CUTS: u32 = 4;

/// How long it may take for what it does after that.
const FINISHES: Duration = Duration::from_millis(500);
