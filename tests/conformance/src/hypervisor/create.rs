//! What a domain can be created with.

use xc::{Altp2mMode, CreateConfig, DomainFlags, GuestKind, HvmParam, Kind};
use xen_types::{DomId, KiB, Port};

use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        xen_emulates_what_libxl_would_have_it_emulate,
        flags_at_creation_are_seen_in_the_domain,
        grant_tables_are_of_the_versions_that_xen_has,
        a_domain_has_no_port_above_its_highest,
        what_only_a_guest_notices_is_accepted,
        what_this_host_does_not_have_is_refused,
        a_guest_that_runs_guests_needs_hap_and_from_4_19_on_more_than_qemu_has,
        views_of_memory_are_asked_for_at_creation_from_4_19_on,
    ]
    .into()
}

fn xen_emulates_what_libxl_would_have_it_emulate(ctx: &Ctx) -> Outcome {
    let of = |config: &CreateConfig| -> xc::Result<u32> {
        let dom = ctx.domain(config)?;
        Ok(dom.xc.info(dom.id)?.emulation_flags)
    };
    assert_eq!(of(&ctx.config(GuestKind::Pv))?, 0);
    assert_eq!(of(&ctx.config(GuestKind::Pvh))?, 1);
    let pirqs_by_default = !ctx.since(4, 19);
    assert_eq!(of(&ctx.config(GuestKind::Hvm))?, if pirqs_by_default { 0x3ff } else { 0x1ff });
    let mut pirqs = ctx.config(GuestKind::Hvm);
    pirqs.pirqs = Some(true);
    assert_eq!(of(&pirqs)?, 0x3ff);
    Ok(())
}

fn flags_at_creation_are_seen_in_the_domain(ctx: &Ctx) -> Outcome {
    const HARDWARE: DomainFlags = DomainFlags::HVM.union(DomainFlags::HAP);
    let flags = |config: &CreateConfig| -> xc::Result<DomainFlags> {
        let dom = ctx.domain(config)?;
        Ok(dom.xc.info(dom.id)?.flags & (DomainFlags::XENSTORE | HARDWARE))
    };
    let mut store = ctx.config(GuestKind::Pvh);
    assert_eq!(flags(&store)?, HARDWARE);
    store.xenstore = true;
    assert_eq!(flags(&store)?, HARDWARE | DomainFlags::XENSTORE);
    assert_eq!(flags(&ctx.config(GuestKind::Pv))?, DomainFlags::empty());
    Ok(())
}

fn grant_tables_are_of_the_versions_that_xen_has(ctx: &Ctx) -> Outcome {
    let of = |version| {
        let mut config = ctx.config(GuestKind::Pvh);
        config.grant_version = Some(version);
        ctx.domain(&config).map(drop).map_err(|e| e.kind())
    };
    assert_eq!([of(0), of(1)], [Err(Kind::Invalid), Ok(())]);
    assert_eq!([of(2), of(3)], [Ok(()), Err(Kind::Invalid)]);
    Ok(())
}

fn a_domain_has_no_port_above_its_highest(ctx: &Ctx) -> Outcome {
    let mut config = ctx.config(GuestKind::Pv);
    config.max_evtchn_port = 3;
    let dom = ctx.domain(&config)?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    let port = || dom.xc.alloc_unbound_port(dom.id, DomId::DOM0).map_err(|e| e.kind());
    assert_eq!([port(), port(), port()], [Ok(Port(1)), Ok(Port(2)), Ok(Port(3))]);
    assert_eq!(port(), Err(Kind::NoMemory));
    Ok(())
}

fn what_only_a_guest_notices_is_accepted(ctx: &Ctx) -> Outcome {
    let mut config = ctx.config(GuestKind::Hvm);
    config.oos = false;
    config.msr_relaxed = true;
    ctx.domain(&config)?;
    Ok(())
}

fn what_this_host_does_not_have_is_refused(ctx: &Ctx) -> Outcome {
    let refusal = |config: &CreateConfig| ctx.domain(config).err().map(|e| e.kind());
    let mut iommu = ctx.config(GuestKind::Pvh);
    iommu.iommu = true;
    assert_eq!(refusal(&iommu), Some(Kind::Invalid));
    iommu.iommu_share_tables = false;
    assert_eq!(refusal(&iommu), Some(Kind::Invalid));
    let mut traced = ctx.config(GuestKind::Pvh);
    traced.vmtrace = KiB(64).to_bytes();
    assert_eq!(refusal(&traced), Some(Kind::Invalid));
    let mut counters = ctx.config(GuestKind::Pvh);
    counters.vpmu = true;
    assert_eq!(refusal(&counters), Some(Kind::Invalid));
    // Debian builds Xen without shadow paging.
    let mut shadow = ctx.config(GuestKind::Pvh);
    shadow.hap = false;
    assert_eq!(refusal(&shadow), Some(Kind::Unavailable));
    Ok(())
}

fn a_guest_that_runs_guests_needs_hap_and_from_4_19_on_more_than_qemu_has(ctx: &Ctx) -> Outcome {
    let refusal = |config: &CreateConfig| ctx.domain(config).err().map(|e| e.kind());
    let mut nested = ctx.config(GuestKind::Hvm);
    nested.nested_virt = true;
    let since_4_19 = ctx.since(4, 19);
    assert_eq!(refusal(&nested), since_4_19.then_some(Kind::Invalid));
    // Not the answer that others get who do without: this is looked at first.
    nested.hap = false;
    assert_eq!(refusal(&nested), Some(Kind::Invalid));
    Ok(())
}

fn views_of_memory_are_asked_for_at_creation_from_4_19_on(ctx: &Ctx) -> Outcome {
    let mut config = ctx.config(GuestKind::Hvm);
    config.altp2m = Some(Altp2mMode::External);
    let mode = ctx.domain(&config).and_then(|dom| dom.xc.hvm_param(dom.id, HvmParam::ALTP2M));
    let since_4_19 = ctx.since(4, 19);
    let expected = if since_4_19 { Ok(2) } else { Err(Kind::Unavailable) };
    assert_eq!(mode.map_err(|e| e.kind()), expected);
    Ok(())
}
