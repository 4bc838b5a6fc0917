//! The devices that a domain starts with.

use devices::{Format, Medium, Vbd, Vif};

use crate::device::random_mac;
use crate::error::Problem;
use crate::hotplug::Hotplug;

/// A disk, `[[vbd]]` in a configuration file.
///
/// ```
/// use xenops::VbdConfig;
///
/// let root = VbdConfig::new("xvda", "/dev/vg/web");
/// assert!(root.spec().is_ok());
/// assert!(VbdConfig::new("/dev/xvda9000", "/dev/vg/web").spec().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct VbdConfig {
    /// Which disk it is in the guest: `xvda`, `hda`, `sdc1`, `d2p1` or a number.
    pub vdev: String,
    /// The block device or the file that is in it; a drive may be empty, and the guest sees it when the first
    /// medium comes.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub target: Option<String>,
    /// What the target is. When absent, a block device and a file are told apart where it is opened.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "type", default, skip_serializing_if = "Option::is_none")
    )]
    pub kind: Option<DiskType>,
    /// What the guest may do with it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mode: DiskMode,
    /// Whether it is a CD-ROM drive: read only whatever the mode says, and its medium can be changed.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cdrom: bool,
    /// Who does the host's part of it, if the control domain serves it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub hotplug: Hotplug,
    /// The domain that serves it, by name, number or UUID; the control domain when absent. The target is
    /// one of that domain's.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub backend: Option<String>,
}

/// What the target of a disk is, and so who opens it. A domain is not created, and a disk not attached, if
/// it is something else: see [`Host::check_target`](crate::Host::check_target).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum DiskType {
    /// A block device, which the kernel's backend opens.
    Phy,
    /// A file, of which the kernel's backend gets a loop device.
    File,
    /// A file or a block device that a QEMU of the domain opens, as a raw image. Nobody here starts that
    /// QEMU, which is waited for: see [`NinePfsConfig`](crate::NinePfsConfig).
    Qdisk,
}

/// What a guest may do with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DiskMode {
    /// Read only.
    #[cfg_attr(feature = "serde", serde(rename = "r"))]
    Read,
    /// Read and write.
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "w"))]
    Write,
}

/// A network interface, `[[vif]]` in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct VifConfig {
    /// The bridge that it becomes part of.
    pub bridge: String,
    /// Its address; a random one of Xen's when absent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mac: Option<String>,
    /// Its number; its place among the interfaces, from 0 on, when absent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub number: Option<u32>,
    /// How much the guest may send, such as `10Mb/s`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub rate: Option<String>,
    /// The addresses that it may use, separated by spaces, which only [`Hotplug::Scripts`] can hold it to.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ip: Option<String>,
    /// Who does the host's part of it, if the control domain serves it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub hotplug: Hotplug,
    /// The domain that serves it, by name, number or UUID; the control domain when absent. The bridge is
    /// one of that domain's.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub backend: Option<String>,
}

impl VbdConfig {
    /// A disk that the guest may write to.
    pub fn new(vdev: impl Into<String>, target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), cdrom: false, ..Self::empty_drive(vdev) }
    }

    /// A CD-ROM drive with nothing in it.
    pub fn empty_drive(vdev: impl Into<String>) -> Self {
        Self {
            vdev: vdev.into(),
            target: None,
            kind: None,
            mode: DiskMode::Write,
            cdrom: true,
            hotplug: Hotplug::default(),
            backend: None,
        }
    }

    /// The description of the device, as if the control domain served it.
    ///
    /// # Errors
    /// [`Problem::Config`] names the key and what is wrong with it.
    pub fn spec(&self) -> Result<Vbd, Problem> {
        let vdev =
            self.vdev.parse().map_err(wrong_word("vbd.vdev", "is not the name of a disk"))?;
        let wrong = |why| Problem::Config { key: "vbd.target", why };
        let why = "has control characters or is too long";
        let disk = match (&self.target, self.kind) {
            (Some(target), _) if !target.starts_with('/') => {
                return Err(wrong("is not an absolute path"));
            }
            (Some(target), Some(DiskType::Qdisk)) => {
                Vbd::qdisk(vdev, Format::Raw, target).map_err(|_| wrong(why))?
            }
            // Both other kinds of target are told apart where they are opened.
            (Some(target), _) => Vbd::phy(vdev, target).map_err(|_| wrong(why))?,
            (None, Some(_)) => {
                let why = "is that of a target, and there is none";
                return Err(Problem::Config { key: "vbd.type", why });
            }
            (None, None) if self.cdrom => Vbd::waiting_drive(vdev, Medium::Cdrom)
                .map_err(wrong_word("vbd.cdrom", "does not go together with the rest"))?,
            (None, None) => return Err(wrong("is missing, and it is no drive")),
        };
        Ok(match (self.cdrom, self.mode) {
            (true, _) => disk.cdrom(),
            (false, DiskMode::Read) => disk.read_only(),
            (false, DiskMode::Write) => disk,
        })
    }
}

impl VifConfig {
    /// An interface that becomes part of a bridge.
    pub fn new(bridge: impl Into<String>) -> Self {
        Self {
            bridge: bridge.into(),
            mac: None,
            number: None,
            rate: None,
            ip: None,
            hotplug: Hotplug::default(),
            backend: None,
        }
    }

    /// The description of the device, as if the control domain served it; `number` is its number unless
    /// the configuration has one. Without an address in the configuration, each has another one.
    ///
    /// # Errors
    /// [`Problem::Config`] names the key and what is wrong with it.
    pub fn spec(&self, number: u32) -> Result<Vif, Problem> {
        let mac = match &self.mac {
            Some(mac) => mac.parse().map_err(wrong_word("vif.mac", "is not an address"))?,
            None => random_mac(),
        };
        let why = "is empty or has control characters";
        let port = Vif::new(self.number.unwrap_or(number), mac).bridge(&self.bridge);
        let mut port = port.map_err(wrong_word("vif.bridge", why))?;
        if let Some(rate) = &self.rate {
            let why = "is not a rate such as 10Mb/s";
            port = port.rate(rate.parse().map_err(wrong_word("vif.rate", why))?);
        }
        if let Some(addresses) = &self.ip {
            port = port.ip(addresses).map_err(wrong_word("vif.ip", why))?;
        }
        Ok(port)
    }
}

/// A word that does not parse; what the parser says is less than `why`.
pub(super) fn wrong_word<E>(key: &'static str, why: &'static str) -> impl FnOnce(E) -> Problem {
    move |_| Problem::Config { key, why }
}

#[cfg(feature = "serde")]
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(problem: Problem) -> (&'static str, &'static str) {
        let Problem::Config { key, why } = problem else { panic!("{problem:?}") };
        (key, why)
    }

    #[test]
    fn a_disk_that_no_guest_has_is_refused() {
        let problem = VbdConfig::new("floppy", "/dev/vg/web").spec().unwrap_err();
        assert_eq!(why(problem), ("vbd.vdev", "is not the name of a disk"));
    }

    #[test]
    fn a_target_that_depends_on_where_the_command_runs_is_refused() {
        let problem = VbdConfig::new("xvda", "web.img").spec().unwrap_err();
        assert_eq!(why(problem), ("vbd.target", "is not an absolute path"));
    }

    #[test]
    fn only_a_drive_may_be_empty() {
        let drive = VbdConfig::empty_drive("hdc");
        assert_eq!(drive.spec().unwrap().source(), &devices::Source::Nothing);
        let disk = VbdConfig { cdrom: false, ..drive };
        assert_eq!(why(disk.spec().unwrap_err()), ("vbd.target", "is missing, and it is no drive"));
    }

    #[test]
    fn an_image_of_qemu_is_a_raw_one_and_nothing_else_is_said_of_other_types() {
        let typed = |kind| VbdConfig { kind, ..VbdConfig::new("xvda", "/images/web.img") };
        let vdev = "xvda".parse().unwrap();
        let phy = Vbd::phy(vdev, "/images/web.img").unwrap();
        assert_eq!(typed(None).spec().unwrap(), phy);
        assert_eq!(typed(Some(DiskType::Phy)).spec().unwrap(), phy);
        assert_eq!(typed(Some(DiskType::File)).spec().unwrap(), phy);
        let image = Vbd::qdisk(vdev, Format::Raw, "/images/web.img").unwrap();
        assert_eq!(typed(Some(DiskType::Qdisk)).spec().unwrap(), image);
    }

    #[test]
    fn nothing_has_no_type() {
        let drive = VbdConfig { kind: Some(DiskType::Qdisk), ..VbdConfig::empty_drive("hdc") };
        let refused = why(drive.spec().unwrap_err());
        assert_eq!(refused, ("vbd.type", "is that of a target, and there is none"));
    }

    #[test]
    fn a_drive_is_read_only_whatever_the_mode() {
        let full = VbdConfig { cdrom: true, ..VbdConfig::new("hdc", "/images/cd.iso") };
        assert!(!full.spec().unwrap().is_writable());
    }

    #[test]
    fn an_interface_without_an_address_has_one_of_xens() {
        let port = VifConfig::new("xenbr0").spec(0).unwrap();
        assert!(port.mac().to_string().starts_with("00:16:3e:"));
    }

    #[test]
    fn a_wrong_address_is_refused() {
        let vif = VifConfig { mac: Some("00:16:3e".into()), ..VifConfig::new("xenbr0") };
        assert_eq!(why(vif.spec(0).unwrap_err()), ("vif.mac", "is not an address"));
    }
}
