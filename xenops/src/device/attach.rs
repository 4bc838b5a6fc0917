//! Attaching a device.

use devices::{DeviceId, Ends, Record, Setback, Spec, Tree, media, plug};
use xen_types::{DomId, DomainUuid};

use super::check_handled;
use crate::domain::State;
use crate::error::{Cause, Error, Leftover, Problem, Result};
use crate::host::Host;
use crate::hotplug::{Hotplug, Ready, is_empty_drive};
use crate::lifecycle::not_control;
use crate::limits::Limits;
use crate::lock::Lock;

/// What a caller may choose about attaching, apart from the device itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttachOptions {
    /// Who does the host's part of a device that the control domain serves. Another domain runs its own
    /// scripts and is waited for.
    pub hotplug: Hotplug,
    /// Wait until the guest has connected, too. One that is paused, or has no driver, never does.
    pub connected: bool,
}

/// A device whose nodes are written, or may be.
#[derive(Debug)]
pub(crate) struct Shown {
    record: Record,
    /// Whether there is somebody to wait for: not for an empty drive.
    has_ends: bool,
    options: AttachOptions,
    ready: Ready,
    /// Whether the store said so.
    written: Result<(), Cause>,
}

impl Host {
    /// Attaches a device to a domain: a disk, a network interface, and of what its QEMU serves an image, a
    /// shared folder, a console after the first.
    ///
    /// Nobody here starts that QEMU. One that starts after the nodes are written finds them, within the
    /// deadline.
    ///
    /// An empty drive is recorded and nothing else: the guest sees it when a medium comes
    /// ([`Host::insert`]), and nobody is waited for.
    ///
    /// When this returns, the backend has the device; whether and when the guest connects is the
    /// guest's business, unless the options ask for it.
    ///
    /// # Errors
    /// Whatever fails, the device is taken away again; [`Error::leftovers`] names what could not be.
    /// [`crate::Kind::NotFound`] if there is no such domain, serving domain, disk or bridge,
    /// [`crate::Kind::Exists`] if it has a device of this number, [`crate::Kind::Busy`] for a disk
    /// that somebody else uses, [`crate::Kind::Invalid`] for what the policy cannot do,
    /// [`crate::Kind::Unavailable`] for a device that [`Host::detach`] could not take away again
    /// and on [another machine](Host::of_another_machine), [`crate::Kind::TimedOut`] with the states of both ends.
    #[doc(alias = "libxl_device_disk_add")]
    #[doc(alias = "libxl_device_nic_add")]
    pub fn attach(
        &self,
        dom: DomId,
        spec: &impl Spec,
        options: AttachOptions,
        limits: &Limits,
    ) -> Result<DeviceId> {
        let device = spec.ends(dom).device;
        let fail = |cause: Cause| Error::new("attach", device.clone(), cause);
        not_control(dom).map_err(|problem| fail(problem.into()))?;
        let host = self.within(limits);
        let (_lock, uuid, _) = host.lock_devices(dom, limits).map_err(fail)?;
        let tree = unseen_if_empty(spec.tree(dom), &device).map_err(fail)?;
        host.plug(&device, uuid, tree, options, limits)?;
        Ok(device)
    }

    /// The right to change the devices of a domain that lives, until it is dropped, and what the
    /// domain is and does.
    pub(crate) fn lock_devices(
        &self,
        dom: DomId,
        limits: &Limits,
    ) -> Result<(Lock, DomainUuid, State), Cause> {
        let living = || {
            let info = self.existing(dom)?;
            match State::of(&info) {
                State::Dying => Err(Cause::from(Problem::NoSuchDomain)),
                state => Ok((info.uuid, state)),
            }
        };
        let (uuid, _) = living()?;
        let lock = Lock::of_domain(&self.locks, dom, uuid, limits)?;
        // Another domain may have the number by now; the lock was on the old one.
        match living()? {
            (now, state) if now == uuid => Ok((lock, uuid, state)),
            _ => Err(Problem::NoSuchDomain.into()),
        }
    }

    /// Whether the domain that serves a device is no more, or about to be.
    pub(crate) fn has_gone(&self, server: DomId) -> Result<bool, Cause> {
        if server == DomId::DOM0 {
            return Ok(false);
        }
        let info = self.info(server)?;
        Ok(info.is_none_or(|info| State::of(&info) == State::Dying))
    }

    /// Brings a device to the domain of this UUID. The caller holds the domain's lock, and this host is
    /// within the limits. What is undone has a time of its own.
    pub(crate) fn plug(
        &self,
        device: &DeviceId,
        uuid: DomainUuid,
        tree: Tree,
        options: AttachOptions,
        limits: &Limits,
    ) -> Result<()> {
        let shown = self.show(device, tree, options, limits)?;
        self.bring(shown, uuid, limits)
    }

    /// The first half of that: writes the nodes of a device, which its backend looks for. What is returned
    /// must be brought, or the device be taken away.
    pub(crate) fn show(
        &self,
        device: &DeviceId,
        mut tree: Tree,
        options: AttachOptions,
        limits: &Limits,
    ) -> Result<Shown> {
        let fail = |cause: Cause| Error::new("attach", device.clone(), cause);
        let of_tree = |tree: &Tree| Record::in_tree(tree, device).map_err(Cause::from);
        let asked = of_tree(&tree).map_err(fail)?;
        let server = asked.ends().server;
        check_handled(&asked)
            .and_then(|()| self.check_machine(server))
            .map_err(|problem| fail(problem.into()))?;
        if self.has_gone(server).map_err(fail)? {
            return Err(fail(Problem::NoServer(server).into()));
        }
        let hotplug = options.hotplug.for_ends(asked.ends());
        let mut ready = hotplug.prepare(self, &asked, limits).map_err(fail)?;
        let (back, top) = (asked.ends().backend(), asked.ends().record());
        for (key, value) in &ready.nodes {
            tree.value(back.join(*key), value).value(top.join(*key), value);
        }
        // A device of QEMU is taken away here only if it has this.
        if server == DomId::DOM0 || asked.ends().served_as.is_qemus() {
            tree.value(top.join(Hotplug::KEY), hotplug);
        }
        let record = of_tree(&tree).map_err(fail)?;
        let ends = record.ends();

        let mut may_be_there = false;
        let written = self.store.transaction(|tx| {
            // From a write on only the commit is left, which counts even if its answer is lost.
            may_be_there = plug::write(tx, ends, &tree)?;
            Ok(may_be_there)
        });
        ready.written();
        let written = match written {
            Ok(false) => return Err(fail(Setback::Exists.into())),
            Ok(true) => Ok(()),
            Err(error) if !may_be_there => return Err(fail(error.into())),
            Err(error) => Err(error.into()),
        };
        let has_ends = has_ends(&tree, ends);
        Ok(Shown { record, has_ends, options, ready, written })
    }

    /// The second half: waits for the backend and does the host's part. Whatever fails, the device is taken
    /// away again.
    pub(crate) fn bring(&self, shown: Shown, uuid: DomainUuid, limits: &Limits) -> Result<()> {
        let Shown { record, has_ends, options, ready, written } = shown;
        let device = &record.ends().device;
        let fail = |cause: Cause| Error::new("attach", device.clone(), cause);
        let brought = written.and_then(|()| {
            if has_ends {
                self.finish(&record, options, &ready, limits)?;
            }
            // What was waited for may have been another's.
            let gone = self.is_another(device.dom, uuid);
            if gone { Err(Problem::NoSuchDomain.into()) } else { Ok(()) }
        });
        // What was made ready goes when this returns: a loop device that cleared itself while its number
        // stands in the backend could be another guest's by the time it is opened.
        brought.map_err(|cause| {
            // In a time of its own: that of the attachment may be over.
            let limits = self.device_removal_limits();
            match self.within(&limits).unplug(&record, Some(uuid), true, &limits) {
                Ok(left) => fail(cause).with_leftovers(left),
                // Whoever made another domain of this number has taken its remains away.
                Err(Cause::Problem(Problem::NoSuchDomain)) => fail(Problem::NoSuchDomain.into()),
                Err(why) => fail(cause).with_leftovers(vec![Leftover::device(device, why)]),
            }
        })
    }

    pub(super) fn finish(
        &self,
        record: &Record,
        options: AttachOptions,
        ready: &Ready,
        limits: &Limits,
    ) -> Result<(), Cause> {
        let (ends, keep_on) = (record.ends(), || !limits.cancel.requested());
        plug::await_taken(&self.store, ends, limits.deadline, keep_on)?;
        options.hotplug.for_ends(ends).connect(self, record, ready, limits)?;
        if options.connected {
            plug::await_connected(&self.store, ends, limits.deadline, keep_on)?;
        }
        Ok(())
    }
}

/// Whether there are nodes for others than toolstacks.
pub(super) fn has_ends(tree: &Tree, ends: &Ends) -> bool {
    tree.nodes().iter().any(|node| node.path == ends.backend())
}

/// The nodes of a device for a guest that has not seen it: of an empty drive, which it shall not wait for, the
/// record alone.
pub(crate) fn unseen_if_empty(tree: Tree, device: &DeviceId) -> Result<Tree, Cause> {
    let record = Record::in_tree(&tree, device)?;
    if is_empty_drive(&record) { Ok(media::unseen(tree, record.ends())) } else { Ok(tree) }
}
