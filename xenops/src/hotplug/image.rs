//! What is in a disk: a block device, or a file behind a loop device, opened and found unused.
//!
//! A disk that a guest may write to belongs to that guest alone; one that is only read may be read by
//! others. Who uses a disk is asked by number, because names lie: by device and inode for a file, by
//! major and minor for a block device, where a partition and the disk that it is on are the same.

use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use devices::paths::DomainPaths;
use devices::{DeviceId, Ends, Kind};
use xen_types::DomId;
use xs::View as _;

use super::loops::{Backing, DeviceNumber, LoopDevice, loops_on};
use super::system::{self, Access, Opened, System};
use crate::error::{Cause, Problem};
use crate::host::Host;

/// A disk that is ready for a backend; a loop device goes when this is dropped before the backend has
/// opened it.
#[derive(Debug)]
pub(crate) struct Image {
    path: PathBuf,
    writable: bool,
    backing: Backing,
    /// Kept until the backend has it too: nobody mounts the device meanwhile.
    opened: Box<dyn Opened>,
    made: Option<LoopDevice>,
}

impl Image {
    /// Opens a disk and, if it is a file, makes a loop device of it.
    pub(crate) fn open(system: &dyn System, path: &Path, writable: bool) -> Result<Self, Cause> {
        let found = Self::find(system, path, writable)?;
        let made = match found.backing {
            Backing::File { .. } => {
                Some(LoopDevice::make(system, &*found.opened, path, !writable)?)
            }
            Backing::Device(_) => None,
        };
        Ok(Self { made, ..found })
    }

    /// Opens a disk that somebody else will open as it is.
    pub(crate) fn find(system: &dyn System, path: &Path, writable: bool) -> Result<Self, Cause> {
        let fail = |source| Cause::File { what: "open", path: path.into(), source };
        let found = system.find(path).map_err(fail)?;
        let backing = Backing::of(found.stat().map_err(fail)?);
        let backing = backing.ok_or_else(|| Problem::NoDisk(path.into()))?;
        // The kernel refuses this for a device that is mounted, or part of another one.
        let access = match (writable, backing) {
            (true, Backing::Device(_)) => Access::WriteAlone,
            (true, Backing::File { .. }) => Access::Write,
            (false, _) => Access::Read,
        };
        // What was found is opened, not what the name means by now.
        let opened = match found.reopen(access) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                return Err(in_use(path, "the control domain"));
            }
            opened => opened.map_err(fail)?,
        };
        Ok(Self { path: path.into(), writable, backing, opened, made: None })
    }

    /// The device that a backend opens.
    pub(crate) fn device(&self) -> &Path {
        self.made.as_ref().map_or(&self.path, |made| made.path())
    }

    /// The loop device, if there is one.
    pub(crate) fn loop_device(&self) -> Option<&Path> {
        self.made.as_ref().map(|made| made.path())
    }

    /// The numbers of the device that a backend opens.
    pub(crate) fn number(&self) -> Result<DeviceNumber, Cause> {
        match (&self.made, self.backing) {
            (Some(made), _) => made.number(),
            (None, Backing::Device(number)) => Ok(DeviceNumber::of(number)),
            (None, Backing::File { .. }) => Err(Problem::NoDisk(self.path.clone()).into()),
        }
    }

    /// Fails if somebody uses the disk in a way that does not go together with this one. The caller
    /// holds the lock on disks.
    pub(crate) fn check_unused(&self, host: &Host) -> Result<(), Cause> {
        let system = host.system()?;
        self.check_loops(system)?;
        self.check_mounts(system)?;
        self.check_guests(host, system)
    }

    /// Loop devices on the same file, whoever made them.
    fn check_loops(&self, system: &dyn System) -> Result<(), Cause> {
        for device in loops_on(system, self.backing)? {
            let ours = Some(&*device) == self.loop_device();
            if !ours && (self.writable || !is_read_only(system, &device)) {
                return Err(in_use(&self.path, &device.display().to_string()));
            }
        }
        Ok(())
    }

    /// File systems on the device that the control domain writes to. One that it only reads goes
    /// together with a guest that only reads.
    fn check_mounts(&self, system: &dyn System) -> Result<(), Cause> {
        let Some(ours) = self.block_device() else { return Ok(()) };
        let path = Path::new("/proc/self/mountinfo");
        let mounts = system.read(path).map_err(|source| Cause::File {
            what: "read",
            path: path.into(),
            source,
        })?;
        let used = mounted_writable(&String::from_utf8_lossy(&mounts))
            .any(|number| same_disk(system, number, ours));
        if used { Err(in_use(&self.path, "the control domain, mounted")) } else { Ok(()) }
    }

    /// Disks of guests, by the nodes of the control domain's backends.
    fn check_guests(&self, host: &Host, system: &dyn System) -> Result<(), Cause> {
        let disks = served_disks(host)?;
        let values = |key: &'static str| {
            let paths: Vec<_> = disks.iter().map(|ends| ends.backend().join(key)).collect();
            let values = host.store.read_each(&paths)?;
            let text = |value: Option<Vec<u8>>| String::from_utf8(value?).ok();
            Ok::<Vec<_>, Cause>(values.into_iter().map(text).collect())
        };
        let mut uses = vec![false; disks.len()];
        for (uses, params) in iter::zip(&mut uses, values("params")?) {
            *uses = params.is_some_and(|params| self.is_at(system, &params));
        }
        // A file has no number; that of a loop device on it was found before.
        if let Some(ours) = self.block_device() {
            for (uses, number) in iter::zip(&mut uses, values("physical-device")?) {
                let theirs = number.and_then(|number| number.parse().ok());
                *uses |= theirs.is_some_and(|theirs| same_disk(system, theirs, ours));
            }
        }
        for ends in iter::zip(&disks, uses).filter_map(|(ends, uses)| uses.then_some(ends)) {
            let shared = !self.writable && {
                let mode = host.store.read_opt(&ends.backend().join("mode"))?;
                !mode.is_some_and(|mode| mode.contains(&b'w'))
            };
            // What a dead domain left in the store uses nothing.
            if !shared && host.info(ends.device.dom)?.is_some() {
                return Err(in_use(&self.path, &ends.to_string()));
            }
        }
        Ok(())
    }

    /// Whether what QEMU, blktap or a script opens is this disk: a path, or a format and a path.
    fn is_at(&self, system: &dyn System, params: &str) -> bool {
        let paths = [Some(params), params.split_once(':').map(|(_, path)| path)];
        paths.into_iter().flatten().filter(|path| path.starts_with('/')).any(|path| {
            let Ok(node) = system.stat(Path::new(path)) else { return false };
            match (Backing::of(node), self.block_device()) {
                (Some(Backing::Device(theirs)), Some(ours)) => {
                    same_disk(system, DeviceNumber::of(theirs), ours)
                }
                (theirs, _) => theirs == Some(self.backing),
            }
        })
    }

    /// The number of the block device that was opened; `None` for a file.
    fn block_device(&self) -> Option<DeviceNumber> {
        match self.backing {
            Backing::Device(number) => Some(DeviceNumber::of(number)),
            Backing::File { .. } => None,
        }
    }
}

/// The disks that the control domain serves.
fn served_disks(host: &Host) -> Result<Vec<Ends>, Cause> {
    let backends = DomainPaths(DomId::DOM0).all_backends(DomId::DOM0);
    let folders = DISKS.map(|(name, _)| backends.join(name));
    let mut owners = Vec::new();
    for ((_, kind), names) in iter::zip(&DISKS, host.children_of_each(&folders)?) {
        let ids = names.iter().filter_map(|name| name.parse().ok());
        owners.extend(ids.map(|dom: DomId| (kind, dom)));
    }
    let folders: Vec<_> =
        owners.iter().map(|(kind, dom)| DomainPaths(*dom).served(DomId::DOM0, kind)).collect();
    let mut found = Vec::new();
    for ((kind, dom), names) in iter::zip(owners, host.children_of_each(&folders)?) {
        for number in names.iter().filter_map(|name| name.parse().ok()) {
            let device = DeviceId { dom, kind: Kind::Vbd, number };
            found.push(Ends { device, server: DomId::DOM0, served_as: kind.clone() });
        }
    }
    Ok(found)
}

/// Whether two block devices share sectors: the same one, or a partition and its disk.
fn same_disk(system: &dyn System, one: DeviceNumber, other: DeviceNumber) -> bool {
    one == other || whole(system, one) == other || one == whole(system, other)
}

/// The disk that a partition is on; the device itself if it is none.
fn whole(system: &dyn System, device: DeviceNumber) -> DeviceNumber {
    let folder = PathBuf::from(format!("/sys/dev/block/{}:{}", device.major, device.minor));
    if !system::exists(system, &folder.join("partition")).unwrap_or(false) {
        return device;
    }
    let disk = system.resolve(&folder).ok().and_then(|partition| {
        let number = system.read(&partition.parent()?.join("dev")).ok()?;
        decimal(str::from_utf8(&number).ok()?)
    });
    disk.unwrap_or(device)
}

/// The block devices of file systems that are mounted to be written to (`proc_pid_mountinfo(5)`).
fn mounted_writable(mounts: &str) -> impl Iterator<Item = DeviceNumber> {
    mounts.lines().filter_map(|line| {
        let number = decimal(line.split(' ').nth(2)?)?;
        let (_, system) = line.split_once(" - ")?;
        let options = system.split(' ').nth(2)?;
        options.split(',').any(|option| option == "rw").then_some(number)
    })
}

fn decimal(number: &str) -> Option<DeviceNumber> {
    let (major, minor) = number.trim().split_once(':')?;
    Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

fn is_read_only(system: &dyn System, device: &Path) -> bool {
    let name = device.file_name().unwrap_or_default();
    let flag = Path::new("/sys/block").join(name).join("ro");
    system.read(&flag).is_ok_and(|flag| flag.trim_ascii() == b"1")
}

fn in_use(path: &Path, by: &str) -> Cause {
    Problem::DiskInUse { path: path.into(), by: by.to_owned() }.into()
}

/// The kinds of backends that serve disks.
const DISKS: [(&str, Kind); 4] =
    [("vbd", Kind::Vbd), ("vbd3", Kind::Vbd3), ("qdisk", Kind::Qdisk), ("tap", Kind::Tap)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hotplug::Linux;

    #[test]
    fn only_file_systems_that_are_written_to_count() {
        let mounts = "22 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n\
                      28 1 8:1 / / ro,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
                      30 28 7:0 / /mnt rw,relatime shared:2 - iso9660 /dev/loop0 ro,nojoliet\n";
        let found: Vec<_> = mounted_writable(mounts).collect();
        assert_eq!(
            found,
            [DeviceNumber { major: 0, minor: 21 }, DeviceNumber { major: 8, minor: 1 }]
        );
    }

    #[test]
    fn a_folder_is_no_disk() {
        let refused = Image::open(&Linux, Path::new("/"), false);
        assert!(matches!(refused, Err(Cause::Problem(Problem::NoDisk(_)))), "{refused:?}");
    }

    #[test]
    fn a_disk_that_is_missing_is_named() {
        let Err(Cause::File { path, source, .. }) =
            Image::open(&Linux, Path::new("/no/disk"), true)
        else {
            panic!("it is not there");
        };
        assert_eq!((path.to_str(), source.kind()), (Some("/no/disk"), io::ErrorKind::NotFound));
    }
}
