//! What the kernel's backends hold (`/sys/bus/xen-backend`), where the store does not say it.
//!
//! A backend answers in the store before it has opened a disk, and says `Closed` before it has let go
//! of it.

use std::io;
use std::path::{Path, PathBuf};

use super::link;
use super::loops::DeviceNumber;
use super::scripts::interface;
use super::system::{self, System};
use crate::error::{Cause, Problem};
use crate::host::Host;
use crate::limits::Limits;
use devices::{Ends, Plug, Setback, Sighting};

/// Waits until the backend has opened the disk that its node `physical-device` names.
pub(crate) fn await_opened(
    host: &Host,
    ends: &Ends,
    disk: DeviceNumber,
    limits: &Limits,
) -> Result<(), Cause> {
    let system = host.system()?;
    let path = folder(ends).join("physical_device");
    let opened = limits.poll(|| match system.read(&path) {
        Ok(opened) if opened.trim_ascii() == disk.to_string().as_bytes() => Ok(Some(())),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_goes_on(host, ends).map(|()| None)
        }
        Err(source) => Err(Cause::File { what: "read", path: path.clone(), source }),
    })?;
    opened.ok_or_else(|| late("the backend to open the disk", host, ends))
}

/// Waits until the interface that the backend makes is there: netback says first that it has taken the
/// device, and makes the interface then (`netback_probe`, `drivers/net/xen-netback/xenbus.c`; older ones
/// did it the other way round).
pub(crate) fn await_interface(host: &Host, ends: &Ends, limits: &Limits) -> Result<(), Cause> {
    let (system, path) = (host.system()?, link::facts(&interface(ends)));
    let there = limits.poll(|| match system::exists(system, &path) {
        Ok(true) => Ok(Some(())),
        Ok(false) if has_let_go(system, ends) => Err(vanished(host, ends, &path)),
        Ok(false) => check_goes_on(host, ends).map(|()| None),
        Err(source) => Err(Cause::File { what: "look at", path: path.clone(), source }),
    })?;
    there.ok_or_else(|| late("the backend to make its interface", host, ends))
}

/// What both ends show when the interface is not there any more.
pub(crate) fn vanished(host: &Host, ends: &Ends, path: &Path) -> Cause {
    match super::last_look(host, ends) {
        Ok(last) => {
            let why = format!("{} is not there", path.display());
            Setback::Failed { why, last: Box::new(last) }.into()
        }
        Err(error) => error.into(),
    }
}

/// Fails if the backend says that it has given up.
fn check_goes_on(host: &Host, ends: &Ends) -> Result<(), Cause> {
    let last = match Sighting::read(&host.store, ends) {
        // The last look is told of when the time is up.
        Err(error) if error.kind() == xs::Kind::TimedOut => return Ok(()),
        last => last?,
    };
    match last.plug() {
        Plug::Failed(why) => {
            let why = why.unwrap_or_else(|| "the backend gave up".to_owned());
            Err(Setback::Failed { why, last: Box::new(last) }.into())
        }
        _ => Ok(()),
    }
}

/// Waits until the backend holds nothing of a device any more.
pub(crate) fn await_released(host: &Host, ends: &Ends, limits: &Limits) -> Result<(), Cause> {
    let (system, folder) = (host.system()?, folder(ends));
    let released = limits.poll(|| match system::exists(system, &folder) {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(())),
        Err(source) => Err(Cause::File { what: "look at", path: folder.clone(), source }),
    })?;
    released.ok_or_else(|| late("the backend to release it", host, ends))
}

/// Whether the kernel has backends, and not this one: nobody is left to answer in the store. A guest
/// that writes nonsense into its state makes blkback let go without a word there (Linux 6.1).
pub(crate) fn has_let_go(system: &dyn System, ends: &Ends) -> bool {
    let folder = folder(ends);
    let there = |path| system::exists(system, path);
    // What cannot be looked at may be there.
    folder.parent().is_some_and(|all| there(all).unwrap_or(false))
        && !there(&folder).unwrap_or(true)
}

fn late(what: &'static str, host: &Host, ends: &Ends) -> Cause {
    let last = match super::last_look(host, ends) {
        Ok(last) => last.to_string(),
        Err(error) => error.to_string(),
    };
    Problem::TimedOut { what, last }.into()
}

/// `backend_bus_id`, `xenbus_probe_backend.c` of Linux.
fn folder(ends: &Ends) -> PathBuf {
    let name = format!("{}-{}-{}", ends.served_as, ends.device.dom, ends.device.number);
    Path::new("/sys/bus/xen-backend/devices").join(name)
}

#[cfg(test)]
mod tests {
    use devices::{DeviceId, Kind};
    use xen_types::DomId;

    use super::*;

    #[test]
    fn a_backend_is_found_under_the_kernels_name_for_it() {
        let device = DeviceId { dom: DomId::new(7).unwrap(), kind: Kind::Vbd, number: 51712 };
        let ends = Ends { device, server: DomId::DOM0, served_as: Kind::Vbd };
        assert_eq!(folder(&ends), Path::new("/sys/bus/xen-backend/devices/vbd-7-51712"));
    }
}
