//! Tests that spoil the machine they run in: each gets one of its own.

mod dom0;

use std::time::Duration;

use dom0::{ended, in_mid_create, signal_store, start};
use xc::Xc;
use xen_types::DomId;

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_creation_whose_store_is_killed_is_undone_as_far_as_can_be() {
    let xc = Xc::open().expect("open the hypervisor");
    let (create, _config) = in_mid_create("orphan", |_| signal_store("-KILL"));
    let ran = ended(create, Duration::from_secs(30));

    assert_eq!(ran.status, Some(3), "{ran:?}");
    assert!(ran.err.contains("create domain \"orphan\""), "{ran:?}");
    assert!(ran.err.contains("left behind: xenstore /local/domain/"), "{ran:?}");
    assert!(ran.err.contains("left behind: xenstore /libxl/"), "{ran:?}");
    assert!(ran.err.contains("left behind: xenstore /vm/"), "{ran:?}");
    let left: Vec<DomId> = xc.domains().expect("list").iter().map(|info| info.id).collect();
    assert_eq!(left, [DomId::DOM0]);

    for command in [&["list"][..], &["destroy", "1"], &["shutdown", "1"], &["console", "1"]] {
        let ran = ended(start("xenops", command), Duration::from_secs(5));
        assert_eq!(ran.status, Some(3), "{command:?}: {ran:?}");
    }
}
