//! What a domain can be created with.

use xc::foreign::{ForeignMemory, Resource};
use xc::{Altp2mMode, CreateConfig, DomainFlags, GuestKind, HvmParam, Kind, Release};
use xen_types::{DomId, KiB, PageCount, Port};

use crate::dom0::grant_tables;
use crate::support::{Domain, Outcome, fresh_uuid, open};

fn config(kind: GuestKind) -> CreateConfig {
    CreateConfig::new(kind, fresh_uuid(), 2)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xen_emulates_what_libxl_would_have_it_emulate() -> Outcome {
    let of = |config: &CreateConfig| -> xc::Result<u32> {
        let dom = Domain::of(config)?;
        Ok(dom.xc.info(dom.id)?.emulation_flags)
    };
    assert_eq!(of(&config(GuestKind::Pv))?, 0);
    assert_eq!(of(&config(GuestKind::Pvh))?, 1);
    let pirqs_by_default = open()?.release() < Release::new(4, 19);
    assert_eq!(of(&config(GuestKind::Hvm))?, if pirqs_by_default { 0x3ff } else { 0x1ff });
    let mut pirqs = config(GuestKind::Hvm);
    pirqs.pirqs = Some(true);
    assert_eq!(of(&pirqs)?, 0x3ff);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn flags_at_creation_are_seen_in_the_domain() -> Outcome {
    const HARDWARE: DomainFlags = DomainFlags::HVM.union(DomainFlags::HAP);
    let flags = |config: &CreateConfig| -> xc::Result<DomainFlags> {
        let dom = Domain::of(config)?;
        Ok(dom.xc.info(dom.id)?.flags & (DomainFlags::XENSTORE | HARDWARE))
    };
    let mut store = config(GuestKind::Pvh);
    assert_eq!(flags(&store)?, HARDWARE);
    store.xenstore = true;
    assert_eq!(flags(&store)?, HARDWARE | DomainFlags::XENSTORE);
    assert_eq!(flags(&config(GuestKind::Pv))?, DomainFlags::empty());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn grant_tables_become_as_large_as_they_were_to_be() -> Outcome {
    let mut config = config(GuestKind::Pvh);
    config.max_grant_frames = Some(17);
    config.max_maptrack_frames = Some(35);
    let dom = Domain::of(&config)?;
    let foreign = ForeignMemory::open()?;
    assert_eq!(foreign.resource_size(dom.id, Resource::GrantTable)?, PageCount(17));
    let tables = grant_tables();
    let sizes = "1 frames (17 max), 0 maptrack frames (35 max)";
    let of_this = format!("grant-table for remote d{} ", dom.id);
    let listed = tables.lines().skip_while(|line| !line.contains(&of_this)).nth(1);
    assert!(listed.is_some_and(|line| line.ends_with(sizes)), "{tables}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn grant_tables_are_of_the_versions_that_xen_has() -> Outcome {
    let of = |version| {
        let mut config = config(GuestKind::Pvh);
        config.grant_version = Some(version);
        Domain::of(&config).map(drop).map_err(|e| e.kind())
    };
    assert_eq!([of(0), of(1)], [Err(Kind::Invalid), Ok(())]);
    assert_eq!([of(2), of(3)], [Ok(()), Err(Kind::Invalid)]);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_has_no_port_above_its_highest() -> Outcome {
    let mut config = config(GuestKind::Pv);
    config.max_evtchn_port = 3;
    let dom = Domain::of(&config)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = || dom.xc.alloc_unbound_port(dom.id, DomId::DOM0).map_err(|e| e.kind());
    assert_eq!([port(), port(), port()], [Ok(Port(1)), Ok(Port(2)), Ok(Port(3))]);
    assert_eq!(port(), Err(Kind::NoMemory));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_only_a_guest_notices_is_accepted() -> Outcome {
    let mut config = config(GuestKind::Hvm);
    config.oos = false;
    config.msr_relaxed = true;
    Domain::of(&config)?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_this_host_does_not_have_is_refused() -> Outcome {
    let refusal = |config: &CreateConfig| Domain::of(config).err().map(|e| e.kind());
    let mut iommu = config(GuestKind::Pvh);
    iommu.iommu = true;
    assert_eq!(refusal(&iommu), Some(Kind::Invalid));
    iommu.iommu_share_tables = false;
    assert_eq!(refusal(&iommu), Some(Kind::Invalid));
    let mut traced = config(GuestKind::Pvh);
    traced.vmtrace = KiB(64).to_bytes();
    assert_eq!(refusal(&traced), Some(Kind::Invalid));
    let mut counters = config(GuestKind::Pvh);
    counters.vpmu = true;
    assert_eq!(refusal(&counters), Some(Kind::Invalid));
    // Debian builds Xen without shadow paging.
    let mut shadow = config(GuestKind::Pvh);
    shadow.hap = false;
    assert_eq!(refusal(&shadow), Some(Kind::Unavailable));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_guest_that_runs_guests_needs_hap_and_from_4_19_on_more_than_qemu_has() -> Outcome {
    let refusal = |config: &CreateConfig| Domain::of(config).err().map(|e| e.kind());
    let mut nested = config(GuestKind::Hvm);
    nested.nested_virt = true;
    let since_4_19 = open()?.release() >= Release::new(4, 19);
    assert_eq!(refusal(&nested), since_4_19.then_some(Kind::Invalid));
    // Not the answer that others get who do without: this is looked at first.
    nested.hap = false;
    assert_eq!(refusal(&nested), Some(Kind::Invalid));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn views_of_memory_are_asked_for_at_creation_from_4_19_on() -> Outcome {
    let mut config = config(GuestKind::Hvm);
    config.altp2m = Some(Altp2mMode::External);
    let mode = Domain::of(&config).and_then(|dom| dom.xc.hvm_param(dom.id, HvmParam::ALTP2M));
    let since_4_19 = open()?.release() >= Release::new(4, 19);
    let expected = if since_4_19 { Ok(2) } else { Err(Kind::Unavailable) };
    assert_eq!(mode.map_err(|e| e.kind()), expected);
    Ok(())
}
