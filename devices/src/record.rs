//! What the store says about one device, where only the control domain writes.

use std::collections::BTreeMap;
use std::iter;
use std::str::FromStr;

use xs::{Path, View};

use crate::error::{Cause, Error, Result, Subject};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::paths;
use crate::protocol::Protocol;
use crate::text::Text;
use crate::tree::Tree;

/// The record of a device: where its ends are, and its keys with their values.
///
/// The keys are those that the toolstack wrote in the backend, as they were when the device was made,
/// and more if this crate made the record (docs/devices.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    ends: Ends,
    fields: BTreeMap<String, Vec<u8>>,
}

impl Record {
    /// How many keys a record may have; libxl's largest, a USB controller or a sound card, have some
    /// dozens.
    pub const MAX_FIELDS: usize = 1024;

    /// The record of a device from its keys, relative to the record (`params`, `port/1`), and their
    /// values: for those who read the store by other means.
    ///
    /// ```
    /// use devices::{DeviceId, Kind, Record};
    /// use xen_types::DomId;
    ///
    /// let dom = DomId::new(7).ok_or("reserved")?;
    /// let device = DeviceId { dom, kind: Kind::Vif, number: 0 };
    /// let backend = ("backend".to_owned(), b"/local/domain/3/backend/vif/7/0".to_vec());
    /// let record = Record::new(&device, [backend].into())?;
    /// assert_eq!(record.ends().server, DomId::new(3).ok_or("reserved")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it does not say where the serving end is, or is too
    /// large.
    pub fn new(device: &DeviceId, fields: BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let failed =
            |cause| Error::new("read the record of", Subject::Device(device.clone()), cause);
        Self::from_fields(device, fields).map_err(failed)
    }

    /// Reads the record of a device.
    ///
    /// # Errors
    /// [`NotFound`](xen_types::Kind::NotFound) if there is none, [`Invalid`](xen_types::Kind::Invalid)
    /// if it does not say where the serving end is or is too large, and what the store says.
    pub fn read(store: &impl View, device: &DeviceId) -> Result<Self> {
        let failed =
            |cause| Error::new("read the record of", Subject::Device(device.clone()), cause);
        let top = device.record();
        let nodes = match device.kind {
            Kind::Vbd | Kind::Vif | Kind::Vwif => flat_nodes(store, &top),
            _ => store.subtree(&top),
        };
        let nodes = match nodes {
            Err(error) if error.kind() == xs::Kind::NotFound => {
                return Err(failed(Cause::NoRecord));
            }
            nodes => nodes.map_err(|error| failed(error.into()))?,
        };
        Self::new(device, fields(&top, nodes.iter().map(|(path, value)| (path, &value[..]))))
    }

    /// The record that a tree would leave in the store.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if the tree has none of this device.
    pub fn in_tree(tree: &Tree, device: &DeviceId) -> Result<Self> {
        let nodes = tree.nodes().iter().map(|node| (&node.path, &node.value[..]));
        Self::new(device, fields(&device.record(), nodes))
    }

    /// What a tree would leave in the serving end, as if it were the record: for kinds that have none.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if the tree has none of this device.
    pub fn in_backend(tree: &Tree, ends: &Ends) -> Result<Self> {
        let nodes = tree.nodes().iter().map(|node| (&node.path, &node.value[..]));
        Self::of_backend(ends, nodes)
    }

    /// The fields from the nodes of a serving end, which must say that it belongs to the frontend.
    pub(crate) fn of_backend<'a>(
        ends: &Ends,
        nodes: impl IntoIterator<Item = (&'a Path, &'a [u8])>,
    ) -> Result<Self> {
        let (device, top, front) = (&ends.device, ends.backend(), ends.frontend());
        let failed =
            |cause| Error::new("read the serving end of", Subject::Device(device.clone()), cause);
        let mut fields = fields(&top, nodes);
        match fields.get("frontend") {
            Some(path) if path == front.as_str().as_bytes() => {}
            Some(path) => {
                let path = String::from_utf8_lossy(path).into_owned();
                return Err(failed(Cause::Astray { path }));
            }
            None => return Err(failed(missing("frontend"))),
        }
        // Those are kept in records; a server has no say in what its guest was told.
        fields.retain(|key, _| !key.starts_with("frontend/"));
        fields.insert("backend".to_owned(), top.as_str().into());
        Self::from_fields(device, fields).map_err(failed)
    }

    fn from_fields(
        device: &DeviceId,
        fields: BTreeMap<String, Vec<u8>>,
    ) -> std::result::Result<Self, Cause> {
        if fields.len() > Self::MAX_FIELDS {
            return Err(Cause::TooMany { what: "keys in the record", limit: Self::MAX_FIELDS });
        }
        let backend = fields.get("backend").ok_or_else(|| missing("backend"))?;
        let path = String::from_utf8_lossy(backend);
        let (server, served_as) = match paths::parse_backend(&path) {
            Some((server, kind, dom, number)) if (dom, number) == (device.dom, device.number) => {
                (server, kind)
            }
            _ => return Err(Cause::Astray { path: path.into_owned() }),
        };
        Ok(Self { ends: Ends { device: device.clone(), server, served_as }, fields })
    }

    /// Whose record it is, and where the ends are.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// All keys, relative to the record (`params`, `port/1`), and their values.
    pub fn fields(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.fields
    }

    /// The text of a key.
    pub(crate) fn text(&self, key: &str) -> Result<Text> {
        self.text_opt(key)?.ok_or_else(|| self.failed(missing(key)))
    }

    /// The text of a key; `None` if there is no such key, or nothing in it.
    pub(crate) fn text_opt(&self, key: &str) -> Result<Option<Text>> {
        let value = self.str_opt(key)?.filter(|value| !value.is_empty());
        value.map(Text::new).transpose().map_err(|invalid| self.failed(invalid))
    }

    /// The value of a key as it is; it may be empty.
    pub(crate) fn str_opt(&self, key: &str) -> Result<Option<&str>> {
        let value = self.fields.get(key);
        let text = value.map(|value| str::from_utf8(value));
        text.transpose().map_err(|_| self.failed(crate::text::InvalidText::NotUtf8))
    }

    /// What a key says, if there is one.
    pub(crate) fn parse_opt<T: FromStr>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.str_opt(key)? else { return Ok(None) };
        value.parse().map(Some).map_err(|_| self.wrong(key))
    }

    /// What a key says.
    pub(crate) fn parse<T: FromStr>(&self, key: &str) -> Result<T> {
        self.parse_opt(key)?.ok_or_else(|| self.failed(missing(key)))
    }

    /// Whether a key says `1`; what it is taken to say if there is none.
    pub(crate) fn flag(&self, key: &str, without: bool) -> Result<bool> {
        match self.str_opt(key)? {
            None => Ok(without),
            Some("1") => Ok(true),
            Some("0") => Ok(false),
            Some(_) => Err(self.wrong(key)),
        }
    }

    /// That the value of a key is not one of those it may be.
    pub(crate) fn wrong(&self, key: &str) -> Error {
        let value = self.fields.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
        match value {
            Some(value) => self.failed(Cause::Value { key: key.to_owned(), value }),
            None => self.failed(missing(key)),
        }
    }

    /// That the device is of a kind, or served by one, which a description is not for.
    pub(crate) fn of_another_kind(&self) -> Error {
        let path = self.ends.backend().to_string();
        self.failed(Cause::Astray { path })
    }

    /// That the record cannot be understood.
    pub(crate) fn failed(&self, cause: impl Into<Cause>) -> Error {
        Error::new("understand the record of", Subject::Device(self.ends.device.clone()), cause)
    }

    /// Checks that a device and what serves it are of this kind, and says where they are.
    pub(crate) fn served_alike(&self, kind: &Kind) -> Result<&Ends> {
        match self.ends.served_as == *kind {
            true => self.of_kind(kind),
            false => Err(self.of_another_kind()),
        }
    }

    /// The path of a hotplug script, which is absolute.
    pub(crate) fn script(&self) -> Result<Option<Text>> {
        match self.text_opt("script")? {
            Some(path) if !path.as_str().starts_with('/') => Err(self.wrong("script")),
            path => Ok(path),
        }
    }

    /// The layout that an old frontend was told.
    pub(crate) fn protocol(&self) -> Result<Option<Protocol>> {
        let key = "frontend/protocol";
        let Some(name) = self.str_opt(key)? else { return Ok(None) };
        Protocol::named(name).map(Some).ok_or_else(|| self.wrong(key))
    }

    /// Checks that a device is of this kind, and says who serves it.
    pub(crate) fn of_kind(&self, kind: &Kind) -> Result<&Ends> {
        match self.ends.device.kind == *kind {
            true => Ok(&self.ends),
            false => Err(self.of_another_kind()),
        }
    }
}

/// The nodes of a record of a disk or an interface: nothing is below a key with a value but below the path of
/// the frontend, where it is what the guest was told. To list every key would double the requests.
fn flat_nodes(store: &impl View, top: &Path) -> xs::Result<BTreeMap<Path, Vec<u8>>> {
    let mut nodes = BTreeMap::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        let names = match store.directory(&folder) {
            // It went meanwhile.
            Err(error) if error.kind() == xs::Kind::NotFound && folder != *top => continue,
            names => names?,
        };
        let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
        for (path, value) in iter::zip(&paths, store.read_each(&paths)?) {
            let Some(value) = value else { continue };
            if value.is_empty() || path.leaf() == "frontend" {
                folders.push(path.clone());
            }
            nodes.insert(path.clone(), value);
        }
        if nodes.len() > Record::MAX_FIELDS {
            break;
        }
    }
    Ok(nodes)
}

/// The nodes below a path by their names from there on; one more than there may be is enough.
fn fields<'a>(
    top: &Path,
    nodes: impl IntoIterator<Item = (&'a Path, &'a [u8])>,
) -> BTreeMap<String, Vec<u8>> {
    let key = |path: &Path| {
        let key = path.as_str().strip_prefix(top.as_str())?.strip_prefix('/')?;
        Some(key.to_owned())
    };
    nodes
        .into_iter()
        .filter_map(|(path, value)| Some((key(path)?, value.to_vec())))
        .take(Record::MAX_FIELDS + 1)
        .collect()
}

fn missing(key: &str) -> Cause {
    Cause::Missing { key: key.to_owned() }
}
