//! The xenstore nodes of a new domain: which, and who may write them. Pure.
//!
//! The set is libxl's (`libxl_create.c`, `libxl__domain_make`), so that guests and other toolstacks
//! find what they know. The guest owns the nodes it writes and may read its home; it cannot see the
//! record under `/libxl`.

use devices::Tree;
use devices::paths::{self, DomainPaths};
use xen_types::{DomId, DomainUuid, KiB, Port};
use xs::{Access, Perms};

use crate::config::DomainConfig;

/// What the domain has as soon as it exists.
pub(super) fn skeleton(dom: DomId, uuid: DomainUuid, config: &DomainConfig) -> Tree {
    let own = DomainPaths(dom);
    let (home, record, vm) = (own.home(), own.record(), paths::vm(uuid));
    let read = Perms::private(DomId::DOM0).allow(dom, Access::Read);
    let hidden = Perms::private(DomId::DOM0);
    let guests = Perms::private(dom);

    let mut tree = Tree::new();
    tree.folder(home.clone(), read.clone())
        .folder(vm.clone(), read)
        .folder(record.clone(), hidden)
        .value(vm.join("uuid"), uuid)
        .value(vm.join("name"), &config.name)
        .value(own.vm(), &vm)
        .value(home.join("name"), &config.name)
        .value(home.join("domid"), dom)
        .value(record.join("type"), config.kind.as_str())
        .value(record.join("device"), "");
    for folder in ["cpu", "memory", "device", "control"] {
        tree.value(home.join(folder), "");
    }
    for &feature in MULTIPROCESSOR_FEATURES {
        tree.value(home.join("control").join(feature), 1);
    }
    for &owned in OWNED_BY_GUEST {
        tree.folder(home.join(owned), guests.clone());
    }
    tree
}

/// What is known once the domain is built.
pub(super) fn published(dom: DomId, config: &DomainConfig, store: (u64, Port)) -> Tree {
    let own = DomainPaths(dom);
    let home = own.home();
    let KiB(memory) = config.memory.to_kib();
    let (ring, port) = store;
    let mut tree = Tree::new();
    tree.value(own.most_memory(), memory)
        .value(home.join("memory/target"), memory)
        .value(home.join("memory/videoram"), 0)
        .value(home.join("store/port"), port)
        .value(home.join("store/ring-ref"), ring);
    for vcpu in 0..config.vcpus {
        tree.value(home.join("cpu").join(vcpu).join("availability"), "online");
    }
    tree
}

const OWNED_BY_GUEST: &[&str] = &[
    "control/shutdown",
    "control/feature-poweroff",
    "control/feature-reboot",
    "control/feature-suspend",
    "control/sysrq",
    "device/suspend/event-channel",
    "data",
    "drivers",
    "feature",
    "attr",
    "error",
];

/// What the toolstack promises a guest about suspending.
const MULTIPROCESSOR_FEATURES: &[&str] =
    &["platform-feature-multiprocessor-suspend", "platform-feature-xs_reset_watches"];

#[cfg(test)]
mod tests {
    use xen_types::MiB;

    use super::*;
    use crate::config::GuestKind;

    fn tree() -> Tree {
        let config = DomainConfig::new("web", GuestKind::Pvh, "/boot/vmlinux", MiB(64));
        let uuid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        skeleton(DomId::new(7).unwrap(), uuid, &config)
    }

    fn perms_of(path: &str) -> Option<String> {
        let tree = tree();
        let node = tree.nodes().iter().find(|node| node.path.as_str() == path)?;
        node.perms.as_ref().map(ToString::to_string)
    }

    #[test]
    fn the_guest_reads_its_home_and_not_the_record() {
        assert_eq!(perms_of("/local/domain/7").as_deref(), Some("n0,r7"));
        assert_eq!(perms_of("/libxl/7").as_deref(), Some("n0"));
    }

    #[test]
    fn the_guest_can_answer_a_shutdown_request() {
        assert_eq!(perms_of("/local/domain/7/control/shutdown").as_deref(), Some("n7"));
    }

    #[test]
    fn a_parent_always_stands_before_its_children() {
        let tree = tree();
        let place = |path: &str| tree.nodes().iter().position(|node| node.path.as_str() == path);
        assert!(
            place("/local/domain/7/device") < place("/local/domain/7/device/suspend/event-channel")
        );
        assert!(place("/local/domain/7/control") < place("/local/domain/7/control/shutdown"));
    }
}
