//! Network interfaces.
//!
//! Keys: `libxl_nic.c` (4.17, 4.20), `io/netif.h`; the wireless interface is OpenXT's (`device.ml`).
//! The serving end waits for the script: it connects once the script has put something into
//! `hotplug-status`, which therefore is there and empty from the start.

use xen_types::DomId;

use crate::error::{Error, Result};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::mac::Mac;
use crate::part::{rule, script_path, text, within};
use crate::rate::Rate;
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

/// A network interface of a domain.
///
/// ```
/// use devices::{Record, Spec, Vif};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let lan = Vif::new(0, "00:16:3e:01:02:03".parse()?)
///     .bridge("xenbr0")?
///     .mtu(9000)?
///     .rate("10Mb/s@20ms".parse()?);
///
/// let tree = lan.tree(dom);
/// let mtu = lan.ends(dom).frontend().join("mtu");
/// assert!(tree.nodes().iter().any(|node| node.path == mtu && node.value == b"9000"));
/// let record = Record::in_tree(&tree, &lan.ends(dom).device)?;
/// assert_eq!(Vif::from_record(&record)?, lan);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vif {
    number: u32,
    mac: Mac,
    wireless: bool,
    emulated: bool,
    trusted: bool,
    mtu: u32,
    script: Option<Text>,
    name: Option<Text>,
    ip: Option<Text>,
    gateway: Option<Text>,
    rate: Option<Rate>,
    vlan: Option<Text>,
    bridge: Option<Text>,
    server: DomId,
}

impl Vif {
    /// The size of a packet unless another is said.
    pub const USUAL_MTU: u32 = 1500;
    /// The script that makes an interface part of a bridge; it stands there on all hosts we know.
    pub const USUAL_SCRIPT: &str = "/etc/xen/scripts/vif-bridge";

    /// The interface of this number and address, served by the control domain.
    pub fn new(number: u32, mac: Mac) -> Self {
        Self {
            number,
            mac,
            wireless: false,
            emulated: false,
            trusted: true,
            mtu: Self::USUAL_MTU,
            script: None,
            name: None,
            ip: None,
            gateway: None,
            rate: None,
            vlan: None,
            bridge: None,
            server: DomId::DOM0,
        }
    }

    /// The same as the wireless interface of OpenXT: a `vwif` in the guest.
    #[must_use]
    pub fn wireless(self) -> Self {
        Self { wireless: true, ..self }
    }

    /// The same, and an HVM guest has an emulated card besides (`vif_ioemu`).
    #[must_use]
    pub fn emulated(self) -> Self {
        Self { emulated: true, ..self }
    }

    /// The same, and the guest is told not to trust the serving domain (XSA-403).
    #[must_use]
    pub fn untrusted(self) -> Self {
        Self { trusted: false, ..self }
    }

    /// The same, with packets of this size, 68 to 65535 bytes (RFC 791; `io/netif.h`).
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) outside that range.
    pub fn mtu(self, bytes: u32) -> Result<Self> {
        Ok(Self { mtu: within("the MTU of a network interface", bytes, MTUS.0, MTUS.1)?, ..self })
    }

    /// The same, with the hotplug script of this path in the serving domain instead of
    /// [`Vif::USUAL_SCRIPT`].
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if the path is not absolute.
    pub fn script(self, path: &str) -> Result<Self> {
        let script = script_path(path)?;
        Ok(Self { script: Some(script).filter(|path| path.as_str() != Self::USUAL_SCRIPT), ..self })
    }

    /// The same, called so in the serving domain instead of `vifDOM.NUMBER`. The kernel takes 15 bytes.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`] or too long.
    pub fn name(self, name: &str) -> Result<Self> {
        let part = "the name of a network interface";
        let name = text(part, name)?;
        if name.as_str().len() > MAX_NAME {
            return Err(Error::part(part, rule("the kernel takes no more than 15 bytes")));
        }
        Ok(Self { name: Some(name), ..self })
    }

    /// The same, with the addresses that scripts let through, separated by spaces.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn ip(self, addresses: &str) -> Result<Self> {
        let ip = text("the addresses of a network interface", addresses)?;
        Ok(Self { ip: Some(ip), ..self })
    }

    /// The same, with the device behind which `vif-nat` and `vif-route` put it.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn gateway(self, device: &str) -> Result<Self> {
        let gateway = text("the gateway of a network interface", device)?;
        Ok(Self { gateway: Some(gateway), ..self })
    }

    /// The same, allowed to send so much.
    #[must_use]
    pub fn rate(self, rate: Rate) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// The same, in these VLANs of the bridge, in the script's notation (libxl from 4.20 on).
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn vlan(self, vlan: &str) -> Result<Self> {
        let vlan = text("the VLAN of a network interface", vlan)?;
        Ok(Self { vlan: Some(vlan), ..self })
    }

    /// The same, part of this bridge in the serving domain; OpenXT names a network here.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn bridge(self, bridge: &str) -> Result<Self> {
        let bridge = text("the bridge of a network interface", bridge)?;
        Ok(Self { bridge: Some(bridge), ..self })
    }

    /// The same, served by another domain than the control domain.
    #[must_use]
    pub fn served_by(self, server: DomId) -> Self {
        Self { server, ..self }
    }

    /// Which of the domain's interfaces it is.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its address.
    pub const fn mac(&self) -> Mac {
        self.mac
    }

    /// The script that connects it in the serving domain.
    pub fn hotplug_script(&self) -> &str {
        self.script.as_ref().map_or(Self::USUAL_SCRIPT, Text::as_str)
    }

    /// The domain that serves it.
    pub const fn server(&self) -> DomId {
        self.server
    }
}

impl Spec for Vif {
    fn ends(&self, dom: DomId) -> Ends {
        let kind = if self.wireless { Kind::Vwif } else { Kind::Vif };
        let device = DeviceId { dom, kind, number: self.number };
        Ends { device, server: self.server, served_as: Kind::Vif }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        layout
            .back("script", self.hotplug_script())
            .back_opt("vifname", self.name.as_ref())
            .back("mac", self.mac)
            .back_opt("ip", self.ip.as_ref())
            .back_opt("gatewaydev", self.gateway.as_ref())
            .back_opt("rate", self.rate)
            .back_opt("mtu", (self.mtu != Self::USUAL_MTU).then_some(self.mtu))
            .back_opt("vlan", self.vlan.as_ref())
            .back_opt("bridge", self.bridge.as_ref())
            .back("handle", self.number)
            .back("type", if self.emulated { "vif_ioemu" } else { "vif" })
            .back("hotplug-status", "")
            .front("handle", self.number)
            .front("mac", self.mac)
            .front_kept("trusted", u8::from(self.trusted))
            .shown("mtu", self.mtu);
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.ends();
        let wireless = match (&ends.device.kind, &ends.served_as) {
            (Kind::Vif, Kind::Vif) => false,
            (Kind::Vwif, Kind::Vif) => true,
            _ => return Err(record.of_another_kind()),
        };
        let emulated = match record.str_opt("type")? {
            None | Some("vif") => false,
            Some("vif_ioemu") => true,
            Some(_) => return Err(record.wrong("type")),
        };
        let rate = record.str_opt("rate")?.map(Rate::from_node).transpose();
        let mtu = record.parse_opt("mtu")?.unwrap_or(Self::USUAL_MTU);
        if !(MTUS.0..=MTUS.1).contains(&mtu) {
            return Err(record.wrong("mtu"));
        }
        let name = record.text_opt("vifname")?;
        if name.as_ref().is_some_and(|name| name.as_str().len() > MAX_NAME) {
            return Err(record.wrong("vifname"));
        }
        let script = record.script()?;
        Ok(Self {
            number: ends.device.number,
            mac: record.parse("mac")?,
            wireless,
            emulated,
            trusted: record.flag("frontend/trusted", true)?,
            mtu,
            script: script.filter(|path| path.as_str() != Self::USUAL_SCRIPT),
            name,
            ip: record.text_opt("ip")?,
            gateway: record.text_opt("gatewaydev")?,
            rate: rate.map_err(|invalid| record.failed(invalid))?,
            vlan: record.text_opt("vlan")?,
            bridge: record.text_opt("bridge")?,
            server: ends.server,
        })
    }
}

/// From the least that every network carries (RFC 791) to the most that a netif packet holds.
const MTUS: (u32, u32) = (68, 65_535);
/// `IFNAMSIZ` without the NUL.
const MAX_NAME: usize = 15;

#[cfg(test)]
mod tests;
