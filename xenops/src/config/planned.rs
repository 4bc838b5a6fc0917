//! All devices of a description, as the nodes that they become.

use devices::{DeviceId, Ends, Spec, Tree};
use xen_types::DomId;

use super::DomainConfig;
use crate::error::Problem;
use crate::hotplug::Hotplug;

/// A device that a domain starts with.
pub(crate) struct Planned {
    pub(crate) device: DeviceId,
    pub(crate) tree: Tree,
    pub(crate) hotplug: Hotplug,
    /// Whether a QEMU serves it.
    pub(crate) is_qemus: bool,
}

impl Planned {
    fn new(spec: &impl Spec, dom: DomId, hotplug: Hotplug) -> Self {
        let Ends { device, served_as, .. } = spec.ends(dom);
        Self { device, tree: spec.tree(dom), hotplug, is_qemus: served_as.is_qemus() }
    }
}

/// All devices of a domain, folders last: whoever starts a QEMU for them looks for them. `server` finds the
/// domain that a configuration means.
pub(crate) fn planned<E: From<Problem>>(
    config: &DomainConfig,
    dom: DomId,
    server: impl Fn(&str) -> Result<DomId, E>,
) -> Result<Vec<Planned>, E> {
    let server = |backend: &Option<String>| backend.as_deref().map_or(Ok(DomId::DOM0), &server);
    let mut devices = Vec::new();
    for vbd in &config.vbd {
        let spec = vbd.spec()?.served_by(server(&vbd.backend)?);
        devices.push(Planned::new(&spec, dom, vbd.hotplug));
    }
    for (place, vif) in (0..).zip(&config.vif) {
        let spec = vif.spec(place)?.served_by(server(&vif.backend)?);
        devices.push(Planned::new(&spec, dom, vif.hotplug));
    }
    for console in &config.console {
        devices.push(Planned::new(&console.spec()?, dom, Hotplug::default()));
    }
    for folder in &config.ninepfs {
        devices.push(Planned::new(&folder.spec()?, dom, Hotplug::default()));
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{VbdConfig, VifConfig};

    #[test]
    fn an_interface_has_its_own_number_or_that_of_its_place() {
        let mut config = DomainConfig::new("web", crate::GuestKind::Pv, "/k", xen_types::MiB(1));
        let third = VifConfig { number: Some(3), ..VifConfig::new("xenbr0") };
        config.vif = vec![VifConfig::new("xenbr0"), third, VifConfig::new("xenbr1")];
        let numbers = |config: &DomainConfig| {
            let server = |_: &str| Err(Problem::NoSuchDomain);
            let devices = planned(config, DomId::DOM0, server).unwrap();
            devices.iter().map(|planned| planned.device.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&config), [0, 3, 2]);
        config.vif[1].number = Some(2);
        let twice = Problem::Config { key: "vif.number", why: "is there twice" };
        assert_eq!(config.check(), Err(twice));
    }

    #[test]
    fn who_serves_a_device_is_asked_for_by_the_word_of_the_configuration() {
        let mut config = DomainConfig::new("web", crate::GuestKind::Pv, "/k", xen_types::MiB(1));
        let disk = VbdConfig::new("xvda", "/dev/vg/web");
        config.vbd = vec![VbdConfig { backend: Some("disks".into()), ..disk }];
        let seven = DomId::new(7).unwrap();
        let server = |word: &str| match word {
            "disks" => Ok(seven),
            _ => Err(Problem::NoSuchDomain),
        };
        let devices = planned(&config, DomId::DOM0, server).unwrap();
        let record = devices::Record::in_tree(&devices[0].tree, &devices[0].device).unwrap();
        assert_eq!(record.ends().server, seven);
    }
}
