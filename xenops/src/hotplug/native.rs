//! The host's side of a device by system calls, without a shell.
//!
//! A disk is ready before its nodes are written: they have `physical-device` and `hotplug-status` from
//! the start, and the backend opens it at once. A network interface exists only once the backend has
//! taken the device; it is put into its bridge then.
//!
//! Besides what the backends need there is what `xl` and the scripts of Xen need to take the device
//! away: `node`, `physical-device-path`, and the `type` that libxl gives files too (4.20 takes a
//! device of the type `file` for one of blktap's).

use std::io;
use std::path::Path;

use devices::{Ends, Kind, Record};
use xs::{Store, View};

use super::image::Image;
use super::link::{self, Setup};
use super::scripts::interface;
use super::system::System;
use super::{CONNECTED, Ready, STATUS, field, kernel};
use crate::error::{Cause, Problem};
use crate::host::Host;
use crate::limits::Limits;
use crate::lock::Lock;

/// Makes ready what a device needs.
pub(super) fn prepare(host: &Host, record: &Record, limits: &Limits) -> Result<Ready, Cause> {
    let system = host.system()?;
    match record.ends().served_as {
        Kind::Vbd => {
            plain_script(record, USUAL_BLOCK_SCRIPT)?;
            let path = Path::new(field(record, "params").unwrap_or_default());
            let lock = Lock::of_disks(&host.locks, limits)?;
            let image = Image::open(system, path, field(record, "mode") == Some("w"))?;
            image.check_unused(host)?;
            // A loop device is seen by everybody who looks at the file from here on. A block device is
            // in use once the store has its number.
            let lock = image.loop_device().is_none().then_some(lock);
            let mut nodes = vec![
                ("type", "phy".to_owned()),
                ("physical-device", image.number()?.to_string()),
                ("physical-device-path", image.device().display().to_string()),
                (STATUS, CONNECTED.to_owned()),
            ];
            nodes.extend(image.loop_device().map(|node| ("node", node.display().to_string())));
            Ok(Ready { nodes, image: Some(image), lock })
        }
        Kind::Vif => {
            Port::of(system, record)?;
            Ok(Ready::default())
        }
        ref other => Err(Problem::OtherDevice(other.to_string()).into()),
    }
}

/// Finishes a device whose backend has taken it.
pub(super) fn connect(
    host: &Host,
    record: &Record,
    ready: &Ready,
    limits: &Limits,
) -> Result<(), Cause> {
    let (ends, system) = (record.ends(), host.system()?);
    match &ready.image {
        // From then on the backend keeps a loop device, too.
        Some(image) => kernel::await_opened(host, ends, image.number()?, limits),
        None => {
            let port = Port::of(system, record)?;
            kernel::await_interface(host, ends, limits)?;
            let mtu = into_bridge(system, ends, &port, limits).map_err(|cause| match cause {
                Cause::File { path, source, .. } if source.kind() == io::ErrorKind::NotFound => {
                    kernel::vanished(host, ends, &path)
                }
                other => other,
            })?;
            connected(host, ends, mtu)
        }
    }
}

/// Puts the backend's interface into its bridge, under its name; its MTU then.
fn into_bridge(
    system: &dyn System,
    ends: &Ends,
    port: &Port<'_>,
    limits: &Limits,
) -> Result<u32, Cause> {
    let name = port.name.map_or_else(|| interface(ends), str::to_owned);
    if port.name.is_some() {
        link::rename(system, &interface(ends), &name, limits.deadline)?;
    }
    let mtu = match port.mtu {
        Some(mtu) => mtu,
        None => link::bridge_mtu(system, port.bridge)?,
    };
    let setup = Setup { name: &name, bridge: port.bridge, mtu };
    link::connect(system, setup, limits.deadline)?;
    Ok(mtu)
}

/// Tells the backend that the host's side is connected, and the guest how large a packet may be.
fn connected(host: &Host, ends: &Ends, mtu: u32) -> Result<(), Cause> {
    let (status, state) = (ends.backend().join(STATUS), ends.backend().join("state"));
    let shown = ends.frontend().join("mtu");
    let written = host.store.transaction(|tx| {
        // A write makes missing parents: it must not bring back a device that has gone.
        tx.read(&state)?;
        if tx.read_opt(&shown)?.is_some() {
            tx.write(&shown, mtu.to_string())?;
        }
        tx.write(&status, CONNECTED)
    });
    Ok(written?)
}

/// What is asked of a port of a bridge. What cannot be done here is refused, filters above all: an
/// interface is never connected without the filter that was asked for.
struct Port<'a> {
    bridge: &'a str,
    name: Option<&'a str>,
    mtu: Option<u32>,
}

impl<'a> Port<'a> {
    fn of(system: &dyn System, record: &'a Record) -> Result<Self, Cause> {
        plain_script(record, devices::Vif::USUAL_SCRIPT)?;
        let refuse = |what| Err(Problem::NotNative(what).into());
        if field(record, "ip").is_some() {
            return refuse("let only some addresses through (ip)");
        }
        if field(record, "vlan").is_some() {
            return refuse("put it into a VLAN (vlan)");
        }
        if field(record, "gatewaydev").is_some() {
            return refuse("route (gatewaydev)");
        }
        if field(record, "type") == Some("vif_ioemu") {
            return refuse("connect the emulated card of an HVM guest (vif_ioemu)");
        }
        let Some(bridge) = field(record, "bridge").filter(|bridge| link::is_name(bridge)) else {
            return refuse("choose a bridge");
        };
        let name = field(record, "vifname");
        if !name.is_none_or(link::is_name) {
            return refuse("give an interface such a name (vifname)");
        }
        let mtu = field(record, "mtu").and_then(|mtu| mtu.parse().ok());
        // Before there is a device: an unknown bridge costs nothing then.
        link::bridge_mtu(system, bridge)?;
        Ok(Self { bridge, name, mtu })
    }
}

/// A script that the caller chose is not passed over.
fn plain_script(record: &Record, usual: &str) -> Result<(), Cause> {
    match field(record, "script") {
        Some(script) if script != usual => Err(Problem::NotNative("run a script").into()),
        _ => Ok(()),
    }
}

/// What the tree of every disk names (`libxl__xen_script_dir_path`).
const USUAL_BLOCK_SCRIPT: &str = "/etc/xen/scripts/block";
