//! Which devices a domain has.
//!
//! The list is the record below `/libxl`, where only the control domain writes, and the PCI functions in
//! the control domain's own serving end. What the guest says of its devices is not asked: it could hide
//! one, or name one of another domain.

use std::collections::BTreeMap;

use xen_types::DomId;
use xs::{Name, Path, View};

use crate::device::Device;
use crate::error::{Cause, Error, Result, Subject};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::paths::{self, DomainPaths};
use crate::record::Record;
use crate::spec::Spec;

/// How many devices of a domain are listed at the most. Xen's own limits are far below: a domain with so
/// many would need more event channels than it can have (4096, `xen/include/public/event_channel.h`).
pub const MAX_DEVICES: usize = 4096;

/// A device that was found.
#[derive(Debug)]
pub struct Listed {
    /// Which it is.
    pub device: DeviceId,
    /// What it is and who serves it, or why that is not understood.
    pub description: Result<Device>,
}

/// The devices of a domain, as the control domain's toolstacks recorded them, by kind and number.
///
/// A device is in the list even if its description cannot be understood. What is recorded under something
/// else than a number, or under the name of no [`Kind`], is no device.
///
/// # Errors
/// What the store says; [`Invalid`](xen_types::Kind::Invalid) if there are more than [`MAX_DEVICES`].
#[doc(alias = "libxl__device_list")]
pub fn list(store: &impl View, dom: DomId) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for device in recorded(store, dom)? {
        let description =
            Record::read(store, &device).and_then(|record| Device::from_record(&record));
        listed.push(Listed { device, description });
    }
    if !listed.iter().any(|listed| listed.device.kind == Kind::Pci) {
        listed.extend(found(store, DomId::DOM0, dom, Kind::Pci)?);
    }
    listed.sort_by(|a, b| a.device.cmp(&b.device));
    Ok(listed)
}

/// The devices of a domain that these domains serve, by their serving ends: for domains whose toolstack
/// keeps no record, as OpenXT's and xapi's do not.
///
/// Each serving domain owns what is read there, so that a list is as good as the domain it comes from.
/// A serving end that does not name a frontend of this domain and its own number is left out.
///
/// # Errors
/// What the store says; [`Invalid`](xen_types::Kind::Invalid) if there are more than [`MAX_DEVICES`].
pub fn served(store: &impl View, servers: &[DomId], dom: DomId) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for &server in servers {
        for kind in kinds(store, &DomainPaths(dom).all_backends(server), dom)? {
            listed.extend(found(store, server, dom, kind)?);
            bounded(listed.len(), dom)?;
        }
    }
    listed.sort_by(|a, b| a.device.cmp(&b.device));
    Ok(listed)
}

/// The devices of which there is a record, by kind and number; what they are is not read.
///
/// # Errors
/// As for [`list`].
pub fn recorded(store: &impl View, dom: DomId) -> Result<Vec<DeviceId>> {
    let top = DomainPaths(dom).recorded_devices();
    let mut devices = Vec::new();
    for kind in kinds(store, &top, dom)? {
        let numbers = names(store, &paths::below(&top, &kind), dom)?;
        let numbers = numbers.iter().filter_map(|name| paths::parse_number(name));
        devices.extend(numbers.map(|number| DeviceId { dom, kind: kind.clone(), number }));
        bounded(devices.len(), dom)?;
    }
    devices.sort();
    Ok(devices)
}

/// The devices of one kind that a domain serves.
fn found(store: &impl View, server: DomId, dom: DomId, served_as: Kind) -> Result<Vec<Listed>> {
    let folder = DomainPaths(dom).served(server, &served_as);
    let mut listed = Vec::new();
    for number in names(store, &folder, dom)?.iter().filter_map(|name| paths::parse_number(name)) {
        bounded(listed.len() + 1, dom)?;
        let Some(nodes) = subtree(store, &folder.join(number), dom)? else { continue };
        let Some(device) = owner(&folder.join(number), &nodes, dom, number) else { continue };
        let ends = Ends { device: device.clone(), server, served_as: served_as.clone() };
        let record =
            Record::of_backend(&ends, nodes.iter().map(|(path, value)| (path, &value[..])));
        let description = record.and_then(|record| Device::from_record(&record));
        listed.push(Listed { device, description });
    }
    Ok(listed)
}

/// The device that a serving end says it belongs to, if it is one of that domain and number.
fn owner(top: &Path, nodes: &BTreeMap<Path, Vec<u8>>, dom: DomId, number: u32) -> Option<DeviceId> {
    let frontend = str::from_utf8(nodes.get(&top.join("frontend"))?).ok()?;
    match paths::parse_frontend(frontend)? {
        (named, kind, its) if (named, its) == (dom, number) => Some(DeviceId { dom, kind, number }),
        _ => None,
    }
}

/// The children of a node that are kinds of devices.
fn kinds(store: &impl View, path: &Path, dom: DomId) -> Result<Vec<Kind>> {
    let names = names(store, path, dom)?;
    Ok(names.iter().filter_map(|name| Kind::new(name).ok()).collect())
}

/// The children of a node; none if it is missing.
fn names(store: &impl View, path: &Path, dom: DomId) -> Result<Vec<Name>> {
    match store.directory(path) {
        Err(error) if error.kind() == xs::Kind::NotFound => Ok(Vec::new()),
        names => names.map_err(|error| failed(dom, error)),
    }
}

/// A node and all below it; `None` if it has gone meanwhile.
fn subtree(store: &impl View, path: &Path, dom: DomId) -> Result<Option<BTreeMap<Path, Vec<u8>>>> {
    match store.subtree(path) {
        Err(error) if error.kind() == xs::Kind::NotFound => Ok(None),
        nodes => nodes.map(Some).map_err(|error| failed(dom, error)),
    }
}

fn bounded(count: usize, dom: DomId) -> Result<()> {
    if count > MAX_DEVICES {
        return Err(failed(dom, Cause::TooMany { what: "devices", limit: MAX_DEVICES }));
    }
    Ok(())
}

fn failed(dom: DomId, cause: impl Into<Cause>) -> Error {
    Error::new("list the devices of", Subject::Domain(dom), cause)
}
