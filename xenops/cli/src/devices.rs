//! The commands about devices.

use std::error::Error as _;
use std::io::{self, Write};
use std::iter;
use std::path::Path;

use serde::Serialize;
use xenops::device::{
    Channel, DeviceId, Format, Kind, Listed, Medium, NinePfs, SecurityModel, Spec, Vbd, Vdev, Vif,
    XenbusState, random_mac,
};
use xenops::{AttachOptions, DetachOptions, DiskType, Host};

use crate::args::{Attach, AttachHow, Detach, DetachHow, Mode, Output, Owners, Target, Wait};
use crate::commands::{limits, say};
use crate::failure::Failure;
use crate::print::printable;

pub(crate) fn attach(
    what: Attach,
    open: impl FnOnce() -> xenops::Result<Host>,
) -> Result<(), Failure> {
    match what {
        Attach::Vbd { domain, target, vdev, mode, cdrom, kind, how } => {
            let disk = match &target {
                Some(target) if kind == Some(Target::Qdisk) => {
                    Vbd::qdisk(vdev, Format::Raw, target)?
                }
                // Both other kinds of target are told apart where they are opened.
                Some(target) => Vbd::phy(vdev, target)?,
                None => Vbd::waiting_drive(vdev, Medium::Cdrom)?,
            };
            let disk = match (cdrom, mode) {
                (true, _) => disk.cdrom(),
                (false, Mode::R) => disk.read_only(),
                (false, Mode::W) => disk,
            };
            let (limits, host) = (limits(how.wait.timeout)?, open()?);
            if let (Some(target), Some(kind), None) = (&target, kind, &how.backend) {
                host.check_target(Path::new(target), kind.into())?;
            }
            let within = host.with_deadline(limits.deadline);
            let dom = within.find(&domain)?.id;
            let disk = match &how.backend {
                Some(server) => disk.served_by(within.find(server)?.id),
                None => disk,
            };
            let device = host.attach(dom, &disk, options(&how), &limits)?;
            say(|out| writeln!(out, "{}", device.number))
        }
        Attach::Vif { domain, bridge, mac, number, rate, ip, how } => {
            let mac = mac.unwrap_or_else(random_mac);
            let port = |number| -> Result<Vif, Failure> {
                let mut port = Vif::new(number, mac).bridge(&bridge)?;
                if let Some(rate) = rate {
                    port = port.rate(rate);
                }
                Ok(match &ip {
                    Some(addresses) => port.ip(addresses)?,
                    None => port,
                })
            };
            let (limits, host) = (limits(how.wait.timeout)?, open()?);
            let within = host.with_deadline(limits.deadline);
            let dom = within.find(&domain)?.id;
            let server = how.backend.as_deref().map(|server| within.find(server)).transpose()?;
            let number = match number {
                Some(number) => number,
                None => first_free(&within.devices(dom)?),
            };
            let port = match server {
                Some(server) => port(number)?.served_by(server.id),
                None => port(number)?,
            };
            let device = host.attach(dom, &port, options(&how), &limits)?;
            say(|out| writeln!(out, "{}", device.number))
        }
        Attach::NinePfs { domain, path, tag, security_model, number, wait } => {
            let owners = match security_model {
                Owners::None => SecurityModel::None,
                Owners::Passthrough => SecurityModel::Passthrough,
                Owners::MappedXattr => SecurityModel::MappedXattr,
                Owners::MappedFile => SecurityModel::MappedFile,
            };
            let folder = NinePfs::new(number, &tag, &path)?.security(owners);
            attach_qemus(&domain, &folder, &wait, open)
        }
        Attach::Console { domain, file, socket, name, number, wait } => {
            let console = match (&file, &socket) {
                (Some(file), _) => Channel::file(number, file)?,
                (None, Some(socket)) => Channel::socket(number, socket)?,
                (None, None) => Channel::pty(number)?,
            };
            let console = match &name {
                Some(name) => console.name(name)?,
                None => console,
            };
            attach_qemus(&domain, &console, &wait, open)
        }
    }
}

/// Attaches a device that the domain's QEMU serves.
fn attach_qemus(
    domain: &str,
    spec: &impl Spec,
    wait: &Wait,
    open: impl FnOnce() -> xenops::Result<Host>,
) -> Result<(), Failure> {
    let (limits, host) = (limits(wait.timeout)?, open()?);
    let dom = host.with_deadline(limits.deadline).find(domain)?.id;
    let options = AttachOptions { connected: wait.connected, ..AttachOptions::default() };
    let device = host.attach(dom, spec, options, &limits)?;
    say(|out| writeln!(out, "{}", device.number))
}

pub(crate) fn detach(
    what: Detach,
    open: impl FnOnce() -> xenops::Result<Host>,
) -> Result<(), Failure> {
    let (domain, kind, number, how) = match what {
        Detach::Vbd { domain, vdev, how } => (domain, Kind::Vbd, vdev.number(), how),
        Detach::Vif(at) => (at.domain, Kind::Vif, at.number, at.how),
        Detach::NinePfs(at) => (at.domain, Kind::NinePfs, at.number, at.how),
        Detach::Console(at) => (at.domain, Kind::Console, at.number, at.how),
    };
    let DetachHow { force, timeout } = how;
    let (limits, host) = (limits(timeout)?, open()?);
    let dom = host.with_deadline(limits.deadline).find(&domain)?.id;
    let device = DeviceId { dom, kind, number };
    Ok(host.detach(&device, DetachOptions { force }, &limits)?)
}

pub(crate) fn list(
    domain: &str,
    output: Output,
    open: impl FnOnce() -> xenops::Result<Host>,
) -> Result<(), Failure> {
    let host = open()?;
    let devices = host.devices(host.find(domain)?.id)?;
    say(|out| match output {
        Output::Table => table(&devices, out),
        Output::Json => json(&devices, out),
    })
}

fn options(how: &AttachHow) -> AttachOptions {
    AttachOptions { hotplug: how.hotplug, connected: how.wait.connected }
}

impl From<Target> for DiskType {
    fn from(target: Target) -> Self {
        match target {
            Target::Phy => Self::Phy,
            Target::File => Self::File,
            Target::Qdisk => Self::Qdisk,
        }
    }
}

/// The first number that no network interface has.
fn first_free(devices: &[Listed]) -> u32 {
    // A wireless one has its backend among the others.
    let port = |at: &&Listed| matches!(at.device.kind, Kind::Vif | Kind::Vwif);
    let taken = |number| devices.iter().filter(port).any(|at| at.device.number == number);
    (0..).find(|number| !taken(*number)).unwrap_or(0)
}

/// One device in the JSON output. The keys are a promise to scripts.
#[derive(Debug, Serialize)]
struct Record<'a> {
    kind: String,
    number: u32,
    name: String,
    backend_domid: Option<u16>,
    backend_kind: Option<String>,
    backend_state: Option<u32>,
    frontend_state: Option<u32>,
    hotplug: Option<&'a str>,
    source: Option<&'a str>,
    /// Why the rest is not known; only there if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

impl<'a> Record<'a> {
    fn of(listed: &'a Listed) -> Self {
        let found = listed.found.as_ref().ok();
        let number = |state: Option<XenbusState>| state.map(XenbusState::raw);
        Self {
            kind: listed.device.kind.to_string(),
            number: listed.device.number,
            name: name(&listed.device),
            backend_domid: found.map(|at| at.server.raw()),
            backend_kind: found.map(|at| at.served_as.to_string()),
            backend_state: number(found.and_then(|at| at.state.backend)),
            frontend_state: number(found.and_then(|at| at.state.frontend)),
            hotplug: found.and_then(|at| at.hotplug).map(xenops::Hotplug::as_str),
            source: found.and_then(|at| at.source.as_deref()),
            unreadable: listed.found.as_ref().err().map(words),
        }
    }
}

/// An error with its sources.
fn words(why: &xenops::Cause) -> String {
    let sources = iter::successors(why.source(), |&error| error.source());
    sources.fold(why.to_string(), |words, source| format!("{words}: {source}"))
}

/// The name of a disk as Linux guests have it; the number of anything else.
fn name(device: &DeviceId) -> String {
    match (&device.kind, Vdev::new(device.number)) {
        (Kind::Vbd, Ok(vdev)) => vdev.to_string(),
        _ => device.number.to_string(),
    }
}

fn json(devices: &[Listed], out: &mut impl Write) -> io::Result<()> {
    let records: Vec<Record<'_>> = devices.iter().map(Record::of).collect();
    serde_json::to_writer_pretty(&mut *out, &records)?;
    writeln!(out)
}

fn table(devices: &[Listed], out: &mut impl Write) -> io::Result<()> {
    let state = |state: Option<XenbusState>| state.map_or("-".to_owned(), |s| s.to_string());
    writeln!(
        out,
        "{:<8} {:<8} {:>7} {:<13} {:<13} {:<8} SOURCE",
        "KIND", "NAME", "BACKEND", "STATE", "GUEST", "HOTPLUG"
    )?;
    for Listed { device, found, .. } in devices {
        let (kind, name) = (&device.kind, name(device));
        let attached = match found {
            Ok(attached) => attached,
            Err(why) => {
                writeln!(out, "{kind:<8} {name:<8} unreadable: {}", printable(&words(why)))?;
                continue;
            }
        };
        writeln!(
            out,
            "{:<8} {:<8} {:>7} {:<13} {:<13} {:<8} {}",
            kind,
            name,
            attached.server,
            state(attached.state.backend),
            state(attached.state.frontend),
            attached.hotplug.map_or("-", xenops::Hotplug::as_str),
            printable(attached.source.as_deref().unwrap_or("-")),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_its_name_in_the_guest_and_others_their_number() {
        let dom = xenops::DomId::new(7).unwrap();
        let disk = DeviceId { dom, kind: Kind::Vbd, number: 51728 };
        let port = DeviceId { dom, kind: Kind::Vif, number: 3 };
        assert_eq!((name(&disk), name(&port)), ("xvdb".to_owned(), "3".to_owned()));
    }
}
