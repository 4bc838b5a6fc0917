//! Detaching a device.

use devices::paths::DomainPaths;
use devices::unplug::{self, Parting};
use devices::{DeviceId, Kind, Record, Setback};
use xen_types::DomId;
use xs::Path;

use crate::domain::State;
use crate::error::{Cause, Error, Leftover, Problem, Remnant, Result};
use crate::host::Host;
use crate::hotplug::{self, Hotplug};
use crate::lifecycle::not_control;
use crate::limits::Limits;

/// What a caller may choose about detaching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DetachOptions {
    /// Take the device from a guest that does not let go of it by the deadline. It may lose what it
    /// has not written yet.
    pub force: bool,
}

impl Host {
    /// Detaches a device from a domain: asks the guest to let go of it, waits until both ends have,
    /// and removes it.
    ///
    /// A device that no guest is connected to is removed without asking. It is taken away by the
    /// policy that it was attached with, by whichever toolstack. One that another domain serves is that
    /// domain's to take apart: it has ten seconds for that once both ends have let go, and then the nodes
    /// go all the same.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain or device, [`crate::Kind::TimedOut`] if
    /// the guest did not let go in time: the request stands, and a later call goes on with it;
    /// [`crate::Kind::Unavailable`] for a device of a kind that is not taken apart here, and on
    /// [another machine](Host::of_another_machine). When it is detached but something stays behind, the error lists that in
    /// [`Error::leftovers`].
    #[doc(alias = "libxl_device_disk_remove")]
    #[doc(alias = "libxl_device_nic_remove")]
    pub fn detach(&self, device: &DeviceId, options: DetachOptions, limits: &Limits) -> Result<()> {
        let fail = |cause: Cause| Error::new("detach", device.clone(), cause);
        not_control(device.dom).map_err(|problem| fail(problem.into()))?;
        let host = self.within(limits);
        let (_lock, state) = host.lock_devices(device.dom, limits).map_err(fail)?;
        let record = Record::read(&host.store, device).map_err(|error| fail(error.into()))?;
        check_handled(&record)
            .and_then(|()| host.check_machine(record.ends().server))
            .map_err(|problem| fail(problem.into()))?;
        // A guest that has stopped has nobody to ask.
        let stopped = matches!(state, State::Shutdown(_));
        let mut parted = self.unplug(&record, stopped, limits);
        if options.force && parted.is_err() && limits.is_late() {
            let limits = self.device_removal_limits();
            parted = self.within(&limits).unplug(&record, true, &limits);
        }
        match parted.map_err(fail)? {
            left if left.is_empty() => Ok(()),
            left => Err(fail(Problem::LeftBehind.into()).with_leftovers(left)),
        }
    }

    /// Takes a device away; returns what it could not. With `hard` the guest is not asked. The caller
    /// holds the domain's lock, or has destroyed the domain.
    ///
    /// # Errors
    /// The other end did not let go of it: its nodes are still there then.
    pub(crate) fn unplug(
        &self,
        record: &Record,
        hard: bool,
        limits: &Limits,
    ) -> Result<Vec<Leftover>, Cause> {
        self.part(record, hard, limits)?;
        self.remove_unplugged(record, unplug::nodes(record.ends()), limits)
    }

    /// Waits until the other end has let go of a device, once it was asked or cut off; says which.
    pub(crate) fn part(
        &self,
        record: &Record,
        hard: bool,
        limits: &Limits,
    ) -> Result<Parting, Cause> {
        let ends = record.ends();
        if self.has_gone(ends.server)? {
            return Ok(Parting::Drop);
        }
        let parting = unplug::begin(&self.within(limits).store, ends, hard)?;
        if parting != Parting::Drop {
            let keep_on = || !limits.cancel.requested() && !hotplug::has_let_go(self, record);
            match unplug::await_closed(&self.store, ends, limits.deadline, keep_on) {
                Err(Setback::Stopped) => limits.check()?,
                closed => closed?,
            }
        }
        Ok(parting)
    }

    /// What is left to do once the other end has let go: the host's part, and these nodes.
    pub(crate) fn remove_unplugged(
        &self,
        record: &Record,
        nodes: Vec<Path>,
        limits: &Limits,
    ) -> Result<Vec<Leftover>, Cause> {
        let (device, server) = (&record.ends().device, record.ends().server);
        // Of a domain that has gone nothing is to be waited for.
        let hotplug = if self.has_gone(server)? { Hotplug::Native } else { Hotplug::of(record)? };
        let mut left = Vec::new();
        // The scripts read the backend's nodes.
        if hotplug != Hotplug::Native {
            hotplug::await_released(self, record, limits)?;
            let released = hotplug.release(self, record, limits);
            left.extend(released.err().map(|why| Leftover::device(device, why)));
        }
        // In a time of its own: scripts may have used up all of it.
        left.extend(self.within(&self.removal_limits()).remove_nodes(nodes));
        // A backend that never connected lets go when its nodes vanish.
        if let Err(why) = hotplug::await_released(self, record, limits) {
            left.push(Leftover::device(device, why));
        }
        Ok(left)
    }

    /// Takes all devices of a domain away that is about to be destroyed; returns what it could not.
    pub(crate) fn unplug_all(&self, dom: DomId, limits: &Limits) -> Vec<Leftover> {
        let devices = match self.recorded_devices(dom) {
            Ok(devices) => devices,
            Err(why) => {
                let what = Remnant::StorePath(DomainPaths(dom).recorded_devices().to_string());
                return vec![Leftover { what, why }];
            }
        };
        let mut left = Vec::new();
        let mut going = Vec::new();
        for device in devices.into_iter().filter(|device| HANDLED.contains(&device.kind)) {
            let read = match self.record_of(&device) {
                Ok(None) => continue,
                Ok(Some(read)) => read.map_err(Cause::from),
                Err(why) => Err(why),
            };
            let begun = read.and_then(|record| {
                check_handled(&record)?;
                self.check_machine(record.ends().server)?;
                // All of them begin to go before the first is waited for.
                unplug::begin(&self.store, record.ends(), true)?;
                Ok(record)
            });
            match begun {
                Ok(record) => going.push(record),
                Err(why) => left.push(Leftover::device(&device, why)),
            }
        }
        for record in going {
            match self.unplug(&record, true, limits) {
                Ok(more) => left.extend(more),
                Err(why) => left.push(Leftover::device(&record.ends().device, why)),
            }
        }
        left
    }
}

/// What is attached and detached here. Devices that hold something of a process are beyond it.
pub(crate) fn check_handled(record: &Record) -> Result<(), Problem> {
    let ends = record.ends();
    if !HANDLED.contains(&ends.device.kind) || !SERVING.contains(&ends.served_as) {
        return Err(Problem::OtherDevice(ends.served_as.to_string()));
    }
    Ok(())
}

/// The kinds that the kernel serves alone.
const HANDLED: [Kind; 3] = [Kind::Vbd, Kind::Vif, Kind::Vwif];

/// What the kernel serves them as.
const SERVING: [Kind; 2] = [Kind::Vbd, Kind::Vif];

#[cfg(test)]
mod tests {
    use devices::{Spec, Vbd, Vif};
    use xen_types::Kind as ErrorKind;

    use super::*;

    fn record(spec: &impl Spec) -> Record {
        let dom = DomId::new(7).unwrap();
        Record::in_tree(&spec.tree(dom), &spec.ends(dom).device).unwrap()
    }

    fn disk() -> Vbd {
        Vbd::phy("xvda".parse().unwrap(), "/dev/ram0").unwrap()
    }

    #[test]
    fn a_driver_domain_is_waited_for_whatever_the_policy_says() {
        let driver = DomId::new(3).unwrap();
        let served = record(&disk().served_by(driver));
        assert_eq!(check_handled(&served), Ok(()));
        assert_eq!(Hotplug::of(&served).unwrap(), Hotplug::Udev);
        assert_eq!(Hotplug::Scripts.for_ends(served.ends()), Hotplug::Udev);
        assert_eq!(Hotplug::Scripts.for_ends(record(&disk()).ends()), Hotplug::Scripts);
    }

    #[test]
    fn a_wireless_interface_goes_as_any_other() {
        let port = Vif::new(0, "00:16:3e:01:02:03".parse().unwrap()).wireless();
        assert_eq!(check_handled(&record(&port)), Ok(()));
    }

    #[test]
    fn what_is_not_taken_apart_here_is_unavailable() {
        let kind = |problem: Problem| Cause::from(problem).kind();
        assert_eq!(kind(Problem::OtherDevice("qdisk".into())), ErrorKind::Unavailable);
        assert_eq!(kind(Problem::OtherDevices("qdisk".into())), ErrorKind::Unavailable);
    }

    #[test]
    fn a_disk_that_qemu_serves_is_not_taken_apart_here() {
        let qdisk = Vbd::qdisk("xvda".parse().unwrap(), devices::Format::Raw, "/a.img").unwrap();
        let refused = check_handled(&record(&qdisk));
        assert_eq!(refused, Err(Problem::OtherDevice("qdisk".to_owned())));
    }
}
