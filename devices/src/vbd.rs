//! Disks and drives.
//!
//! | source | served as | `type` | `params` |
//! |---|---|---|---|
//! | nothing, in a drive of the kernel's backend | `vbd` | `phy` | empty |
//! | a block device | `vbd` | `phy` | the path |
//! | a file through a loop device | `vbd` | `file` | the path |
//! | an image that QEMU opens | `qdisk` | `qdisk` | `format:path`, raw is `aio` |
//! | an image that blktap opens | `vbd3`, `tap` | the same | `format:path`, raw is `aio` |
//!
//! Keys: `libxl_disk.c` (4.17, 4.20), `io/blkif.h`; `file`: the script `block` of Xen and OpenXT's
//! `device.ml`.

mod source;

use std::fmt;

use xen_types::DomId;

use crate::error::{Cause, Error, Result};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::part::{rule, script_path, text};
use crate::protocol::Protocol;
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;
use crate::vdev::Vdev;

pub use source::{Blktap, Format, Source};

/// A disk or a drive of a domain.
///
/// ```
/// use devices::{Format, Record, Spec, Vbd};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let root = Vbd::phy("xvda".parse()?, "/dev/vg/root")?.read_only();
/// assert_eq!(root.ends(dom).backend().as_str(), "/local/domain/0/backend/vbd/7/51712");
///
/// let tree = root.tree(dom);
/// let record = Record::in_tree(&tree, &root.ends(dom).device)?;
/// assert_eq!(Vbd::from_record(&record)?, root);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vbd {
    vdev: Vdev,
    source: Source,
    medium: Medium,
    writable: bool,
    removable: bool,
    direct_io_safe: bool,
    discard: bool,
    trusted: bool,
    script: Option<Text>,
    protocol: Option<Protocol>,
    server: DomId,
}

/// What a virtual disk pretends to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Medium {
    /// A hard disk.
    Disk,
    /// A CD-ROM: read only, and the drive may be empty.
    Cdrom,
    /// A floppy disk; the drive may be empty. libxl has none.
    Floppy,
}

impl Vbd {
    /// A block device of the serving domain.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if the path is not a [`Text`].
    pub fn phy(vdev: Vdev, path: &str) -> Result<Self> {
        Ok(Self::new(vdev, Source::Phy(text("the path of a disk", path)?)))
    }

    /// A file of the serving domain, through a loop device.
    ///
    /// # Errors
    /// As for [`Vbd::phy`].
    pub fn file(vdev: Vdev, path: &str) -> Result<Self> {
        Ok(Self::new(vdev, Source::File(text("the path of a disk", path)?)))
    }

    /// An image that QEMU opens.
    ///
    /// # Errors
    /// As for [`Vbd::phy`].
    pub fn qdisk(vdev: Vdev, format: Format, path: &str) -> Result<Self> {
        let path = text("the path of a disk", path)?;
        Ok(Self::new(vdev, Source::Qdisk { format, path: Some(path) }))
    }

    /// An image that blktap opens.
    ///
    /// # Errors
    /// As for [`Vbd::phy`]; also if blktap does not know the format.
    pub fn tap(vdev: Vdev, by: Blktap, format: Format, path: &str) -> Result<Self> {
        if !matches!(format, Format::Raw | Format::Vhd) {
            return Err(Error::part("a disk", rule("blktap opens raw images and VHDs only")));
        }
        let path = text("the path of a disk", path)?;
        Ok(Self::new(vdev, Source::Tap { by, format, path }))
    }

    /// A drive with nothing in it, served by QEMU.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) for a hard disk.
    pub fn empty_drive(vdev: Vdev, medium: Medium) -> Result<Self> {
        if medium == Medium::Disk {
            return Err(Error::part("a disk", rule("only a drive can be empty")));
        }
        let mut drive = Self::new(vdev, Source::Qdisk { format: Format::Raw, path: None });
        (drive.medium, drive.removable) = (medium, true);
        Ok(if medium == Medium::Cdrom { drive.read_only() } else { drive })
    }

    /// A drive with nothing in it, served by the kernel's backend, which waits for a medium: the guest
    /// has no disk until there is one.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) for a hard disk.
    pub fn waiting_drive(vdev: Vdev, medium: Medium) -> Result<Self> {
        Ok(Self { source: Source::Nothing, ..Self::empty_drive(vdev, medium)? })
    }

    /// The same drive with the block device or file of this path in it, or with nothing.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) for a hard disk and for a path that is no [`Text`],
    /// [`Unavailable`](xen_types::Kind::Unavailable) for a drive that QEMU or blktap serves: what is in
    /// it is told to them, and not in the store alone.
    pub fn with_medium(self, path: Option<&str>) -> Result<Self> {
        if self.medium == Medium::Disk {
            return Err(Error::part("a medium", rule("it is a hard disk, and no drive")));
        }
        if self.source.served_as() != Kind::Vbd {
            return Err(Error::part("a medium", Cause::Elsewhere));
        }
        let path = path.map(|path| text("the path of a medium", path)).transpose()?;
        let source = path.map_or(Source::Nothing, Source::Phy);
        Ok(Self { source, ..self })
    }

    fn new(vdev: Vdev, source: Source) -> Self {
        Self {
            vdev,
            source,
            medium: Medium::Disk,
            writable: true,
            removable: false,
            direct_io_safe: false,
            discard: true,
            trusted: true,
            script: None,
            protocol: None,
            server: DomId::DOM0,
        }
    }

    /// The same as a CD-ROM: removable and read only.
    #[must_use]
    pub fn cdrom(self) -> Self {
        Self { medium: Medium::Cdrom, removable: true, ..self.read_only() }
    }

    /// The same as a floppy disk: removable.
    #[must_use]
    pub fn floppy(self) -> Self {
        Self { medium: Medium::Floppy, removable: true, ..self }
    }

    /// The same, not to be written to; nor are blocks of it discarded.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { writable: false, discard: false, ..self }
    }

    /// The same, and the guest is told that it can be taken out.
    #[must_use]
    pub fn removable(self) -> Self {
        Self { removable: true, ..self }
    }

    /// The same, and the serving end may pass the guest's own memory to the disk: safe only if no
    /// page is sent on after the write was acknowledged (xl-disk-configuration(5)).
    #[must_use]
    pub fn direct_io_safe(self) -> Self {
        Self { direct_io_safe: true, ..self }
    }

    /// The same, and the guest is not offered to discard blocks.
    #[must_use]
    pub fn without_discard(self) -> Self {
        Self { discard: false, ..self }
    }

    /// The same, and the guest is told not to trust the serving domain (XSA-403).
    #[must_use]
    pub fn untrusted(self) -> Self {
        Self { trusted: false, ..self }
    }

    /// The same for an old PV frontend, which does not say its layout itself.
    #[must_use]
    pub fn protocol(self, protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..self }
    }

    /// The same, served by another domain than the control domain.
    #[must_use]
    pub fn served_by(self, server: DomId) -> Self {
        Self { server, ..self }
    }

    /// The same, with the hotplug script of this path in the serving domain instead of the usual one.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if the path is not absolute, or for a disk of QEMU's,
    /// which runs no script.
    pub fn script(self, path: &str) -> Result<Self> {
        if matches!(self.source, Source::Qdisk { .. }) {
            return Err(Error::part("a script", rule("QEMU runs no script for its disks")));
        }
        Ok(Self { script: Some(script_path(path)?), ..self })
    }

    /// Which disk it is.
    pub const fn vdev(&self) -> Vdev {
        self.vdev
    }

    /// What is in it.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// What it pretends to be.
    pub const fn medium(&self) -> Medium {
        self.medium
    }

    /// Whether the guest may write to it.
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// The domain that serves it.
    pub const fn server(&self) -> DomId {
        self.server
    }

    /// The script that makes the disk ready in the serving domain; `None` if QEMU does it alone.
    pub fn hotplug_script(&self) -> Option<&str> {
        match &self.script {
            Some(script) => Some(script.as_str()),
            None => self.source.usual_script(),
        }
    }
}

impl Spec for Vbd {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Vbd, number: self.vdev.number() };
        Ends { device, server: self.server, served_as: self.source.served_as() }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        layout
            .back("params", self.source.params())
            .back_opt("script", self.hotplug_script())
            .back("removable", u8::from(self.removable))
            .back("bootable", 1)
            .back("dev", self.vdev)
            .back("type", self.source.type_name())
            .back("mode", if self.writable { "w" } else { "r" })
            .back("device-type", self.medium)
            .back_opt("direct-io-safe", self.direct_io_safe.then_some(1))
            .back("discard-enable", u8::from(self.discard))
            .back("specification", "xen")
            .front("virtual-device", self.vdev.number())
            .front("device-type", self.medium)
            .front_kept("trusted", u8::from(self.trusted));
        if let Some(protocol) = self.protocol {
            layout.front_kept("protocol", protocol.name());
        }
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.of_kind(&Kind::Vbd)?;
        let source = Source::from_record(record)?;
        let medium = match record.str_opt("device-type")? {
            None | Some("disk") => Medium::Disk,
            Some("cdrom") => Medium::Cdrom,
            Some("floppy") => Medium::Floppy,
            Some(_) => return Err(record.wrong("device-type")),
        };
        if medium == Medium::Disk && source.is_empty() {
            return Err(record.wrong("params"));
        }
        let writable = match record.str_opt("mode")? {
            Some("w") => true,
            Some("r") => false,
            _ => return Err(record.wrong("mode")),
        };
        if writable && medium == Medium::Cdrom {
            return Err(record.wrong("mode"));
        }
        let script = record.script()?;
        if script.is_some() && source.usual_script().is_none() {
            return Err(record.wrong("script"));
        }
        Ok(Self {
            vdev: Vdev::new(ends.device.number).map_err(|invalid| record.failed(invalid))?,
            script: script.filter(|script| source.usual_script() != Some(script.as_str())),
            source,
            medium,
            writable,
            removable: record.flag("removable", false)?,
            direct_io_safe: record.flag("direct-io-safe", false)?,
            discard: record.flag("discard-enable", writable)?,
            trusted: record.flag("frontend/trusted", true)?,
            protocol: record.protocol()?,
            server: ends.server,
        })
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disk => "disk",
            Self::Cdrom => "cdrom",
            Self::Floppy => "floppy",
        })
    }
}

#[cfg(test)]
mod tests;
