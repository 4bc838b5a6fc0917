//! Virtual CPUs, where they run, and what time they have.

use std::time::Duration;

use xc::{Affinity, CpuSet, GuestKind, Kind, TscInfo, TscMode};
use xen_types::{DomId, MiB};

use super::{Ctx, Domain, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        virtual_cpus_are_as_many_as_the_domain_was_created_for,
        the_virtual_cpu_that_asks_is_running_and_its_time_grows,
        a_virtual_cpu_exists_once_it_is_created_and_is_offline_until_started,
        a_virtual_cpu_that_was_never_started_has_no_registers,
        affinities_are_what_was_set_and_xl_sees_them,
        a_virtual_cpu_cannot_be_left_without_a_processor,
        a_time_stamp_counter_goes_on_from_where_it_was_set,
        a_time_stamp_counter_is_read_in_the_mode_that_was_set,
    ]
    .into()
}

/// A domain of the kind with its two virtual CPUs.
fn domain(ctx: &Ctx, kind: GuestKind) -> xc::Result<Domain> {
    let dom = ctx.empty(kind)?;
    if kind != GuestKind::Pv {
        dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    }
    dom.xc.set_max_vcpus(dom.id, 2)?;
    Ok(dom)
}

fn cpus(cpus: &[u16]) -> CpuSet {
    cpus.iter().copied().collect()
}

fn virtual_cpus_are_as_many_as_the_domain_was_created_for(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    assert_eq!(dom.xc.set_max_vcpus(dom.id, 3).unwrap_err().kind(), Kind::Invalid);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.info(dom.id)?.max_vcpu_id, Some(1));
    Ok(())
}

fn the_virtual_cpu_that_asks_is_running_and_its_time_grows(ctx: &Ctx) -> Outcome {
    let xc = ctx.xc().clone();
    let vcpu = xc.vcpu(DomId::DOM0, 0)?;
    assert!(vcpu.online && vcpu.running && !vcpu.blocked, "{vcpu:?}");
    let later = xc.vcpu_time(DomId::DOM0, 0)?;
    assert!(later > vcpu.cpu_time && later < vcpu.cpu_time + Duration::from_secs(20), "{later:?}");
    assert!(later <= xc.info(DomId::DOM0)?.cpu_time);
    assert_eq!(xc.vcpu(DomId::DOM0, 500).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}

fn a_virtual_cpu_exists_once_it_is_created_and_is_offline_until_started(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    assert_eq!(dom.xc.vcpu(dom.id, 1).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(dom.xc.vcpu_time(dom.id, 1).unwrap_err().kind(), Kind::NotFound);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let vcpu = dom.xc.vcpu(dom.id, 1)?;
    assert_eq!((vcpu.online, vcpu.running, vcpu.cpu_time), (false, false, Duration::ZERO));
    assert_eq!(dom.xc.vcpu_time(dom.id, 1)?, Duration::ZERO);
    Ok(())
}

fn a_virtual_cpu_that_was_never_started_has_no_registers(ctx: &Ctx) -> Outcome {
    let dom = domain(ctx, GuestKind::Pvh)?;
    let absent = dom.xc.vcpu_context(dom.id, 0).unwrap_err();
    assert_eq!(absent.errno().map(|errno| errno.raw_os_error()), Some(61)); // ENODATA
    Ok(())
}

fn affinities_are_what_was_set_and_xl_sees_them(ctx: &Ctx) -> Outcome {
    let dom = domain(ctx, GuestKind::Pv)?;
    let all = dom.xc.all_cpus()?;
    let highest = format!(": {}", all.len() - 1);
    ctx.observe(&["xl", "info"], |info| {
        let line = info.lines().find(|line| line.starts_with("max_cpu_id")).unwrap_or_default();
        assert!(line.ends_with(&highest), "{info}");
    });
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 1)?, Affinity { hard: all.clone(), soft: all.clone() });

    assert_eq!(dom.xc.set_hard_affinity(dom.id, 1, &cpus(&[0]))?, cpus(&[0]));
    let set = Affinity { hard: cpus(&[0]), soft: all.clone() };
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 1)?, set);
    ctx.observe(&["xl", "vcpu-list", &dom.id.to_string()], |list| {
        let line = list.lines().last().unwrap_or_default();
        assert!(line.trim_end().ends_with("0 / all"), "{list}");
    });

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

fn a_virtual_cpu_cannot_be_left_without_a_processor(ctx: &Ctx) -> Outcome {
    let dom = domain(ctx, GuestKind::Pv)?;
    let nowhere = dom.xc.set_hard_affinity(dom.id, 0, &CpuSet::new()).unwrap_err();
    assert_eq!(nowhere.kind(), Kind::Invalid);
    let beyond = dom.xc.set_hard_affinity(dom.id, 0, &cpus(&[0, 4000])).unwrap_err();
    assert_eq!(beyond.kind(), Kind::Invalid);
    assert_eq!(dom.xc.vcpu_affinity(dom.id, 0)?.hard, dom.xc.all_cpus()?);
    Ok(())
}

fn a_time_stamp_counter_goes_on_from_where_it_was_set(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pv)?;
    let (mode, elapsed) = (TscMode::AlwaysEmulate, Duration::from_secs(5000));
    dom.xc.set_tsc(dom.id, &TscInfo { mode, elapsed, khz: 1_500_000, incarnation: 6 })?;
    let tsc = dom.xc.tsc(dom.id)?;
    assert_eq!((tsc.mode, tsc.khz, tsc.incarnation), (mode, 1_500_000, 7));
    assert!((5000..5060).contains(&tsc.elapsed.as_secs()), "{tsc:?}");
    let unknown = dom.xc.set_tsc_mode(dom.id, TscMode::Unknown(9)).unwrap_err();
    assert_eq!(unknown.kind(), Kind::Invalid);
    Ok(())
}

fn a_time_stamp_counter_is_read_in_the_mode_that_was_set(ctx: &Ctx) -> Outcome {
    let dom = ctx.empty(GuestKind::Pvh)?;
    assert_eq!(dom.xc.tsc(dom.id)?.mode, TscMode::Default);
    dom.xc.set_tsc_mode(dom.id, TscMode::AlwaysEmulate)?;
    assert_eq!(dom.xc.tsc(dom.id)?.mode, TscMode::AlwaysEmulate);
    dom.xc.set_tsc_mode(dom.id, TscMode::Native)?;
    let native = TscInfo { mode: TscMode::Native, incarnation: 1, ..TscInfo::default() };
    assert_eq!(dom.xc.tsc(dom.id)?, native);
    Ok(())
}
