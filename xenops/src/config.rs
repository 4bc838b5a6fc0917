//! What a domain shall be: the description that [`crate::Host::create`] starts from.
//!
//! With the `serde` feature it has the same keys, read and written, that the `xenops` command has in
//! a TOML file.

mod devices;
mod planned;
mod qemu;

use std::path::PathBuf;

use ::devices::Kind;
use xen_types::{DomId, DomainUuid, MiB};

use crate::error::Problem;

pub use self::devices::{DiskMode, DiskType, VbdConfig, VifConfig};
pub(crate) use self::planned::{Planned, planned};
pub use self::qemu::{ConsoleConfig, NinePfsConfig};

/// The description of a domain to create.
///
/// ```
/// use xenops::{DomainConfig, GuestKind};
/// use xen_types::MiB;
///
/// let mut config = DomainConfig::new("web", GuestKind::Pvh, "/boot/vmlinux", MiB(256));
/// config.cmdline = "console=hvc0 root=/dev/xvda1".into();
/// assert!(config.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct DomainConfig {
    /// The name, unique on the host: 1 to 255 bytes, neither a number nor a UUID, no control
    /// characters and no `/`.
    pub name: String,
    /// The identity over restarts; a random one when absent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub uuid: Option<DomainUuid>,
    /// How the guest is virtualised.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: GuestKind,
    /// The kernel image, read in the control domain.
    pub kernel: PathBuf,
    /// The initial ramdisk, if any.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ramdisk: Option<PathBuf>,
    /// The kernel's command line.
    #[cfg_attr(feature = "serde", serde(default))]
    pub cmdline: String,
    /// The guest's memory.
    pub memory: MiB,
    /// The number of virtual CPUs, at most 128 for a PVH guest and 512 for a PV guest.
    #[cfg_attr(feature = "serde", serde(default = "one_vcpu"))]
    pub vcpus: u32,
    /// How the guest's time-stamp counter is served.
    #[cfg_attr(feature = "serde", serde(default))]
    pub tsc_mode: TscMode,
    /// Its disks.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub vbd: Vec<VbdConfig>,
    /// Its network interfaces.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub vif: Vec<VifConfig>,
    /// Its consoles besides the first, which a QEMU of it serves.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub console: Vec<ConsoleConfig>,
    /// The folders of the control domain that it gets, which a QEMU of it serves.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "9pfs", default, skip_serializing_if = "Vec::is_empty")
    )]
    pub ninepfs: Vec<NinePfsConfig>,
}

/// How a guest is virtualised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum GuestKind {
    /// Paravirtualised: no hardware virtualisation is used.
    Pv,
    /// Hardware virtualisation without emulated devices.
    Pvh,
}

impl GuestKind {
    /// The word used in configuration files and in xenstore (`/libxl/<domid>/type`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Pvh => "pvh",
        }
    }
}

/// How a guest's time-stamp counter is served (`tsc_mode` of `xl.cfg(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TscMode {
    /// Native where that is safe over migration, emulated elsewhere.
    #[default]
    Default,
    /// Every read traps.
    AlwaysEmulate,
    /// Reads never trap.
    Native,
}

impl DomainConfig {
    /// A description with one vcpu, no ramdisk and an empty command line.
    pub fn new(
        name: impl Into<String>,
        kind: GuestKind,
        kernel: impl Into<PathBuf>,
        memory: MiB,
    ) -> Self {
        Self {
            name: name.into(),
            uuid: None,
            kind,
            kernel: kernel.into(),
            ramdisk: None,
            cmdline: String::new(),
            memory,
            vcpus: one_vcpu(),
            tsc_mode: TscMode::Default,
            vbd: Vec::new(),
            vif: Vec::new(),
            console: Vec::new(),
            ninepfs: Vec::new(),
        }
    }

    /// Whether the description makes sense by itself, before any host is asked.
    ///
    /// # Errors
    /// [`Problem::Config`] names the key and what is wrong with it.
    pub fn check(&self) -> Result<(), Problem> {
        check_name(&self.name)?;
        if self.uuid.is_some_and(|uuid| uuid.0.is_nil()) {
            return Err(Problem::Config { key: "uuid", why: "is that of the control domain" });
        }
        if self.cmdline.contains('\0') {
            return Err(Problem::Config { key: "cmdline", why: NUL_IN_CMDLINE });
        }
        if self.memory == MiB(0) {
            return Err(Problem::Config { key: "memory", why: "is 0 MiB" });
        }
        if self.memory > MAX_MEMORY {
            return Err(Problem::Config { key: "memory", why: "is over 16 TiB" });
        }
        let devices = planned(self, DomId::DOM0, |_| Ok::<_, Problem>(DomId::DOM0))?;
        let mut ids: Vec<_> = devices.into_iter().map(|planned| planned.device).collect();
        ids.sort();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            let key = match pair[0].kind {
                Kind::Console => "console.number",
                Kind::NinePfs => "9pfs.number",
                Kind::Vif => "vif.number",
                _ => "vbd.vdev",
            };
            return Err(Problem::Config { key, why: "is there twice" });
        }
        match (self.kind, self.vcpus) {
            (_, 0) => Err(Problem::Config { key: "vcpus", why: "is 0" }),
            (GuestKind::Pvh, 129..) => Err(Problem::Config {
                key: "vcpus",
                why: "is over 128, the most that a PVH guest can have",
            }),
            (_, 513..) => Err(Problem::Config { key: "vcpus", why: "is over 512" }),
            _ => Ok(()),
        }
    }
}

/// A name must stay distinguishable from a domid and must not upset a terminal or a path.
fn check_name(name: &str) -> Result<(), Problem> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > 255 {
        "is longer than 255 bytes"
    } else if name.bytes().all(|b| b.is_ascii_digit()) {
        "is a number, which would be taken for a domid"
    } else if name.parse::<DomainUuid>().is_ok() {
        "is a UUID, which would be taken for a domain's identity"
    } else if name.chars().any(|c| c.is_control() || c == '/') {
        "contains a control character or a slash"
    } else {
        return Ok(());
    };
    Err(Problem::Config { key: "name", why })
}

/// A kernel takes its command line as a C string.
pub(crate) const NUL_IN_CMDLINE: &str = "contains a NUL character";

const fn one_vcpu() -> u32 {
    1
}

/// What x86 Xen supports for one guest (`SUPPORT.md`); catches a slip of units early.
const MAX_MEMORY: MiB = MiB(16 * 1024 * 1024);

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DomainConfig {
        DomainConfig::new("web", GuestKind::Pv, "/boot/vmlinux", MiB(64))
    }

    #[test]
    fn a_name_of_digits_is_refused() {
        let refused = DomainConfig { name: "12".into(), ..config() }.check();
        assert!(matches!(refused, Err(Problem::Config { key: "name", .. })));
    }

    #[test]
    fn a_name_with_an_escape_sequence_is_refused() {
        let refused = DomainConfig { name: "a\u{1b}[2J".into(), ..config() }.check();
        assert!(matches!(refused, Err(Problem::Config { key: "name", .. })));
    }

    #[test]
    fn no_memory_at_all_is_refused() {
        let refused = DomainConfig { memory: MiB(0), ..config() }.check();
        assert!(matches!(refused, Err(Problem::Config { key: "memory", .. })));
    }

    #[test]
    fn two_disks_of_one_name_are_refused() {
        // The same disk by two of its names.
        let disks = vec![VbdConfig::new("xvda", "/a"), VbdConfig::new("51712", "/b")];
        let refused = DomainConfig { vbd: disks, ..config() }.check();
        assert!(matches!(refused, Err(Problem::Config { key: "vbd.vdev", .. })));
    }

    #[test]
    fn two_devices_of_one_number_are_refused_by_their_kind() {
        let consoles = vec![ConsoleConfig::new(2), ConsoleConfig::new(1), ConsoleConfig::new(2)];
        let refused = DomainConfig { console: consoles, ..config() }.check();
        assert!(matches!(refused, Err(Problem::Config { key: "console.number", .. })));

        let folder = NinePfsConfig::new(2, "files", "/srv");
        let one = DomainConfig {
            console: vec![ConsoleConfig::new(2)],
            ninepfs: vec![folder.clone()],
            ..config()
        };
        assert_eq!(one.check(), Ok(()));
        let refused = DomainConfig { ninepfs: vec![folder.clone(), folder], ..config() }.check();
        assert!(matches!(refused, Err(Problem::Config { key: "9pfs.number", .. })));
    }

    #[test]
    fn a_pvh_guest_has_at_most_128_vcpus_and_a_pv_guest_may_have_more() {
        let pvh = DomainConfig { kind: GuestKind::Pvh, vcpus: 129, ..config() };
        let pv = DomainConfig { vcpus: 129, ..config() };
        assert!(matches!(pvh.check(), Err(Problem::Config { key: "vcpus", .. })));
        assert!(pv.check().is_ok());
    }
}
