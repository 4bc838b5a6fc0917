//! What a configuration would say of a domain that is there: what a restore wants besides what was
//! saved.
//!
//! Of what it asks, the guest can write nothing. A domain that no configuration describes whole is
//! refused: it would come back without a device, or with another one.

use devices::paths::DomainPaths;
use devices::{Device, DeviceId, Ends, Kind, Medium, Rate, Record, Source, Vbd, Vif};
use xen_types::{DomId, KiB, MiB};
use xs::View as _;

use crate::config::{DiskMode, DomainConfig, GuestKind, VbdConfig, VifConfig};
use crate::error::{Cause, Error, Problem, Result};
use crate::host::Host;
use crate::hotplug::{Hotplug, field};
use crate::lifecycle::not_control;

impl Host {
    /// The configuration of a domain as it is now, for [`Host::restore`]: whichever toolstack made it,
    /// and with what has been attached since.
    ///
    /// It has no kernel, ramdisk and command line, and the usual time-stamp counter: all that is part
    /// of what is saved. The memory is the most that the domain may have, whatever it holds now.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such domain, [`crate::Kind::Unavailable`] for an HVM
    /// guest ([`Problem::OtherDevices`]) and for a device that a configuration cannot say
    /// ([`Problem::NotDescribed`]), [`crate::Kind::Invalid`] for a record that makes no sense and for the control domain.
    pub fn config(&self, dom: DomId) -> Result<DomainConfig> {
        let described = not_control(dom).map_err(Cause::from).and_then(|()| self.config_of(dom));
        described.map_err(|cause| Error::new("describe", dom, cause))
    }

    fn config_of(&self, dom: DomId) -> Result<DomainConfig, Cause> {
        let info = self.existing(dom)?;
        let (name, kind) = (self.name(dom)?.unwrap_or_default(), self.kind_of(dom)?);
        let mut config = DomainConfig::new(name, kind, "", self.most_memory(dom)?);
        config.uuid = Some(info.uuid);
        config.vcpus = info.max_vcpu_id.map_or(0, |last| last.saturating_add(1));
        for devices::Listed { device, description } in devices::list(&self.store, dom)? {
            match description? {
                Device::Vbd(disk) => {
                    let record = Record::read(&self.store, &device)?;
                    let server = self.server(&record)?;
                    config.vbd.push(VbdConfig { backend: server, ..disk_config(&record, &disk)? });
                }
                Device::Vif(port) => {
                    let record = Record::read(&self.store, &device)?;
                    let place = u32::try_from(config.vif.len()).unwrap_or(u32::MAX);
                    let server = self.server(&record)?;
                    let port = port_config(&record, &port, place)?;
                    config.vif.push(VifConfig { backend: server, ..port });
                }
                // Every guest has one.
                Device::Generic(_) if (&device.kind, device.number) == (&Kind::Console, 0) => {}
                _ => return Err(Problem::NotDescribed(device).into()),
            }
        }
        config.check()?;
        Ok(config)
    }

    /// What a configuration calls the domain that serves a device: its name, if it has one of its own.
    fn server(&self, record: &Record) -> Result<Option<String>, Cause> {
        let server = record.ends().server;
        if server == DomId::DOM0 {
            return Ok(None);
        }
        let name =
            self.name(server)?.filter(|name| self.find(name).is_ok_and(|found| found.id == server));
        Ok(Some(name.unwrap_or_else(|| server.to_string())))
    }

    /// How it is virtualised, by the record: the hypervisor tells PVH and HVM guests apart by what it
    /// emulates for them only.
    fn kind_of(&self, dom: DomId) -> Result<GuestKind, Cause> {
        let path = DomainPaths(dom).kind();
        match self.store.read(&path)?.as_slice() {
            b"pv" => Ok(GuestKind::Pv),
            b"pvh" => Ok(GuestKind::Pvh),
            b"hvm" => Err(Problem::OtherDevices("device-model".to_owned()).into()),
            other => {
                let value = String::from_utf8_lossy(other).into_owned();
                Err(Problem::Malformed { path: path.to_string(), value }.into())
            }
        }
    }

    /// What it was created with, if it gave up some of it since.
    fn most_memory(&self, dom: DomId) -> Result<MiB, Cause> {
        let path = DomainPaths(dom).most_memory();
        let value = self.store.read_str(&path)?;
        match value.parse() {
            Ok(kib) => Ok(KiB(kib).to_mib_up()),
            Err(_) => Err(Problem::Malformed { path: path.to_string(), value }.into()),
        }
    }
}

fn disk_config(record: &Record, disk: &Vbd) -> Result<VbdConfig, Problem> {
    let Ends { device, server, .. } = record.ends();
    let vdev = disk.vdev().to_string();
    let mut config = match disk.source() {
        Source::Phy(path) | Source::File(path) => VbdConfig::new(vdev, path.as_str()),
        Source::Nothing => VbdConfig::empty_drive(vdev),
        _ => return Err(Problem::NotDescribed(device.clone())),
    };
    config.mode = if disk.is_writable() { DiskMode::Write } else { DiskMode::Read };
    config.cdrom = disk.medium() == Medium::Cdrom;
    config.hotplug = policy(record)?;
    said_whole(device, disk, config.spec().map(|spec| spec.served_by(*server))).map(|()| config)
}

fn port_config(record: &Record, port: &Vif, place: u32) -> Result<VifConfig, Problem> {
    let Ends { device, server, .. } = record.ends();
    let mut config = VifConfig::new(field(record, "bridge").unwrap_or_default());
    config.mac = Some(port.mac().to_string());
    config.number = Some(device.number).filter(|number| *number != place);
    config.rate = field(record, "rate").and_then(|rate| Rate::from_node(rate).ok()).map(in_words);
    config.ip = field(record, "ip").filter(|ip| !ip.is_empty()).map(str::to_owned);
    config.hotplug = policy(record)?;
    said_whole(device, port, config.spec(place).map(|spec| spec.served_by(*server)))
        .map(|()| config)
}

/// The policy of a device that was attached here. Of another toolstack's nothing was chosen here.
fn policy(record: &Record) -> Result<Hotplug, Problem> {
    match field(record, Hotplug::KEY) {
        Some(word) if record.ends().server == DomId::DOM0 => {
            word.parse().map_err(|_| Problem::NotDescribed(record.ends().device.clone()))
        }
        _ => Ok(Hotplug::default()),
    }
}

/// Fails unless what the configuration says is the device, to the last of its options.
fn said_whole<T: PartialEq>(
    device: &DeviceId,
    it: &T,
    said: Result<T, Problem>,
) -> Result<(), Problem> {
    match said {
        Ok(said) if said == *it => Ok(()),
        _ => Err(Problem::NotDescribed(device.clone())),
    }
}

/// A rate as a configuration has it. What does not come out even is another one when it is read.
fn in_words(rate: Rate) -> String {
    let (bytes, interval) = (rate.bytes(), rate.interval_us());
    let per_second = bytes.saturating_mul(1_000_000).div_ceil(interval.into());
    format!("{per_second}B/s@{interval}us")
}

#[cfg(test)]
mod tests {
    use devices::Spec;

    use super::*;

    const DOM: DomId = DomId::new(7).unwrap();

    fn port() -> Vif {
        Vif::new(0, "00:16:3e:01:02:03".parse().unwrap()).bridge("xenbr0").unwrap()
    }

    fn disk() -> Vbd {
        Vbd::phy("xvda".parse().unwrap(), "/images/web.img").unwrap()
    }

    fn record(spec: &impl Spec) -> Record {
        Record::in_tree(&spec.tree(DOM), &spec.ends(DOM).device).unwrap()
    }

    fn described(port: &Vif, place: u32) -> Result<VifConfig, Problem> {
        port_config(&record(port), port, place)
    }

    #[test]
    fn a_disk_is_described_with_what_the_guest_may_do() {
        let read_only = disk().read_only();
        let config = disk_config(&record(&read_only), &read_only).unwrap();
        let wanted =
            VbdConfig { mode: DiskMode::Read, ..VbdConfig::new("xvda", "/images/web.img") };
        assert_eq!(config, wanted);
    }

    #[test]
    fn a_disk_with_an_option_that_no_configuration_has_is_refused() {
        let odd = disk().untrusted();
        let refused = disk_config(&record(&odd), &odd);
        assert_eq!(refused, Err(Problem::NotDescribed(odd.ends(DOM).device)));
    }

    #[test]
    fn a_drive_is_described_full_and_empty() {
        let drive = Vbd::waiting_drive("hdc".parse().unwrap(), Medium::Cdrom).unwrap();
        let config = disk_config(&record(&drive), &drive).unwrap();
        assert_eq!((config.target.as_deref(), config.cdrom), (None, true));
        let full = drive.with_medium(Some("/images/cd.iso")).unwrap();
        let config = disk_config(&record(&full), &full).unwrap();
        assert_eq!((config.target.as_deref(), config.cdrom), (Some("/images/cd.iso"), true));
    }

    #[test]
    fn a_device_of_a_driver_domain_is_described_but_for_who_that_is() {
        let disk = disk().served_by(DomId::new(3).unwrap());
        assert_eq!(
            disk_config(&record(&disk), &disk).unwrap().target.as_deref(),
            Some("/images/web.img")
        );
    }

    #[test]
    fn a_device_keeps_the_policy_that_was_chosen_for_it() {
        let disk = disk();
        assert_eq!(disk_config(&record(&disk), &disk).unwrap().hotplug, Hotplug::Native);
        let mut tree = disk.tree(DOM);
        let device = disk.ends(DOM).device;
        tree.value(device.record().join(Hotplug::KEY), Hotplug::Scripts);
        let record = Record::in_tree(&tree, &device).unwrap();
        assert_eq!(disk_config(&record, &disk).unwrap().hotplug, Hotplug::Scripts);
    }

    #[test]
    fn an_interface_keeps_its_address_and_its_rate() {
        let config = described(&port().rate("10Mb/s@20ms".parse().unwrap()), 0).unwrap();
        assert_eq!(config.mac.as_deref(), Some("00:16:3e:01:02:03"));
        assert_eq!(config.rate.as_deref(), Some("1250000B/s@20000us"));
        assert_eq!(config.bridge, "xenbr0");
    }

    #[test]
    fn a_rate_that_does_not_come_out_even_is_rounded_to_itself_or_refused() {
        let rate = Rate::new(1, 3).unwrap();
        assert_eq!(in_words(rate).parse(), Ok(rate));
        let odd = Rate::new(1, 3_000_000).unwrap();
        assert!(described(&port().rate(odd), 0).is_err());
    }

    #[test]
    fn an_interface_keeps_its_number_and_its_addresses() {
        assert_eq!(described(&port(), 0).unwrap().number, None);
        assert_eq!(described(&port(), 1).unwrap().number, Some(0));
        let held = port().ip("192.0.2.7 2001:db8::7").unwrap();
        assert_eq!(described(&held, 0).unwrap().ip.as_deref(), Some("192.0.2.7 2001:db8::7"));
    }
}
