//! The host's PCI functions that a domain has. One device, number 0, holds all of them.
//!
//! Keys: `libxl_pci.c` (4.17, 4.20), `io/pciif.h`. The control domain always serves it. libxl makes no
//! record of it: the serving end, in the control domain and closed to the guest, is the list that it
//! goes by.

use xen_types::{DomId, Sbdf};

use crate::error::{Error, Result};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::{INITIALISING, Layout};
use crate::part::{rule, text};
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

/// The PCI functions of a domain.
///
/// ```
/// use devices::{Pci, PciFunction, Record, Spec};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let nic = PciFunction::new("0000:03:00.0".parse()?);
/// let pci = Pci::new("guest")?.function(nic)?;
/// let record = Record::in_backend(&pci.tree(dom), &pci.ends(dom))?;
/// assert_eq!(Pci::from_record(&record)?, pci);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pci {
    domain: Text,
    functions: Vec<PciFunction>,
}

/// One PCI function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciFunction {
    address: Sbdf,
    slot: Option<u8>,
    name: Option<Text>,
    translate_msi: bool,
    power_management: bool,
    permissive: bool,
    relaxed: bool,
}

impl Pci {
    /// How many functions a domain may have here.
    pub const MAX_FUNCTIONS: usize = 256;

    /// No function yet, for the domain of this name.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn new(domain: &str) -> Result<Self> {
        let domain = text("the name of a domain with PCI functions", domain)?;
        Ok(Self { domain, functions: Vec::new() })
    }

    /// The same with one more function.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is there already, or too many are.
    pub fn function(mut self, function: PciFunction) -> Result<Self> {
        if self.functions.iter().any(|known| known.address == function.address) {
            return Err(Error::part("a PCI function", rule("the domain has it already")));
        }
        if self.functions.len() == Self::MAX_FUNCTIONS {
            return Err(Error::part("a PCI function", rule("the domain has too many")));
        }
        self.functions.push(function);
        Ok(self)
    }

    /// The functions, in their order.
    pub fn functions(&self) -> &[PciFunction] {
        &self.functions
    }
}

impl PciFunction {
    /// The function at this address of the host.
    pub const fn new(address: Sbdf) -> Self {
        Self {
            address,
            slot: None,
            name: None,
            translate_msi: false,
            power_management: false,
            permissive: false,
            relaxed: true,
        }
    }

    /// The same, at this place in the guest: device in the upper five bits, function in the lower three.
    /// 0, where the host bridge is, stands for any.
    #[must_use]
    pub fn slot(self, devfn: u8) -> Self {
        Self { slot: Some(devfn).filter(|devfn| *devfn != 0), ..self }
    }

    /// The same, called so by the operator.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn name(self, name: &str) -> Result<Self> {
        Ok(Self { name: Some(text("the name of a PCI function", name)?), ..self })
    }

    /// The same, whose message interrupts look like an interrupt line to the guest.
    #[must_use]
    pub fn translate_msi(self) -> Self {
        Self { translate_msi: true, ..self }
    }

    /// The same, whose power the guest may manage.
    #[must_use]
    pub fn power_management(self) -> Self {
        Self { power_management: true, ..self }
    }

    /// The same, whose configuration space the guest may write where pciback does not know it.
    #[must_use]
    pub fn permissive(self) -> Self {
        Self { permissive: true, ..self }
    }

    /// The same, refused if memory that the device reserves is in the guest's way (`rdm_policy=strict`).
    #[must_use]
    pub fn strict(self) -> Self {
        Self { relaxed: false, ..self }
    }

    /// Where it is in the host.
    pub const fn address(&self) -> Sbdf {
        self.address
    }

    fn write(&self, index: usize, layout: &mut Layout) {
        layout
            .back(format!("key-{index}"), self.address)
            .back(format!("dev-{index}"), self.address)
            .back_opt(&format!("vdevfn-{index}"), self.slot.map(|slot| format!("{slot:x}")))
            .back_opt(&format!("name-{index}"), self.name.as_ref())
            .back(format!("opts-{index}"), self.options())
            .back(format!("state-{index}"), INITIALISING);
    }

    fn options(&self) -> String {
        format!(
            "msitranslate={},power_mgmt={},permissive={},rdm_policy={}",
            u8::from(self.translate_msi),
            u8::from(self.power_management),
            u8::from(self.permissive),
            if self.relaxed { "relaxed" } else { "strict" }
        )
    }

    fn from_record(record: &Record, index: usize) -> Result<Self> {
        let mut function = Self::new(record.parse(&format!("dev-{index}"))?);
        let slot = format!("vdevfn-{index}");
        if let Some(digits) = record.str_opt(&slot)? {
            let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
            let devfn = u8::from_str_radix(digits, 16).ok().filter(|_| plain);
            function = function.slot(devfn.ok_or_else(|| record.wrong(&slot))?);
        }
        function.name = record.text_opt(&format!("name-{index}"))?;
        let key = format!("opts-{index}");
        for option in record.str_opt(&key)?.unwrap_or_default().split(',') {
            match option {
                "msitranslate=1" => function.translate_msi = true,
                "power_mgmt=1" => function.power_management = true,
                "permissive=1" => function.permissive = true,
                "rdm_policy=strict" => function.relaxed = false,
                "" | "msitranslate=0" | "power_mgmt=0" | "permissive=0" | "rdm_policy=relaxed" => {}
                _ => return Err(record.wrong(&key)),
            }
        }
        Ok(function)
    }
}

impl Spec for Pci {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Pci, number: 0 };
        Ends { device, server: DomId::DOM0, served_as: Kind::Pci }
    }

    /// As for all descriptions, but without a record: libxl would take one for a device that it can
    /// remove by the handshake alone.
    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        layout.unrecorded().back("domain", &self.domain);
        for (index, function) in self.functions.iter().enumerate() {
            function.write(index, &mut layout);
        }
        layout.back("num_devs", self.functions.len());
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.served_alike(&Kind::Pci)?;
        if ends.server != DomId::DOM0 || ends.device.number != 0 {
            return Err(record.of_another_kind());
        }
        let mut pci = Self { domain: record.text("domain")?, functions: Vec::new() };
        let count: usize = record.parse_opt("num_devs")?.unwrap_or(0);
        if count > Self::MAX_FUNCTIONS {
            return Err(record.wrong("num_devs"));
        }
        for index in 0..count {
            let function = PciFunction::from_record(record, index)?;
            let key = format!("dev-{index}");
            pci = pci.function(function).map_err(|_| record.wrong(&key))?;
        }
        Ok(pci)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below};

    fn two() -> Pci {
        let nic = PciFunction::new("0000:03:00.0".parse().unwrap());
        let gpu = PciFunction::new("0000:04:1f.7".parse().unwrap());
        let gpu = gpu.slot(0x28).name("gpu").unwrap().permissive().strict();
        let gpu = gpu.translate_msi().power_management();
        Pci::new("guest").unwrap().function(nic).unwrap().function(gpu).unwrap()
    }

    #[test]
    fn all_functions_stand_in_one_device() {
        assert_eq!(
            lines_below(&two(), "/local/domain/0/backend/pci/7/0")[1..],
            [
                r#"/frontend = "/local/domain/7/device/pci/0""#,
                r#"/frontend-id = "7""#,
                r#"/online = "1""#,
                r#"/state = "1""#,
                r#"/domain = "guest""#,
                r#"/key-0 = "0000:03:00.0""#,
                r#"/dev-0 = "0000:03:00.0""#,
                r#"/opts-0 = "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=relaxed""#,
                r#"/state-0 = "1""#,
                r#"/key-1 = "0000:04:1f.7""#,
                r#"/dev-1 = "0000:04:1f.7""#,
                r#"/vdevfn-1 = "28""#,
                r#"/name-1 = "gpu""#,
                r#"/opts-1 = "msitranslate=1,power_mgmt=1,permissive=1,rdm_policy=strict""#,
                r#"/state-1 = "1""#,
                r#"/num_devs = "2""#,
            ]
        );
    }

    #[test]
    fn there_is_no_record() {
        assert!(lines_below(&two(), "/libxl").is_empty());
    }

    #[test]
    fn what_is_written_is_read_from_the_serving_end() {
        let record = Record::in_backend(&two().tree(dom(7)), &two().ends(dom(7))).unwrap();
        assert_eq!(Pci::from_record(&record).unwrap(), two());
    }

    #[test]
    fn a_domain_has_a_function_once() {
        let nic = PciFunction::new("0000:03:00.0".parse().unwrap());
        assert!(two().function(nic.permissive()).is_err());
    }
}
