//! What a configuration would say of a domain that is there: what a restore wants besides what was
//! saved.
//!
//! Of what it asks, the guest can write nothing. A domain that no configuration describes whole is
//! refused: it would come back without a device, or with another one.

use devices::paths::DomainPaths;
use devices::{
    Channel, Connection, Device, DeviceId, Ends, Kind, Medium, NinePfs, Rate, Record, Source, Text,
    Vbd, Vif,
};
use xen_types::{DomId, KiB, MiB};
use xs::View as _;

use crate::config::{
    ConsoleConfig, DiskMode, DiskType, DomainConfig, GuestKind, NinePfsConfig, VbdConfig, VifConfig,
};
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
                Device::Channel(console) => config.console.push(console_config(&device, &console)?),
                Device::NinePfs(folder) => config.ninepfs.push(folder_config(&device, &folder)?),
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
        Source::Qdisk { path: Some(path), .. } => {
            VbdConfig { kind: Some(DiskType::Qdisk), ..VbdConfig::new(vdev, path.as_str()) }
        }
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

fn console_config(device: &DeviceId, console: &Channel) -> Result<ConsoleConfig, Problem> {
    let mut config = ConsoleConfig::new(device.number);
    config.name = console.channel_name().map(Text::to_string);
    match console.connection() {
        Connection::Pty => {}
        Connection::Socket(path) => config.socket = Some(path.to_string()),
        Connection::File(path) => config.file = Some(path.to_string()),
    }
    said_whole(device, console, config.spec()).map(|()| config)
}

fn folder_config(device: &DeviceId, folder: &NinePfs) -> Result<NinePfsConfig, Problem> {
    let (tag, path) = (folder.tag().as_str(), folder.path().as_str());
    let mut config = NinePfsConfig::new(device.number, tag, path);
    config.security_model = folder.security_model();
    said_whole(device, folder, config.spec()).map(|()| config)
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
    use devices::{FolderLimits, Format, SecurityModel, Spec};

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
    fn an_image_of_qemu_is_described_if_it_is_a_raw_one() {
        let image = |format| Vbd::qdisk("xvda".parse().unwrap(), format, "/a.img").unwrap();
        let raw = image(Format::Raw);
        let config = disk_config(&record(&raw), &raw).unwrap();
        assert_eq!(
            (config.kind, config.target.as_deref()),
            (Some(DiskType::Qdisk), Some("/a.img"))
        );
        let qcow2 = image(Format::Qcow2);
        let refused = disk_config(&record(&qcow2), &qcow2);
        assert_eq!(refused, Err(Problem::NotDescribed(qcow2.ends(DOM).device)));
        let empty = Vbd::empty_drive("hdc".parse().unwrap(), Medium::Cdrom).unwrap();
        assert!(disk_config(&record(&empty), &empty).is_err());
    }

    #[test]
    fn a_folder_is_described_unless_it_has_limits_or_another_server() {
        let folder = NinePfs::new(2, "files", "/srv").unwrap().security(SecurityModel::MappedFile);
        let device = folder.ends(DOM).device;
        let config = folder_config(&device, &folder).unwrap();
        assert_eq!((config.number, config.spec()), (2, Ok(folder.clone())));
        let limited = folder.clone().by_xen_9pfsd(FolderLimits::default());
        assert_eq!(folder_config(&device, &limited), Err(Problem::NotDescribed(device.clone())));
        let elsewhere = folder.served_by(DomId::new(3).unwrap());
        assert_eq!(folder_config(&device, &elsewhere), Err(Problem::NotDescribed(device)));
    }

    #[test]
    fn a_console_is_described_with_its_other_end_unless_the_daemon_serves_it() {
        let said = |console: Channel| {
            let device = console.ends(DOM).device;
            console_config(&device, &console)
        };
        let agent = Channel::socket(1, "/run/agent").unwrap().name("agent").unwrap();
        let config = said(agent).unwrap();
        assert_eq!(
            (config.socket.as_deref(), config.name.as_deref()),
            (Some("/run/agent"), Some("agent"))
        );
        let file = said(Channel::file(2, "/tmp/said").unwrap()).unwrap();
        assert_eq!((file.number, file.file.as_deref()), (2, Some("/tmp/said")));
        assert_eq!(said(Channel::pty(3).unwrap()), Ok(ConsoleConfig::new(3)));
        assert!(said(Channel::pty(3).unwrap().by_xenconsoled()).is_err());
    }

    #[test]
    fn an_interface_keeps_its_number_and_its_addresses() {
        assert_eq!(described(&port(), 0).unwrap().number, None);
        assert_eq!(described(&port(), 1).unwrap().number, Some(0));
        let held = port().ip("192.0.2.7 2001:db8::7").unwrap();
        assert_eq!(described(&held, 0).unwrap().ip.as_deref(), Some("192.0.2.7 2001:db8::7"));
    }
}
