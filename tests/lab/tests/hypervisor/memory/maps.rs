//! Memory maps of the machine.

use xc::{E820Entry, E820Kind, GuestKind, Kind};
use xen_types::{DomId, KiB, MiB, Sbdf};

use crate::support::{Domain, Outcome, open};

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

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_is_told_at_most_1024_ranges_of_memory() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    let range = E820Entry { start: 0, size: MiB(64).to_bytes(), kind: E820Kind::Ram };
    dom.xc.set_memory_map(dom.id, &[range; 1024])?; // E820MAX, xen/arch/x86/include/asm/e820.h
    let more = dom.xc.set_memory_map(dom.id, &[range; 1025]).unwrap_err();
    assert_eq!(more.kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_is_absent_is_told_no_memory_map() -> Outcome {
    let pv = Domain::empty(GuestKind::Pv)?;
    pv.xc.set_memory_map_limit(pv.id, KiB(65536))?;
    let absent = DomId::new(0x7fef).ok_or("an id")?;
    let limited = pv.xc.set_memory_map_limit(absent, KiB(65536)).unwrap_err();
    let mapped = pv.xc.set_memory_map(absent, &[]).unwrap_err();
    assert_eq!([limited.kind(), mapped.kind()], [Kind::NotFound; 2]);
    Ok(())
}
