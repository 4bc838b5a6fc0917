//! Kinds of device ends, as paths in the store spell them.
//!
//! One list serves both ends, as in libxl (`libxl__device_kind`, `libxl_types_internal.idl`), because
//! most kinds have the same name on either side. Where the sides differ, the frontend's name is the
//! device's: a `vbd` may be served by a `qdisk`.

use std::fmt;

use xs::{InvalidPath, Name};

/// What a device, or one end of it, is.
///
/// ```
/// use devices::Kind;
///
/// assert_eq!(Kind::new("qdisk")?, Kind::Qdisk);
/// assert_eq!(Kind::NinePfs.as_str(), "9pfs");
/// assert_eq!(Kind::new("toaster")?.as_str(), "toaster");
/// assert!(Kind::new("../0").is_err());
/// # Ok::<(), xs::InvalidPath>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A network interface.
    Vif,
    /// A wireless network interface of OpenXT; a [`Kind::Vif`] serves it.
    Vwif,
    /// A disk; as the serving end, blkback in the kernel.
    Vbd,
    /// A disk served by blktap 3, also by that of xapi.
    Vbd3,
    /// A disk served by the blktap 2 of OpenXT.
    Tap,
    /// A disk served by QEMU.
    Qdisk,
    /// A disk that speaks virtio.
    VirtioDisk,
    /// The functions of the host's PCI devices that a domain has.
    Pci,
    /// A frame buffer.
    Vfb,
    /// Keyboard and pointer.
    Vkbd,
    /// What serves a [`Kind::Vkbd`] outside QEMU.
    Vinput,
    /// A console.
    Console,
    /// The emulated serial port of an Arm guest.
    Vuart,
    /// A trusted platform module.
    Vtpm,
    /// A USB controller; as the serving end, the kernel.
    Vusb,
    /// A USB controller served by QEMU.
    Qusb,
    /// A shared folder; as the serving end, QEMU.
    NinePfs,
    /// A shared folder served by xen-9pfsd.
    Xen9pfs,
    /// A display.
    Vdispl,
    /// A sound card.
    Vsnd,
    /// Sockets of the serving domain.
    Pvcalls,
    /// Messages between the domains of OpenXT.
    Argo,
    /// The forerunner of [`Kind::Argo`].
    V4v,
    /// Any other.
    Other(OtherKind),
}

/// The name of a kind that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtherKind(Name);

impl Kind {
    /// How long the name of a kind may be: with it, the path of a device always has a length that the
    /// store takes. The longest known has 11 bytes.
    pub const MAX_LEN: usize = 64;

    /// The kind of this name. Any name of a node is one, up to [`Kind::MAX_LEN`] bytes.
    ///
    /// # Errors
    /// If no node can have the name, or it is too long.
    pub fn new(name: &str) -> Result<Self, InvalidPath> {
        let name = Name::new(name)?;
        if name.len() > Self::MAX_LEN {
            return Err(InvalidPath::TooLong { len: name.len(), limit: Self::MAX_LEN });
        }
        let known = KNOWN.into_iter().find(|kind| kind.literal() == &*name);
        Ok(known.unwrap_or(Self::Other(OtherKind(name))))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(OtherKind(name)) => name,
            known => known.literal(),
        }
    }

    /// Whether a serving end of this kind is QEMU's: a process that serves one domain, and no driver of
    /// the serving domain's kernel. Of consoles, all but the first can be.
    pub const fn is_qemus(&self) -> bool {
        matches!(
            self,
            Self::Qdisk
                | Self::Vfb
                | Self::Vkbd
                | Self::Console
                | Self::Qusb
                | Self::NinePfs
                | Self::Pvcalls
        )
    }

    /// Empty for [`Kind::Other`].
    const fn literal(&self) -> &'static str {
        match self {
            Self::Vif => "vif",
            Self::Vwif => "vwif",
            Self::Vbd => "vbd",
            Self::Vbd3 => "vbd3",
            Self::Tap => "tap",
            Self::Qdisk => "qdisk",
            Self::VirtioDisk => "virtio_disk",
            Self::Pci => "pci",
            Self::Vfb => "vfb",
            Self::Vkbd => "vkbd",
            Self::Vinput => "vinput",
            Self::Console => "console",
            Self::Vuart => "vuart",
            Self::Vtpm => "vtpm",
            Self::Vusb => "vusb",
            Self::Qusb => "qusb",
            Self::NinePfs => "9pfs",
            Self::Xen9pfs => "xen_9pfs",
            Self::Vdispl => "vdispl",
            Self::Vsnd => "vsnd",
            Self::Pvcalls => "pvcalls",
            Self::Argo => "argo",
            Self::V4v => "v4v",
            Self::Other(_) => "",
        }
    }
}

const KNOWN: [Kind; 23] = [
    Kind::Vif,
    Kind::Vwif,
    Kind::Vbd,
    Kind::Vbd3,
    Kind::Tap,
    Kind::Qdisk,
    Kind::VirtioDisk,
    Kind::Pci,
    Kind::Vfb,
    Kind::Vkbd,
    Kind::Vinput,
    Kind::Console,
    Kind::Vuart,
    Kind::Vtpm,
    Kind::Vusb,
    Kind::Qusb,
    Kind::NinePfs,
    Kind::Xen9pfs,
    Kind::Vdispl,
    Kind::Vsnd,
    Kind::Pvcalls,
    Kind::Argo,
    Kind::V4v,
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_and_its_name_are_one() {
        let names = KNOWN.map(|kind| kind.to_string());
        let again = names.clone().map(|name| Kind::new(&name).unwrap());
        assert_eq!(again, KNOWN);
        assert!(names.iter().all(|name| !name.is_empty()));
    }

    #[test]
    fn an_unknown_kind_keeps_its_name() {
        let kind = Kind::new("vgpu").unwrap();
        assert!(matches!(kind, Kind::Other(_)));
        assert_eq!(kind.to_string(), "vgpu");
    }

    #[test]
    fn a_name_that_would_make_a_path_too_long_is_refused() {
        assert!(Kind::new(&"k".repeat(64)).is_ok());
        let refused = Kind::new(&"k".repeat(65));
        assert_eq!(refused, Err(InvalidPath::TooLong { len: 65, limit: 64 }));
    }
}
