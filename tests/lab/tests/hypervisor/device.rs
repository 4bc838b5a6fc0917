//! Hardware that domains are given, seen in what Xen prints of each domain (debug key `q`).

use std::process::Command;

use xc::{Gsi, GuestIrq, GuestKind, GuestMsi, Kind, MsiDelivery, MsiSource, Permission, Pirq};
use xc::{RdmPolicy, Release};
use xen_types::{DomId, Gfn, Mfn, MiB, PageCount, Sbdf};

use crate::support::{Domain, Outcome, open};

/// A function that there is on the lab's machine, and one that there is not.
const HOST_BRIDGE: Sbdf = Sbdf::new(0, 0, 0, 0).unwrap();
const NOTHING: Sbdf = Sbdf::new(0, 0xfe, 0x1e, 5).unwrap();
/// The interrupt of the power button, a line that dom0 has.
const ACPI: u32 = 9;

/// The last list of this name that Xen prints of the domain, such as `{ 3f8-3ff }`.
fn printed(dom: DomId, list: &str) -> Result<String, Box<dyn std::error::Error>> {
    Command::new("xl").args(["debug-keys", "q"]).status()?;
    let log =
        String::from_utf8_lossy(&Command::new("xl").arg("dmesg").output()?.stdout).into_owned();
    let head = format!("Rangesets belonging to domain {dom}:");
    let (_, after) = log.rsplit_once(&head).ok_or(format!("no {head:?} in {log}"))?;
    let line =
        after.lines().find(|line| line.contains(list)).ok_or(format!("no {list}: {after}"))?;
    let start = line.find('{').ok_or("no list")?;
    Ok(line[start..].trim().to_owned())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn ports_are_a_domains_from_allowing_to_forbidding() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_io_port_access(dom.id, 0x2f8..=0x2ff, Permission::Allow)?;
    dom.xc.set_io_port_access(dom.id, 0x60..=0x60, Permission::Allow)?;
    assert_eq!(printed(dom.id, "I/O Ports")?, "{ 60, 2f8-2ff }");
    dom.xc.set_io_port_access(dom.id, 0x2f8..=0x2fb, Permission::Forbid)?;
    assert_eq!(printed(dom.id, "I/O Ports")?, "{ 60, 2fc-2ff }");
    #[allow(clippy::reversed_empty_ranges, reason = "the subject")]
    let nothing = dom.xc.set_io_port_access(dom.id, 9..=8, Permission::Allow).unwrap_err();
    assert_eq!(nothing.kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn unmapping_ports_takes_the_right_up_to_4_22() -> Outcome {
    let hvm = Domain::empty(GuestKind::Hvm)?;
    hvm.xc.set_io_port_access(hvm.id, 0x2f8..=0x2ff, Permission::Allow)?;
    hvm.xc.map_io_ports(hvm.id, 0x3f8, 0x2f8..=0x2ff)?;
    assert_eq!(printed(hvm.id, "I/O Ports")?, "{ 2f8-2ff }");
    hvm.xc.unmap_io_ports(hvm.id, 0x3f8, 0x2f8..=0x2ff)?;
    assert_eq!(printed(hvm.id, "I/O Ports")?, "{ }");
    let too_far = hvm.xc.map_io_ports(hvm.id, 0xfffc, 0x2f8..=0x2ff).unwrap_err();
    assert_eq!(too_far.kind(), Kind::Invalid);
    let pv = Domain::empty(GuestKind::Pv)?;
    let refused = pv.xc.map_io_ports(pv.id, 0x3f8, 0x2f8..=0x2ff).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn io_memory_is_mapped_only_with_the_right_and_unmapped_once() -> Outcome {
    let hvm = Domain::empty(GuestKind::Hvm)?;
    hvm.xc.set_paging_pool(hvm.id, MiB(2).to_bytes())?;
    // The frame buffer of the old VGA.
    let (gfn, vga, count) = (Gfn(0xf0000), Mfn(0xa0), PageCount(32));
    let too_early = hvm.xc.map_io_memory(hvm.id, gfn, vga, count).unwrap_err();
    assert_eq!(too_early.kind(), Kind::Denied);
    hvm.xc.set_io_memory_access(hvm.id, vga, count, Permission::Allow)?;
    assert_eq!(printed(hvm.id, "I/O Memory")?, "{ a0-bf }");
    hvm.xc.map_io_memory(hvm.id, gfn, vga, count)?;
    hvm.xc.unmap_io_memory(hvm.id, gfn, vga, count)?;
    let again = hvm.xc.unmap_io_memory(hvm.id, gfn, vga, count).unwrap_err();
    assert_eq!(again.kind(), Kind::Invalid);
    hvm.xc.set_io_memory_access(hvm.id, vga, count, Permission::Forbid)?;
    assert_eq!(printed(hvm.id, "I/O Memory")?, "{ }");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn mapping_io_memory_into_a_pv_domain_does_nothing() -> Outcome {
    let pv = Domain::empty(GuestKind::Pv)?;
    pv.xc.map_io_memory(pv.id, Gfn(0), Mfn(0xa0), PageCount(1))?;
    assert_eq!(printed(pv.id, "I/O Memory")?, "{ }");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_interrupt_is_a_domains_from_allowing_to_forbidding() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_irq_access(dom.id, Pirq(ACPI), Permission::Allow)?;
    assert_eq!(printed(dom.id, "Interrupts")?, "{ 9 }");
    let pirq = dom.xc.map_pirq(dom.id, ACPI, None)?;
    assert_eq!(pirq, Pirq(ACPI));
    let other = dom.xc.map_pirq(dom.id, ACPI, Some(Pirq(20))).unwrap_err();
    assert_eq!(other.kind(), Kind::Exists);
    dom.xc.unmap_pirq(dom.id, pirq)?;
    assert_eq!(dom.xc.unmap_pirq(dom.id, pirq).unwrap_err().kind(), Kind::Invalid);
    dom.xc.set_irq_access(dom.id, Pirq(ACPI), Permission::Forbid)?;
    assert_eq!(printed(dom.id, "Interrupts")?, "{ }");
    let none = dom.xc.set_irq_access(dom.id, Pirq(1 << 20), Permission::Allow).unwrap_err();
    assert_eq!(none.kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn interrupts_are_known_by_gsi_from_4_20() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let allowed = dom.xc.set_gsi_access(dom.id, Gsi(ACPI), Permission::Allow);
    let mapped = dom.xc.map_gsi(dom.id, Gsi(ACPI), None);
    let kinds = (allowed.err().map(|e| e.kind()), mapped.as_ref().err().map(xc::Error::kind));
    // Linux 6.1 cannot be asked for a device's GSI.
    assert_eq!(dom.xc.pci_gsi(HOST_BRIDGE).unwrap_err().kind(), Kind::Unavailable);
    if dom.xc.release() < Release::new(4, 20) {
        assert_eq!(kinds, (Some(Kind::Unavailable), Some(Kind::Unavailable)));
        return Ok(());
    }
    assert_eq!(kinds, (None, None));
    assert_eq!(printed(dom.id, "Interrupts")?, "{ 9 }");
    dom.xc.unmap_pirq(dom.id, mapped?)?;
    dom.xc.set_gsi_access(dom.id, Gsi(ACPI), Permission::Forbid)?;
    assert_eq!(printed(dom.id, "Interrupts")?, "{ }");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn without_an_iommu_no_device_is_assigned() -> Outcome {
    let hvm = Domain::empty(GuestKind::Hvm)?;
    let strict = RdmPolicy::Strict;
    let refused = [
        hvm.xc.test_assign_device(hvm.id, HOST_BRIDGE).unwrap_err(),
        hvm.xc.assign_device(hvm.id, HOST_BRIDGE, strict).unwrap_err(),
        hvm.xc.deassign_device(hvm.id, HOST_BRIDGE).unwrap_err(),
        hvm.xc.device_group(hvm.id, HOST_BRIDGE).map(drop).unwrap_err(),
    ];
    assert_eq!(refused.map(|e| e.kind()), [Kind::Unavailable; 4]);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_interrupt_is_bound_only_to_hvm_and_through_an_iommu() -> Outcome {
    let (pv, hvm) = (Domain::empty(GuestKind::Pv)?, Domain::empty(GuestKind::Hvm)?);
    let pci = GuestIrq::Pci { bus: 0, device: 4, intx: 0 };
    let message = GuestMsi { vector: 0x51, delivery: MsiDelivery::default(), table: None };
    assert_eq!(pv.xc.bind_irq(pv.id, Pirq(ACPI), pci).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(pv.xc.bind_msi(pv.id, Pirq(ACPI), message).unwrap_err().kind(), Kind::Invalid);
    hvm.xc.set_irq_access(hvm.id, Pirq(ACPI), Permission::Allow)?;
    let pirq = hvm.xc.map_pirq(hvm.id, ACPI, None)?;
    let translated = GuestIrq::MsiTranslated { bus: 0, device: 4, intx: 0 };
    let refused = [
        hvm.xc.bind_irq(hvm.id, pirq, pci).unwrap_err(),
        hvm.xc.bind_irq(hvm.id, pirq, GuestIrq::Isa).unwrap_err(),
        hvm.xc.bind_irq(hvm.id, pirq, translated).unwrap_err(),
        hvm.xc.bind_msi(hvm.id, pirq, message).unwrap_err(),
    ];
    assert_eq!(refused.map(|e| e.kind()), [Kind::NotFound; 4]);
    // Without an IOMMU nothing is bound, and nothing is what unbinding then does.
    hvm.xc.unbind_irq(hvm.id, pirq, pci)?;
    hvm.xc.unbind_msi(hvm.id, pirq, message)?;
    hvm.xc.unmap_pirq(hvm.id, pirq)?;
    assert_eq!(hvm.xc.unbind_irq(hvm.id, pirq, pci).unwrap_err().kind(), Kind::Denied);
    assert_eq!(hvm.xc.unbind_msi(hvm.id, pirq, message).unwrap_err().kind(), Kind::Denied);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn messages_of_an_absent_function_are_not_mapped() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let source = MsiSource { device: NOTHING, entry: 0, table: None };
    assert_eq!(dom.xc.map_msi(dom.id, source, None).unwrap_err().kind(), Kind::Unavailable);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn hardware_is_not_given_to_absent_domains() -> Outcome {
    let xc = open()?;
    let absent = DomId::new(0x7fef).ok_or("reserved")?;
    let refused = [
        xc.set_io_port_access(absent, 0x60..=0x60, Permission::Allow).unwrap_err(),
        xc.set_io_memory_access(absent, Mfn(0xa0), PageCount(1), Permission::Allow).unwrap_err(),
        xc.set_irq_access(absent, Pirq(ACPI), Permission::Allow).unwrap_err(),
        xc.unmap_pirq(absent, Pirq(ACPI)).unwrap_err(),
    ];
    assert_eq!(refused.map(|e| e.kind()), [Kind::NotFound; 4]);
    Ok(())
}
