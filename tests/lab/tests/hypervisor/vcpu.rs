//! Virtual CPUs.

use std::process::Command;
use std::time::Duration;

use xc::{Affinity, CpuSet, GuestKind, Kind, VcpuContext};
use xen_types::{DomId, MiB};

use crate::dom0::{Config, Guest};
use crate::support::{Domain, Outcome, open, xl_info};

/// A domain of the kind with its two virtual CPUs.
fn domain(kind: GuestKind) -> xc::Result<Domain> {
    let dom = Domain::empty(kind)?;
    if kind != GuestKind::Pv {
        dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    }
    dom.xc.set_max_vcpus(dom.id, 2)?;
    Ok(dom)
}

fn cpus(cpus: &[u16]) -> CpuSet {
    cpus.iter().copied().collect()
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn virtual_cpus_are_as_many_as_the_domain_was_created_for() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    assert_eq!(dom.xc.set_max_vcpus(dom.id, 3).unwrap_err().kind(), Kind::Invalid);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.info(dom.id)?.max_vcpu_id, Some(1));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_virtual_cpu_that_asks_is_running_and_its_time_grows() -> Outcome {
    let xc = open()?;
    let vcpu = xc.vcpu(DomId::DOM0, 0)?;
    assert!(vcpu.online && vcpu.running && !vcpu.blocked, "{vcpu:?}");
    let later = xc.vcpu_time(DomId::DOM0, 0)?;
    assert!(later > vcpu.cpu_time && later < vcpu.cpu_time + Duration::from_secs(20), "{later:?}");
    assert!(later <= xc.info(DomId::DOM0)?.cpu_time);
    assert_eq!(xc.vcpu(DomId::DOM0, 500).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_virtual_cpu_exists_once_it_is_created_and_is_offline_until_started() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    assert_eq!(dom.xc.vcpu(dom.id, 1).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(dom.xc.vcpu_time(dom.id, 1).unwrap_err().kind(), Kind::NotFound);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let vcpu = dom.xc.vcpu(dom.id, 1)?;
    assert_eq!((vcpu.online, vcpu.running, vcpu.cpu_time), (false, false, Duration::ZERO));
    assert_eq!(dom.xc.vcpu_time(dom.id, 1)?, Duration::ZERO);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn registers_of_a_running_guest_are_read_changed_and_kept() -> Outcome {
    let config = Config::tiny("tiny-registers", "pvh", "");
    let guest = Guest::create("tiny-registers", &config);
    guest.says("TINY-READY");
    let (xc, dom) = (open()?, guest.id.parse()?);
    xc.pause(dom)?;
    let context = xc.vcpu_context(dom, 0)?;
    assert!(context.rip != 0 && context.rsp != 0 && context.ctrlreg[3] != 0, "{:#x}", context.rip);
    assert_eq!(context.ctrlreg[0] & 1, 1, "in protected mode");

    let changed = VcpuContext { r15: !context.r15, ..*context };
    xc.set_vcpu_context(dom, 0, &changed)?;
    let read = xc.vcpu_context(dom, 0)?;
    assert_eq!((read.r15, read.rip, read.rsp), (!context.r15, context.rip, context.rsp));
    xc.set_vcpu_context(dom, 0, &context)?;
    assert_eq!(xc.vcpu_context(dom, 0)?.r15, context.r15);
    assert_eq!(xc.vcpu_context(dom, 1).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_virtual_cpu_that_was_never_started_has_no_registers() -> Outcome {
    let dom = domain(GuestKind::Pvh)?;
    let absent = dom.xc.vcpu_context(dom.id, 0).unwrap_err();
    assert_eq!(absent.errno().map(|errno| errno.raw_os_error()), Some(61)); // ENODATA
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn affinities_are_what_was_set_and_xl_sees_them() -> Outcome {
    let dom = domain(GuestKind::Pv)?;
    let all = dom.xc.all_cpus()?;
    assert_eq!(all.len(), xl_info("max_cpu_id")?.parse::<usize>()? + 1);
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 1)?, Affinity { hard: all.clone(), soft: all.clone() });

    assert_eq!(dom.xc.set_hard_affinity(dom.id, 1, &cpus(&[0]))?, cpus(&[0]));
    let set = Affinity { hard: cpus(&[0]), soft: all.clone() };
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 1)?, set);
    let xl = Command::new("xl").args(["vcpu-list", &dom.id.to_string()]).output()?;
    let list = String::from_utf8(xl.stdout)?;
    let line = list.lines().last().ok_or("no virtual CPU")?;
    assert!(line.trim_end().ends_with("0 / all"), "{list}");

    let effective = dom.xc.set_soft_affinity(dom.id, 1, &cpus(&[1]))?;
    assert_eq!(effective, CpuSet::new());
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 1)?.soft, cpus(&[1]));
    let both = Affinity { hard: all, soft: cpus(&[0]) };
    assert_eq!(dom.xc.set_vcpu_affinity(dom.id, 1, &both)?.soft, cpus(&[0]));
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 1)?, both);
    // Nobody has pinned it for a moment: what was asked for stays.
    dom.xc.undo_pin_override(dom.id, 1)?;
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 1)?, both);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_virtual_cpu_cannot_be_left_without_a_processor() -> Outcome {
    let dom = domain(GuestKind::Pv)?;
    let nowhere = dom.xc.set_hard_affinity(dom.id, 0, &CpuSet::new()).unwrap_err();
    assert_eq!(nowhere.kind(), Kind::Invalid);
    let beyond = dom.xc.set_hard_affinity(dom.id, 0, &cpus(&[0, 4000])).unwrap_err();
    assert_eq!(beyond.kind(), Kind::Invalid);
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 0)?.hard, dom.xc.all_cpus()?);
    Ok(())
}
