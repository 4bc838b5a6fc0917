//! The commands about domains in files.
//!
//! The file has the domain's configuration in it, as a TOML file for `create` would have it, so that
//! it is all that a restore needs.

use std::path::Path;
use std::str;

use xenops::{Afterwards, CreateOptions, DomainConfig, Host, SaveOptions, SavedFile};

use crate::args::{Restore, Save};
use crate::commands::{limits, read_config, say};
use crate::failure::Failure;

pub(crate) fn save(what: Save, open: impl FnOnce() -> xenops::Result<Host>) -> Result<(), Failure> {
    let Save { domain, file, live, checkpoint, leave_paused, timeout } = what;
    let (limits, host) = (limits(timeout)?, open()?);
    let within = host.with_deadline(limits.deadline);
    let dom = within.find(&domain)?.id;
    let description = description_of(&within.config(dom)?)?;
    let afterwards = match (checkpoint, leave_paused) {
        (true, _) => Afterwards::GoesOn,
        (_, true) => Afterwards::StaysSuspended,
        _ => Afterwards::Removed,
    };
    let options = SaveOptions { live, afterwards, ..SaveOptions::default() };
    host.save_to_file(dom, &file, description.as_bytes(), &options, &limits, &mut |_| ())?;
    if leave_paused {
        // Paused first: it goes on when it is unpaused, and not a moment before.
        host.pause(dom)?;
        host.resume(dom)?;
    }
    Ok(())
}

pub(crate) fn restore(
    what: Restore,
    open: impl FnOnce() -> xenops::Result<Host>,
) -> Result<(), Failure> {
    let Restore { file, config, paused, timeout } = what;
    let given = config.as_deref().map(read_config).transpose()?;
    let mut saved = SavedFile::open(&file)?;
    let config = match given {
        Some(config) => config,
        None => config_in(&file, saved.description())?,
    };
    // Not before: a signal that comes while the file is read ends that at once.
    let limits = limits(timeout)?;
    let options = CreateOptions { paused };
    let dom = open()?.restore_from_file(&mut saved, &config, options, &limits)?;
    say(|out| std::io::Write::write_fmt(out, format_args!("{dom}\n")))
}

/// What goes into the file.
fn description_of(config: &DomainConfig) -> Result<String, Failure> {
    toml::to_string(config).map_err(Failure::Describe)
}

/// The configuration in the file, which may be another program's.
fn config_in(file: &Path, description: &[u8]) -> Result<DomainConfig, Failure> {
    let other = || Failure::NoConfig(file.into());
    let text = str::from_utf8(description).map_err(|_| other())?;
    let config: DomainConfig = toml::from_str(text).map_err(|_| other())?;
    config.check().map_err(|problem| Failure::Config(file.into(), problem))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use xenops::device::SecurityModel;
    use xenops::{
        ConsoleConfig, DiskMode, DiskType, GuestKind, Hotplug, MiB, NinePfsConfig, VbdConfig,
        VifConfig,
    };

    use super::*;

    fn config() -> DomainConfig {
        let mut config = DomainConfig::new("web \"1\"", GuestKind::Pvh, "", MiB(192));
        config.uuid = Some("00112233-4455-6677-8899-aabbccddeeff".parse().unwrap());
        config.vcpus = 2;
        let mut disk = VbdConfig::new("xvda", "/images/web.img");
        disk.mode = DiskMode::Read;
        config.vbd.push(disk);
        let mut port = VifConfig::new("xenbr0");
        port.mac = Some("00:16:3e:01:02:03".to_owned());
        config.vif.push(port);
        config
    }

    #[test]
    fn what_is_written_of_a_domain_is_read_again() {
        let text = description_of(&config()).unwrap();
        assert_eq!(config_in(Path::new("web.saved"), text.as_bytes()).unwrap(), config());

        let mut all = config();
        let mut drive = VbdConfig::empty_drive("hdc");
        (drive.hotplug, drive.backend) = (Hotplug::Udev, Some("disks".to_owned()));
        all.vbd.push(drive);
        let port = &mut all.vif[0];
        (port.number, port.rate) = (Some(3), Some("10Mb/s".to_owned()));
        (port.ip, port.hotplug) = (Some("192.0.2.7".to_owned()), Hotplug::Scripts);
        port.backend = Some("net".to_owned());
        let mut image = VbdConfig::new("xvdb", "/images/data.img");
        image.kind = Some(DiskType::Qdisk);
        all.vbd.push(image);
        let mut agent = ConsoleConfig::new(1);
        (agent.socket, agent.name) = (Some("/run/agent".to_owned()), Some("agent".to_owned()));
        let mut said = ConsoleConfig::new(2);
        said.file = Some("/tmp/said".to_owned());
        all.console = vec![agent, said];
        let mut folder = NinePfsConfig::new(0, "files", "/srv");
        folder.security_model = SecurityModel::MappedXattr;
        all.ninepfs = vec![folder, NinePfsConfig::new(1, "more", "/more")];
        let text = description_of(&all).unwrap();
        assert_eq!(config_in(Path::new("web.saved"), text.as_bytes()).unwrap(), all);
    }

    #[test]
    fn the_documented_configuration_is_good() {
        let text = include_str!("../../../docs/configuration.md");
        let (_, example) = text.split_once("```toml\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let config = config_in(Path::new("configuration.md"), example.as_bytes()).unwrap();
        assert_eq!((config.vbd.len(), config.vif.len()), (4, 2));
        assert_eq!((config.console.len(), config.ninepfs.len()), (2, 1));
    }

    #[test]
    fn what_is_written_has_the_keys_of_a_configuration_file() {
        let text = description_of(&config()).unwrap();
        assert_eq!(
            text,
            "name = 'web \"1\"'\nuuid = \"00112233-4455-6677-8899-aabbccddeeff\"\n\
             type = \"pvh\"\nkernel = \"\"\ncmdline = \"\"\nmemory = 192\nvcpus = 2\n\
             tsc_mode = \"default\"\n\n[[vbd]]\nvdev = \"xvda\"\ntarget = \"/images/web.img\"\n\
             mode = \"r\"\n\n[[vif]]\nbridge = \"xenbr0\"\nmac = \"00:16:3e:01:02:03\"\n"
        );
    }

    #[test]
    fn the_devices_of_a_qemu_have_the_keys_and_the_words_of_the_command_line() {
        let text = "name = \"web\"\ntype = \"pv\"\nkernel = \"\"\nmemory = 1\n\
                    [[9pfs]]\nnumber = 3\npath = \"/srv\"\ntag = \"files\"\n\
                    security_model = \"mapped-file\"\n\
                    [[9pfs]]\nnumber = 4\npath = \"/srv\"\ntag = \"more\"\n\
                    [[console]]\nnumber = 1\n\
                    [[vbd]]\nvdev = \"xvda\"\ntarget = \"/a.img\"\ntype = \"qdisk\"\n";
        let read = |text: &str| config_in(Path::new("web.saved"), text.as_bytes());
        let config = read(text).unwrap();
        let models = config.ninepfs.iter().map(|folder| folder.security_model);
        assert_eq!(models.collect::<Vec<_>>(), [SecurityModel::MappedFile, SecurityModel::None]);
        assert_eq!(config.console, [ConsoleConfig::new(1)]);
        assert_eq!(config.vbd[0].kind, Some(DiskType::Qdisk));

        assert!(read(&text.replace("mapped-file", "lax")).is_err());
        assert!(read(&text.replace("qdisk", "qcow2")).is_err());
        assert!(read(&text.replace("number = 4\n", "")).is_err());
        let twice = read(&text.replace("number = 4", "number = 3")).unwrap_err();
        assert_eq!(twice.to_string(), "xenops: web.saved: 9pfs.number is there twice\n");
    }

    #[test]
    fn a_description_of_another_program_asks_for_a_configuration() {
        let failure = config_in(Path::new("web.saved"), b"web\npvh\n192\n1\n").unwrap_err();
        assert_eq!(failure.status(), 2);
        assert_eq!(
            failure.to_string(),
            "xenops: web.saved has no configuration of a domain in it: give one with --config\n"
        );
        assert_eq!(config_in(Path::new("web.saved"), b"\xff").unwrap_err().status(), 2);
    }

    #[test]
    fn a_description_that_makes_no_sense_is_refused() {
        let text = "name = \"web\"\ntype = \"pv\"\nkernel = \"\"\nmemory = 0\n";
        let failure = config_in(Path::new("web.saved"), text.as_bytes()).unwrap_err();
        assert_eq!(failure.to_string(), "xenops: web.saved: memory is 0 MiB\n");
    }
}
