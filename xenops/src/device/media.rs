//! What is in a drive: put in, taken out.
//!
//! ```text
//! insert   lock ─ (both ends, or others) ─ disk ready ─ nodes of the medium ─ backend opens it
//! eject    lock ─ guest lets go ─ backend lets go ─ ends removed ─ empty drive ─ guest notices
//! ```
//!
//! For the kernel's backend an ejection is a detachment with another end: see [`devices::media`]. The
//! guest loses the disk, mounted or not, and has none until the next medium comes.

use std::time::Duration;

use devices::media::{self, Inserted, Tray};
use devices::{
    DeviceId, Ends, Kind, Medium, Plug, Record, Setback, Sighting, Spec, Tree, Vbd, plug,
};
use xen_types::DomId;
use xs::View;

use super::attach::{AttachOptions, has_ends};
use super::check_handled;
use super::held::Held;
use crate::domain::State;
use crate::error::{Cause, Error, Leftover, Problem, Remnant, Result};
use crate::host::Host;
use crate::hotplug::{self, Hotplug, Ready};
use crate::limits::Limits;

/// What a caller may choose about taking a medium out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EjectOptions {
    /// Take it from a guest that has locked the tray, or that does not let go of it by the deadline.
    pub force: bool,
}

impl Host {
    /// Puts a block device or a file into an empty drive; the guest has a disk then.
    ///
    /// The host's part is done by the policy that the drive was attached with. A drive whose end takes no
    /// medium, as its driver failed or the guest has closed it, gets another one first.
    ///
    /// # Errors
    /// Whatever fails, the drive is empty again. [`crate::Kind::NotFound`] if there is no such drive or
    /// disk, [`crate::Kind::Exists`] if something is in it, [`crate::Kind::Busy`] for a disk that
    /// somebody else uses, [`crate::Kind::Invalid`] for a hard disk, [`crate::Kind::Unavailable`] for
    /// a drive of QEMU's or of udev's scripts, [`crate::Kind::TimedOut`] with the states of both ends.
    #[doc(alias = "libxl_cdrom_insert")]
    pub fn insert(
        &self,
        drive: &DeviceId,
        path: &str,
        connected: bool,
        limits: &Limits,
    ) -> Result<()> {
        let fail = |cause: Cause| Error::new("put a medium into", drive.clone(), cause);
        let Held { host, record, .. } = &self.hold(drive, limits).map_err(fail)?;
        let vbd = host.handled_drive(record).map_err(fail)?;
        let hotplug = Hotplug::of(record).map_err(fail)?;
        if vbd.source().is_empty() && host.is_spoilt(record).map_err(fail)? {
            let to = Emptied::Waiting;
            let left = host.take_out(record, vbd.clone(), to, true, limits).map_err(fail)?;
            if !left.is_empty() {
                return Err(fail(Problem::LeftBehind.into()).with_leftovers(left));
            }
        }
        host.put_in(record, vbd, path, AttachOptions { hotplug, connected }, limits)
    }

    /// Takes out of a drive what is in it. The guest is asked to let go of it first; it loses the disk,
    /// also where a file system on it is mounted, as far as its frontend lets go then. An empty drive stays as it is.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such drive, [`crate::Kind::Busy`] if the guest has
    /// locked its tray, [`crate::Kind::TimedOut`] if the guest did not let go in time: the request
    /// stands, and a later call goes on with it; otherwise as for [`Host::insert`]. When the medium is out
    /// but a script has not released it, within ten seconds of its own if need be, the error lists the drive
    /// in [`Error::leftovers`].
    #[doc(alias = "libxl_cdrom_insert")]
    pub fn eject(&self, drive: &DeviceId, options: EjectOptions, limits: &Limits) -> Result<()> {
        let fail = |cause: Cause| Error::new("eject", drive.clone(), cause);
        let Held { host, record, state, .. } = &self.hold(drive, limits).map_err(fail)?;
        let vbd = host.handled_drive(record).map_err(fail)?;
        let ends = record.ends();
        let tray = Tray::read(&host.store, ends).map_err(|error| fail(error.into()))?;
        if tray.locked && !options.force {
            return Err(fail(Problem::Locked.into()));
        }
        let mut left = Vec::new();
        if !vbd.source().is_empty() {
            let stopped = matches!(state, State::Shutdown(_));
            let to = Emptied::Waiting;
            let mut out = host.take_out(record, vbd.clone(), to, stopped, limits);
            if options.force && out.is_err() && limits.is_late() {
                let limits = self.device_removal_limits();
                out = self.within(&limits).take_out(record, vbd, to, true, &limits);
            }
            left = out.map_err(fail)?;
        }
        // In a time of its own: that of the ejection is over if it was by force.
        let last = host.within(&host.removal_limits());
        let answered = last.store.transaction(|tx| media::answer(tx, ends));
        let answered = answered.map_err(|error| fail(error.into()));
        match left {
            left if left.is_empty() => answered,
            left => Err(fail(Problem::LeftBehind.into()).with_leftovers(left)),
        }
    }

    /// What a drive says of its tray: whether the guest has locked it, or asks for the medium.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such drive, [`crate::Kind::Invalid`] for a hard disk.
    #[doc(alias = "libxl_evenable_disk_eject")]
    pub fn tray(&self, drive: &DeviceId) -> Result<Tray> {
        let fail = |cause: Cause| Error::new("look at the tray of", drive.clone(), cause);
        let record = Record::read(&self.store, drive).map_err(|error| fail(error.into()))?;
        as_drive(&record).map_err(fail)?;
        Tray::read(&self.store, record.ends()).map_err(|error| fail(error.into()))
    }

    /// The drive that a record describes, if its medium is changed here.
    fn handled_drive(&self, record: &Record) -> Result<Vbd, Cause> {
        let vbd = as_drive(record)?;
        // QEMU's drive says more of why than that its kind is not handled.
        vbd.clone().with_medium(None)?;
        check_handled(record)?;
        self.check_machine(record.ends().server)?;
        Hotplug::of(record)?.takes_media()?;
        Ok(vbd)
    }

    /// Whether an empty drive has an end that takes no medium: its driver has failed or gone, or the guest has
    /// closed its own.
    fn is_spoilt(&self, record: &Record) -> Result<bool, Cause> {
        let seen = Sighting::read(&self.store, record.ends())?;
        let waits = seen.plug() == Plug::Taken && !hotplug::has_let_go(self, record);
        Ok(seen.backend.is_some() && !waits)
    }

    /// Puts a medium into a drive. The caller holds the domain's lock.
    fn put_in(
        &self,
        record: &Record,
        vbd: Vbd,
        path: &str,
        options: AttachOptions,
        limits: &Limits,
    ) -> Result<()> {
        let ends = record.ends();
        let fail = |cause: Cause| Error::new("put a medium into", ends.device.clone(), cause);
        let (tree, mut ready) =
            self.with_medium(record, vbd, path, options.hotplug, limits).map_err(fail)?;
        let (mut may_be_there, mut left) = (false, Emptied::Waiting);
        let written = self.store.transaction(|tx| {
            // From a write on only the commit is left, which counts even if its answer is lost.
            let inserted = media::insert(tx, ends, &tree)?;
            may_be_there = inserted != Inserted::Full;
            if inserted == Inserted::Anew {
                left = Emptied::Unseen;
            }
            Ok(inserted)
        });
        ready.written();
        let brought = match written {
            Ok(Inserted::Full) => return Err(fail(Problem::DriveFull.into())),
            Err(error) if !may_be_there => return Err(fail(error.into())),
            Err(error) => Err(error.into()),
            Ok(Inserted::InPlace | Inserted::Anew) => Record::in_tree(&tree, &ends.device)
                .map_err(Cause::from)
                .and_then(|full| self.finish(&full, options, &ready, limits)),
        };
        brought.map_err(|cause| {
            // In a time of its own: that of the insertion may be over.
            let limits = self.device_removal_limits();
            let emptied = self.within(&limits).empty_again(&ends.device, left, &limits);
            let left = emptied.unwrap_or_else(|why| vec![Leftover::device(&ends.device, why)]);
            fail(cause).with_leftovers(left)
        })
    }

    /// The nodes of a drive with a medium, and the host's part of it.
    fn with_medium(
        &self,
        record: &Record,
        vbd: Vbd,
        path: &str,
        hotplug: Hotplug,
        limits: &Limits,
    ) -> Result<(Tree, Ready), Cause> {
        let ends = record.ends();
        if !vbd.source().is_empty() && self.store.read_opt(&ends.backend())?.is_some() {
            return Err(Problem::DriveFull.into());
        }
        let mut tree = vbd.with_medium(Some(path))?.tree(ends.device.dom);
        let ready = hotplug.prepare(self, &Record::in_tree(&tree, &ends.device)?, limits)?;
        for (key, value) in &ready.nodes {
            let (back, top) = (ends.backend().join(*key), ends.record().join(*key));
            tree.value(back, value).value(top, value);
        }
        keep_word(&mut tree, record);
        Ok((tree, ready))
    }

    fn empty_again(
        &self,
        drive: &DeviceId,
        to: Emptied,
        limits: &Limits,
    ) -> Result<Vec<Leftover>, Cause> {
        let record = Record::read(&self.store, drive)?;
        self.take_out(&record, as_drive(&record)?, to, true, limits)
    }

    /// Takes the medium out of a drive that has one, and returns what stayed of it. With `hard` the guest is
    /// not asked.
    fn take_out(
        &self,
        record: &Record,
        vbd: Vbd,
        to: Emptied,
        hard: bool,
        limits: &Limits,
    ) -> Result<Vec<Leftover>, Cause> {
        let ends = record.ends();
        let mut tree = vbd.with_medium(None)?.tree(ends.device.dom);
        keep_word(&mut tree, record);
        let empty = Record::in_tree(&tree, &ends.device)?;
        let (tree, used) = match to {
            Emptied::Unseen => (media::unseen(tree, ends), false),
            Emptied::Waiting => (tree, media::is_noticed(&self.store, ends)?),
        };
        self.part(record, hard, limits)?;
        let left = self.write_anew(record, &tree, limits)?;
        if !left.is_empty() {
            return Ok(left);
        }
        // A guest whose kernel sees the old end go and the new one come at once takes them for one that
        // never went (`xenbus_dev_changed`, Linux 6.1), and does not use it.
        for _ in 0..MORE_ATTEMPTS {
            let noticed = !used || !self.runs(ends.device.dom)? || self.is_noticed(ends, limits)?;
            // The medium is out, and there is no time for more.
            if noticed || limits.is_late() {
                break;
            }
            self.part(&empty, true, limits)?;
            let left = self.write_anew(&empty, &tree, limits)?;
            if !left.is_empty() {
                return Ok(left);
            }
        }
        Ok(Vec::new())
    }

    /// Whether a domain can notice anything.
    fn runs(&self, dom: DomId) -> Result<bool, Cause> {
        let state = State::of(&self.existing(dom)?);
        Ok(matches!(state, State::Running | State::Blocked))
    }

    /// Removes the ends of a drive that nobody holds, and writes them as `tree` has them, if it does. Returns
    /// what stayed of the old ones.
    fn write_anew(
        &self,
        old: &Record,
        tree: &Tree,
        limits: &Limits,
    ) -> Result<Vec<Leftover>, Cause> {
        let ends = old.ends();
        let (removed, mut left) = self.remove_unplugged(old, limits)?;
        let instead =
            |why: Cause, left: Vec<Leftover>| left.into_iter().next().map_or(why, |left| left.why);
        // A driver that holds the old end would take the new one for it.
        if !left.is_empty() && ends.server == DomId::DOM0 && !hotplug::has_let_go(self, old) {
            return Err(instead(Setback::Exists.into(), left));
        }
        // In a time of its own, and whatever stays: a drive without its ends is of no use.
        let own = self.removal_limits().at_least_until(limits.deadline);
        let last = self.within(&own);
        match last.store.transaction(|tx| media::rewrite(tx, ends, tree)) {
            Ok(true) => {}
            Ok(false) => return Err(instead(Setback::Exists.into(), left)),
            Err(error) => return Err(instead(error.into(), left)),
        }
        // Nodes that could not be removed before have been written anew.
        left.retain(|left| matches!(left.what, Remnant::Device(_)));
        if !has_ends(tree, ends) {
            last.prune_above(&removed);
            return Ok(left);
        }
        let keep_on = || !limits.cancel.requested();
        match plug::await_taken(&last.store, ends, own.deadline, keep_on) {
            Err(setback) if left.is_empty() => Err(setback.into()),
            _ => Ok(left),
        }
    }

    /// Whether the guest uses its new end, within a moment.
    fn is_noticed(&self, ends: &Ends, limits: &Limits) -> Result<bool, Cause> {
        let soon = limits.deadline.min(limits.clock.after(NOTICED));
        let limits = Limits { deadline: soon, ..limits.clone() };
        let noticed = limits.poll::<(), Cause>(|| match media::is_noticed(&self.store, ends) {
            // The last look, which came too late.
            Err(error) if error.kind() == xs::Kind::TimedOut => Ok(None),
            noticed => Ok(noticed?.then_some(())),
        })?;
        Ok(noticed.is_some())
    }
}

/// What an empty drive has besides its record.
#[derive(Debug, Clone, Copy)]
enum Emptied {
    /// No ends, as before its first medium.
    Unseen,
    /// Both ends.
    Waiting,
}

/// The drive that a record describes.
fn as_drive(record: &Record) -> Result<Vbd, Cause> {
    if record.ends().device.kind != Kind::Vbd {
        return Err(Problem::NotA("drive").into());
    }
    match Vbd::from_record(record)? {
        vbd if vbd.medium() == Medium::Disk => Err(Problem::NotA("drive").into()),
        vbd => Ok(vbd),
    }
}

/// The policy of a drive stays the one that it was attached with.
fn keep_word(tree: &mut Tree, record: &Record) {
    if let Some(word) = record.fields().get(Hotplug::KEY) {
        let word = String::from_utf8_lossy(word);
        tree.value(record.ends().record().join(Hotplug::KEY), word);
    }
}

/// How long a guest may take to notice that its drive is another one.
const NOTICED: Duration = Duration::from_secs(2);
/// How often the drive goes and comes once more for a guest that did not.
const MORE_ATTEMPTS: usize = 2;

#[cfg(test)]
mod tests {
    use xen_types::Kind as ErrorKind;

    use super::*;

    fn recorded(vbd: &Vbd) -> (Tree, Record) {
        let dom = DomId::new(7).unwrap();
        let mut tree = vbd.tree(dom);
        let device = vbd.ends(dom).device;
        tree.value(device.record().join(Hotplug::KEY), Hotplug::Native);
        let record = Record::in_tree(&tree, &device).unwrap();
        (tree, record)
    }

    #[test]
    fn a_hard_disk_is_no_drive() {
        let (_, record) = recorded(&Vbd::phy("xvda".parse().unwrap(), "/dev/ram0").unwrap());
        assert_eq!(as_drive(&record).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_drive_keeps_the_policy_that_it_was_attached_with() {
        let full = Vbd::phy("xvdc".parse().unwrap(), "/a.iso").unwrap().cdrom();
        let (_, record) = recorded(&full);
        let mut tree =
            as_drive(&record).unwrap().with_medium(None).unwrap().tree(DomId::new(7).unwrap());
        keep_word(&mut tree, &record);
        let empty = Record::in_tree(&tree, &record.ends().device).unwrap();
        assert_eq!(Hotplug::of(&empty).unwrap(), Hotplug::Native);
        assert!(as_drive(&empty).unwrap().source().is_empty());
    }

    #[test]
    fn media_are_not_changed_where_udev_runs_the_scripts() {
        let refused = Hotplug::Udev.takes_media().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
    }
}
