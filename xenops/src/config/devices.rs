//! The devices that a domain starts with.

use devices::{Spec, Tree, Vbd, Vif};
use xen_types::DomId;

use crate::device::random_mac;
use crate::error::Problem;

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
    /// The block device or the file that is in it.
    pub target: String,
    /// What the guest may do with it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mode: DiskMode,
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

/// A network interface, `[[vif]]` in a configuration file. They are numbered in their order, from 0.
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
    /// How much the guest may send, such as `10Mb/s`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub rate: Option<String>,
}

impl VbdConfig {
    /// A disk that the guest may write to.
    pub fn new(vdev: impl Into<String>, target: impl Into<String>) -> Self {
        Self { vdev: vdev.into(), target: target.into(), mode: DiskMode::Write }
    }

    /// The description of the device.
    ///
    /// # Errors
    /// [`Problem::Config`] names the key and what is wrong with it.
    pub fn spec(&self) -> Result<Vbd, Problem> {
        let vdev =
            self.vdev.parse().map_err(wrong_word("vbd.vdev", "is not the name of a disk"))?;
        if !self.target.starts_with('/') {
            return Err(Problem::Config { key: "vbd.target", why: "is not an absolute path" });
        }
        let disk = Vbd::phy(vdev, &self.target)
            .map_err(wrong_word("vbd.target", "has control characters or is too long"))?;
        Ok(if self.mode == DiskMode::Read { disk.read_only() } else { disk })
    }
}

impl VifConfig {
    /// An interface that becomes part of a bridge.
    pub fn new(bridge: impl Into<String>) -> Self {
        Self { bridge: bridge.into(), mac: None, rate: None }
    }

    /// The description of the device. Without an address in the configuration, each has another one.
    ///
    /// # Errors
    /// [`Problem::Config`] names the key and what is wrong with it.
    pub fn spec(&self, number: u32) -> Result<Vif, Problem> {
        let mac = match &self.mac {
            Some(mac) => mac.parse().map_err(wrong_word("vif.mac", "is not an address"))?,
            None => random_mac(),
        };
        let why = "is empty or has control characters";
        let port = Vif::new(number, mac).bridge(&self.bridge);
        let port = port.map_err(wrong_word("vif.bridge", why))?;
        Ok(match &self.rate {
            Some(rate) => {
                let why = "is not a rate such as 10Mb/s";
                port.rate(rate.parse().map_err(wrong_word("vif.rate", why))?)
            }
            None => port,
        })
    }
}

/// A word that does not parse; what the parser says is less than `why`.
fn wrong_word<E>(key: &'static str, why: &'static str) -> impl FnOnce(E) -> Problem {
    move |_| Problem::Config { key, why }
}

/// The trees of all devices of a domain.
pub(crate) fn trees(
    vbds: &[VbdConfig],
    vifs: &[VifConfig],
    dom: DomId,
) -> Result<Vec<(devices::DeviceId, Tree)>, Problem> {
    let mut trees = Vec::new();
    for vbd in vbds {
        let spec = vbd.spec()?;
        trees.push((spec.ends(dom).device, spec.tree(dom)));
    }
    for (number, vif) in (0..).zip(vifs) {
        let spec = vif.spec(number)?;
        trees.push((spec.ends(dom).device, spec.tree(dom)));
    }
    Ok(trees)
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
