//! Detaching a device.

use devices::unplug::{self, Parting};
use devices::{DeviceId, Kind, Record, Setback};
use xen_types::DomainUuid;
use xs::Path;

use super::held::Held;
use crate::domain::State;
use crate::error::{Cause, Error, Leftover, Problem, Result};
use crate::host::Host;
use crate::hotplug::{self, Hotplug, field, qemu};
use crate::limits::{Finishing, Limits};

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
    /// go all the same. So they do where a QEMU that serves a device is to let go of it without the guest
    /// and does not, as one that has ended. A script that takes the device back here is waited for until
    /// the deadline, and for ten seconds at least; if the caller cancels, for ten seconds.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain or device, [`crate::Kind::TimedOut`] if
    /// the guest did not let go in time: the request stands, and a later call goes on with it;
    /// [`crate::Kind::Unavailable`] for a device of a kind that is not taken apart here, and on
    /// [another machine](Host::of_another_machine). When it is detached but something stays behind, the
    /// error lists that in [`Error::leftovers`].
    #[doc(alias = "libxl_device_disk_remove")]
    #[doc(alias = "libxl_device_nic_remove")]
    pub fn detach(&self, device: &DeviceId, options: DetachOptions, limits: &Limits) -> Result<()> {
        let fail = |cause: Cause| Error::new("detach", device.clone(), cause);
        let Held { host, record, uuid, state, .. } = &self.hold(device, limits).map_err(fail)?;
        check_removable(record)
            .and_then(|()| host.check_machine(record.ends().server))
            .map_err(|problem| fail(problem.into()))?;
        // A guest that has stopped has nobody to ask.
        let stopped = matches!(state, State::Shutdown(_));
        let mut parted = host.unplug(record, Some(*uuid), stopped, limits);
        if options.force && parted.is_err() && limits.is_late() {
            let limits = self.device_removal_limits();
            parted = self.within(&limits).unplug(record, Some(*uuid), true, &limits);
        }
        match parted.map_err(fail)? {
            left if left.is_empty() => Ok(()),
            left => Err(fail(Problem::LeftBehind.into()).with_leftovers(left)),
        }
    }

    /// Takes a device away from the domain of this UUID, or from whoever had the number; returns what it
    /// could not. With `hard` the guest is not asked. The caller holds the domain's lock, or has destroyed
    /// the domain, and this host is within the limits.
    ///
    /// # Errors
    /// The other end did not let go of it: its nodes are still there then. A QEMU that does not, with
    /// `hard`, is named in what is left, and its nodes go. [`Problem::NoSuchDomain`] if another domain has
    /// the number by now.
    pub(crate) fn unplug(
        &self,
        record: &Record,
        uuid: Option<DomainUuid>,
        hard: bool,
        limits: &Limits,
    ) -> Result<Vec<Leftover>, Cause> {
        let silent = self.await_parted(record, uuid, hard, limits)?;
        let left = self.clear(record, uuid, limits)?;
        Ok(silent.into_iter().chain(left).collect())
    }

    /// Has the other end let go of a device, with `hard` without asking the guest, and waits until it has;
    /// returns what a silent QEMU may still hold.
    ///
    /// # Errors
    /// It did not. [`Problem::NoSuchDomain`] if another domain has the number by now, of which nothing is
    /// asked.
    pub(super) fn await_parted(
        &self,
        record: &Record,
        uuid: Option<DomainUuid>,
        hard: bool,
        limits: &Limits,
    ) -> Result<Option<Leftover>, Cause> {
        if record.ends().served_as.is_qemus() {
            return qemu::part(self, record, uuid, hard, limits);
        }
        self.check_same(record, uuid)?;
        self.part(record, hard, limits).map(|_| None)
    }

    /// Takes away what is left of a device once the other end has let go of it, to the end; returns what it
    /// could not.
    ///
    /// # Errors
    /// The host's part did not end: the nodes are still there. [`Problem::NoSuchDomain`] if another domain
    /// has the number by now.
    pub(super) fn clear(
        &self,
        record: &Record,
        uuid: Option<DomainUuid>,
        limits: &Limits,
    ) -> Result<Vec<Leftover>, Cause> {
        self.check_same(record, uuid)?;
        let (removed, mut left) = self.remove_unplugged(record, limits)?;
        // The last one: it says what there is to remove.
        let removing = self.within(&self.removal_limits());
        left.extend(removing.remove_with_folders(&record.ends().record(), &removed));
        Ok(left)
    }

    /// Fails if the device's domain is another one by now than that of this UUID.
    pub(crate) fn check_same(
        &self,
        record: &Record,
        uuid: Option<DomainUuid>,
    ) -> Result<(), Problem> {
        match uuid {
            Some(uuid) if self.is_another(record.ends().device.dom, uuid) => {
                Err(Problem::NoSuchDomain)
            }
            _ => Ok(()),
        }
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
        let elsewhere = hotplug::Elsewhere::of(&self.store, ends)?;
        let parting = unplug::begin(&self.store, ends, hard)?;
        if parting != Parting::Drop {
            let let_go =
                || hotplug::has_let_go(self, record) || elsewhere.has_let_go(&self.store, ends);
            let keep_on = || !limits.cancel.requested() && !let_go();
            match unplug::await_closed(&self.store, ends, limits.deadline, keep_on) {
                Err(Setback::Stopped) => limits.check()?,
                closed => closed?,
            }
        }
        Ok(parting)
    }

    /// What is left to do once the other end has let go: the host's part, and all nodes but the record, and
    /// but the folders that they leave empty. Returns which nodes it removed, and what it could not. It goes
    /// on to its end, for longer than these limits if need be.
    pub(crate) fn remove_unplugged(
        &self,
        record: &Record,
        limits: &Limits,
    ) -> Result<(Vec<Path>, Vec<Leftover>), Cause> {
        let ends = record.ends();
        let device = &ends.device;
        // Of a domain that has gone nothing is to be waited for.
        let hotplug =
            if self.has_gone(ends.server)? { Hotplug::Native } else { Hotplug::of(record)? };
        let mut left = Vec::new();
        // What was begun is not left half-done, whatever the deadline, and though the caller cancels.
        let step = || Finishing::new(self.removal_limits(), limits);
        let await_released = || step().wait(|limits| hotplug::await_released(self, record, limits));
        // The scripts read the backend's nodes.
        if hotplug != Hotplug::Native {
            await_released()?;
            let step = step();
            let released = hotplug.release(&self.within(&step.most), record, &step);
            left.extend(released.err().map(|why| Leftover::device(device, why)));
        }
        let removing = || self.within(&self.removal_limits());
        let both = [ends.frontend(), ends.backend()];
        let errors = unplug::nodes(ends).into_iter();
        let errors = errors.filter(|path| !both.contains(path) && *path != ends.record());
        let (mut removed, more) = removing().remove_bare_nodes(both.to_vec());
        left.extend(more);
        // A backend that never connected lets go when its nodes vanish, and may tell of an error until then.
        if let Err(why) = await_released() {
            left.push(Leftover::device(device, why));
        }
        let (more, stay) = removing().remove_bare_nodes(errors.collect());
        removed.extend(more);
        left.extend(stay);
        Ok((removed, left))
    }
}

/// What is attached and detached here.
pub(crate) fn check_handled(record: &Record) -> Result<(), Problem> {
    let ends = record.ends();
    let daemons = field(record, "frontend/type") == Some("xenconsoled");
    if !is_handled(&ends.device) || !SERVING.contains(&ends.served_as) || daemons {
        return Err(Problem::OtherDevice(ends.served_as.to_string()));
    }
    Ok(())
}

/// What is taken away here. A device of a QEMU that another toolstack started is left to that one, as the
/// process would stay.
pub(crate) fn check_removable(record: &Record) -> Result<(), Problem> {
    check_handled(record)?;
    match record.ends() {
        ends if ends.served_as.is_qemus() && field(record, Hotplug::KEY).is_none() => {
            Err(Problem::OtherDevice(ends.served_as.to_string()))
        }
        _ => Ok(()),
    }
}

/// Whether devices of this kind are. The first console comes and goes with the domain.
pub(super) fn is_handled(device: &DeviceId) -> bool {
    let first_console = device.kind == Kind::Console && device.number == 0;
    HANDLED.contains(&device.kind) && !first_console
}

const HANDLED: [Kind; 5] = [Kind::Vbd, Kind::Vif, Kind::Vwif, Kind::Console, Kind::NinePfs];

/// What they are served as: by the kernel the first two, by QEMU the others.
const SERVING: [Kind; 5] = [Kind::Vbd, Kind::Vif, Kind::Qdisk, Kind::Console, Kind::NinePfs];

#[cfg(test)]
mod tests {
    use devices::{Channel, Spec, Vbd, Vif};
    use xen_types::{DomId, Kind as ErrorKind};

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
    fn a_device_of_another_toolstacks_qemu_is_not_taken_apart_here() {
        let qdisk = Vbd::qdisk("xvda".parse().unwrap(), devices::Format::Raw, "/a.img").unwrap();
        let theirs = record(&qdisk);
        assert_eq!(check_handled(&theirs), Ok(()));
        let refused = check_removable(&theirs);
        assert_eq!(refused, Err(Problem::OtherDevice("qdisk".to_owned())));

        let dom = DomId::new(7).unwrap();
        let mut tree = qdisk.tree(dom);
        let device = qdisk.ends(dom).device;
        tree.value(device.record().join(Hotplug::KEY), Hotplug::Native);
        assert_eq!(check_removable(&Record::in_tree(&tree, &device).unwrap()), Ok(()));
    }

    #[test]
    fn a_console_of_the_daemon_is_neither_attached_nor_taken_apart() {
        let second = Channel::pty(1).unwrap();
        assert_eq!(check_handled(&record(&second)), Ok(()));
        let refused = check_handled(&record(&second.by_xenconsoled()));
        assert_eq!(refused, Err(Problem::OtherDevice("console".to_owned())));
        let dom = DomId::new(7).unwrap();
        assert!(!is_handled(&DeviceId { dom, kind: Kind::Console, number: 0 }));
    }
}
