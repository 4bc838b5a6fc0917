//! Memory maps of the machine.

use xc::E820Kind;
use xen_types::Sbdf;

use crate::support::{Outcome, open};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_machines_memory_ends_where_xen_says_it_does() -> Outcome {
    let xc = open()?;
    let (map, host) = (xc.machine_memory_map()?, xc.physinfo()?);
    let ram: Vec<_> = map.iter().filter(|entry| entry.kind == E820Kind::Ram).collect();
    let end = ram.iter().map(|entry| entry.start + entry.size.get()).max();
    assert_eq!(end.map(|end| end / 4096), Some(host.max_mfn.0 + 1), "{map:?}");
    let all: u64 = ram.iter().map(|entry| entry.size.to_pages_down().get()).sum();
    assert!(all >= host.total.get(), "{map:?}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_host_without_an_iommu_reserves_nothing_for_devices() -> Outcome {
    let xc = open()?;
    assert_eq!(xc.reserved_device_memory(None)?, []);
    assert_eq!(xc.reserved_device_memory(Sbdf::new(0, 0, 3, 0))?, []);
    Ok(())
}
