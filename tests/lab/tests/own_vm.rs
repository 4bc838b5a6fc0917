//! Tests that spoil the machine they run in: each gets one of its own.

mod dom0;

use dom0::{Config, in_mid_create, run, signal_store};
use xc::Xc;
use xen_types::DomId;

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_creation_whose_store_is_killed_is_undone_as_far_as_can_be() {
    let xc = Xc::open().expect("open the hypervisor");
    let config = Config::new(
        "orphan",
        "name = \"orphan\"\ntype = \"pv\"\nkernel = \"/guests/vmlinux\"\nmemory = 128\n",
    );
    let create = in_mid_create(&config, "orphan");
    signal_store("-KILL");
    let output = create.wait_with_output().expect("xenops ends");
    let said = String::from_utf8_lossy(&output.stderr);

    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("create domain \"orphan\""), "{said}");
    assert!(said.contains("left behind: xenstore /local/domain/"), "{said}");
    assert!(said.contains("left behind: xenstore /libxl/"), "{said}");
    let left: Vec<DomId> = xc.domains().expect("list").iter().map(|info| info.id).collect();
    assert_eq!(left, [DomId::DOM0]);

    let list = run("xenops", &["list"]);
    assert_eq!(list.status, Some(3), "{list:?}");
}
