//! The commands about devices that a domain has and keeps.

use xenops::device::{Carrier, DeviceId, EjectOptions, Kind};
use xenops::{Host, Limits};

use crate::args::{self, Disk, PortChange, Vbd, Vif};
use crate::commands::limits;
use crate::failure::Failure;

pub(crate) fn disk(what: Vbd, open: impl FnOnce() -> xenops::Result<Host>) -> Result<(), Failure> {
    match what {
        Vbd::Insert { disk, target, connected } => {
            on_disk(disk, open, |host, disk, limits| host.insert(disk, &target, connected, limits))
        }
        Vbd::Eject { disk, force } => on_disk(disk, open, |host, disk, limits| {
            host.eject(disk, EjectOptions { force }, limits)
        }),
        Vbd::Pause { disk } => on_disk(disk, open, Host::pause_disk),
        Vbd::Unpause { disk } => on_disk(disk, open, Host::unpause_disk),
    }
}

fn on_disk(
    disk: Disk,
    open: impl FnOnce() -> xenops::Result<Host>,
    then: impl FnOnce(&Host, &DeviceId, &Limits) -> xenops::Result<()>,
) -> Result<(), Failure> {
    let (limits, host) = (limits(disk.timeout)?, open()?);
    let dom = host.with_deadline(limits.deadline).find(&disk.domain)?.id;
    let device = DeviceId { dom, kind: Kind::Vbd, number: disk.vdev.number() };
    Ok(then(&host, &device, &limits)?)
}

pub(crate) fn port(what: Vif, open: impl FnOnce() -> xenops::Result<Host>) -> Result<(), Failure> {
    let Vif::Set { domain, number, what, timeout } = what;
    let (limits, host) = (limits(timeout)?, open()?);
    let dom = host.with_deadline(limits.deadline).find(&domain)?.id;
    let port = DeviceId { dom, kind: Kind::Vif, number };
    let PortChange { rate, no_rate, mtu, carrier } = what;
    if rate.is_some() || no_rate {
        host.set_rate(&port, rate, &limits)?;
    }
    if let Some(mtu) = mtu {
        host.set_mtu(&port, mtu, &limits)?;
    }
    if let Some(carrier) = carrier {
        let carrier = match carrier {
            args::Carrier::Off => Carrier::Off,
            args::Carrier::On => Carrier::On,
        };
        host.set_carrier(&port, carrier, &limits)?;
    }
    Ok(())
}
