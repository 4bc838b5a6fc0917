//! Devices of kinds that are not known here, or known but not described.

use std::collections::{BTreeMap, BTreeSet};

use xen_types::DomId;
use xs::{Path, PathKind};

use crate::error::{Error, Result};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::part::{rule, text};
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

/// Any device: its kinds, and the keys of its two ends.
///
/// ```
/// use devices::{Generic, Kind, Record, Spec};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let camera = Generic::new(Kind::new("vcamera")?, 0)
///     .backend("unique-id", "front-door")?
///     .frontend("formats/YUYV", "640x480")?;
/// let record = Record::in_tree(&camera.tree(dom), &camera.ends(dom).device)?;
/// assert_eq!(Generic::from_record(&record)?, camera);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generic {
    kind: Kind,
    number: u32,
    served_as: Kind,
    server: DomId,
    back: BTreeMap<String, Option<Text>>,
    front: BTreeMap<String, Option<Text>>,
}

impl Generic {
    /// A device of this kind without keys of its own, served by the control domain under the same name.
    pub fn new(kind: Kind, number: u32) -> Self {
        let (back, front) = (BTreeMap::new(), BTreeMap::new());
        Self { served_as: kind.clone(), kind, number, server: DomId::DOM0, back, front }
    }

    /// The same, served by a domain under a kind.
    #[must_use]
    pub fn served(self, by: DomId, served_as: Kind) -> Self {
        Self { server: by, served_as, ..self }
    }

    /// The same with a key of the serving end, which may stand deeper (`port/1`) and be empty.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if no node can have that name, every device has it, or the
    /// value is not a [`Text`].
    pub fn backend(mut self, key: &str, value: &str) -> Result<Self> {
        self.back.insert(checked(key)?, some(value)?);
        without_folders(&mut self.back);
        Ok(self)
    }

    /// The same with a key of the frontend, as [`Generic::backend`].
    ///
    /// # Errors
    /// As for [`Generic::backend`].
    pub fn frontend(mut self, key: &str, value: &str) -> Result<Self> {
        self.front.insert(checked(key)?, some(value)?);
        without_folders(&mut self.front);
        Ok(self)
    }

    /// The value of a key of the serving end; empty if there is none.
    pub fn backend_value(&self, key: &str) -> &str {
        self.back.get(key).and_then(Option::as_ref).map_or("", Text::as_str)
    }
}

/// Takes out empty keys with others below them: the store makes those by itself.
fn without_folders(keys: &mut BTreeMap<String, Option<Text>>) {
    let parents: BTreeSet<String> = keys
        .keys()
        .flat_map(|key| key.match_indices('/').map(|(end, _)| key[..end].to_owned()))
        .collect();
    keys.retain(|key, value| value.is_some() || !parents.contains(key));
}

fn checked(key: &str) -> Result<String> {
    let failed = |broken| Error::part("a key of a device", rule(broken));
    match Path::new(key) {
        Ok(path) if path.kind() == PathKind::Relative => {}
        _ => return Err(failed("no node can have that name")),
    }
    let (first, _) = key.split_once('/').unwrap_or((key, ""));
    match COMMON.contains(&first) {
        true => Err(failed("every device has it")),
        false => Ok(key.to_owned()),
    }
}

fn some(value: &str) -> Result<Option<Text>> {
    match value {
        "" => Ok(None),
        value => text("the value of a key of a device", value).map(Some),
    }
}

impl Spec for Generic {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: self.kind.clone(), number: self.number };
        Ends { device, server: self.server, served_as: self.served_as.clone() }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        for (key, value) in &self.back {
            layout.back(key, value.as_ref().map_or("", Text::as_str));
        }
        for (key, value) in &self.front {
            layout.front_kept(key, value.as_ref().map_or("", Text::as_str));
        }
        layout.tree()
    }

    /// Any record: keys that every device has are left out, and the frontend's are those that the record
    /// keeps.
    fn from_record(record: &Record) -> Result<Self> {
        let Ends { device, server, served_as } = record.ends().clone();
        let mut generic = Self::new(device.kind, device.number).served(server, served_as);
        for key in record.fields().keys() {
            let (keys, own) = match key.strip_prefix("frontend/") {
                Some(own) => (&mut generic.front, own),
                None if COMMON.contains(&key.as_str()) => continue,
                None => (&mut generic.back, key.as_str()),
            };
            keys.insert(checked(own).map_err(|_| record.wrong(key))?, record.text_opt(key)?);
        }
        without_folders(&mut generic.back);
        without_folders(&mut generic.front);
        Ok(generic)
    }
}

/// The keys that every device has at one end or the other.
const COMMON: [&str; 6] = ["backend", "backend-id", "frontend", "frontend-id", "online", "state"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below, read_back};

    #[test]
    fn both_ends_get_their_keys() {
        let device = Generic::new(Kind::new("toaster").unwrap(), 2).served(dom(3), Kind::Qusb);
        let device = device.backend("slots/1", "bread").unwrap().frontend("colour", "").unwrap();
        assert_eq!(
            lines_below(&device, "/local/domain/3/backend/qusb/7/2")[5..],
            [r#"/slots/1 = "bread""#]
        );
        assert_eq!(
            lines_below(&device, "/local/domain/7/device/toaster/2")[4..],
            [r#"/colour = """#]
        );
        assert_eq!(read_back(&device).unwrap(), device);
        assert_eq!(device.backend_value("slots/1"), "bread");
        assert_eq!(device.clone().backend("slots", "").unwrap(), device);
    }

    #[test]
    fn what_every_device_has_is_not_its_own() {
        let device = || Generic::new(Kind::new("toaster").unwrap(), 2);
        assert!(device().backend("state", "4").is_err());
        assert!(device().frontend("backend/x", "4").is_err());
        assert!(device().backend("/state", "4").is_err());
        assert!(device().backend("@state", "4").is_err());
        assert!(device().backend("a//b", "4").is_err());
        assert!(device().backend("a", "b\nc").is_err());
    }
}
