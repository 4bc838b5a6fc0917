//! What a domain can be created with.

use xc::{Altp2mMode, CreateConfig, DomainFlags, GuestKind, HvmParam, Kind, Release};
use xen_types::KiB;

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
    let mut config = config(GuestKind::Pvh);
    config.oos = false;
    config.xenstore = true;
    config.msr_relaxed = true;
    config.max_grant_frames = Some(16);
    config.grant_version = Some(1);
    let dom = Domain::of(&config)?;
    let flags = dom.xc.info(dom.id)?.flags;
    let expected = DomainFlags::XENSTORE | DomainFlags::HVM | DomainFlags::HAP;
    assert!(flags.contains(expected), "{flags:?}");
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
fn views_of_memory_are_asked_for_at_creation_from_4_19_on() -> Outcome {
    let mut config = config(GuestKind::Hvm);
    config.altp2m = Some(Altp2mMode::External);
    let mode = Domain::of(&config).and_then(|dom| dom.xc.hvm_param(dom.id, HvmParam::ALTP2M));
    let since_4_19 = open()?.release() >= Release::new(4, 19);
    let expected = if since_4_19 { Ok(2) } else { Err(Kind::Unavailable) };
    assert_eq!(mode.map_err(|e| e.kind()), expected);
    Ok(())
}
