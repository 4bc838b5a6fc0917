use std::sync::Arc;

use super::*;
use crate::backend::fake::Fake;

const HOST: Capabilities = Capabilities::all();

fn config(kind: GuestKind) -> CreateConfig {
    CreateConfig::new(kind, DomainUuid::from_bytes([0x5a; 16]), 3)
}

#[test]
fn a_pv_domain_never_asks_for_hardware_features() {
    let config = CreateConfig { nested_virt: true, ..config(GuestKind::Pv) };
    let raw = config.to_raw(HOST, Release::new(4, 17));
    assert_eq!((raw.flags, raw.arch.emulation_flags), (0, 0));
    assert_eq!((raw.handle, raw.max_vcpus), ([0x5a; 16], 3));
}

#[test]
fn a_pvh_domain_has_a_local_apic_and_nothing_else_emulated() {
    let raw = config(GuestKind::Pvh).to_raw(HOST, Release::new(4, 20));
    assert_eq!(raw.flags, XEN_DOMCTL_CDF_HVM | XEN_DOMCTL_CDF_HAP);
    assert_eq!(raw.arch.emulation_flags, XEN_X86_EMU_LAPIC);
}

#[test]
fn hap_is_used_only_where_the_host_has_it() {
    let raw = config(GuestKind::Pvh).to_raw(Capabilities::HVM, Release::new(4, 20));
    assert_eq!(raw.flags, XEN_DOMCTL_CDF_HVM);
}

#[test]
fn hvm_loses_emulated_pirqs_with_4_19() {
    let of = |minor| config(GuestKind::Hvm).to_raw(HOST, Release::new(4, minor)).arch;
    assert_eq!(of(18).emulation_flags, 0x3ff);
    assert_eq!(of(19).emulation_flags, 0x1ff);
}

#[test]
fn pirqs_can_be_asked_for_or_declined() {
    let of = |pirqs, minor| {
        let config = CreateConfig { pirqs: Some(pirqs), ..config(GuestKind::Hvm) };
        config.to_raw(HOST, Release::new(4, minor)).arch.emulation_flags
    };
    assert_eq!((of(false, 18), of(true, 19)), (0x1ff, 0x3ff));
}

#[test]
fn an_iommu_has_options_only_if_there_is_one() {
    let of = |iommu, iommu_share_tables| {
        let config = CreateConfig { iommu, iommu_share_tables, ..config(GuestKind::Pv) };
        let raw = config.to_raw(HOST, Release::new(4, 17));
        (raw.flags, raw.iommu_opts)
    };
    assert_eq!([of(false, false), of(true, false), of(true, true)], [(0, 0), (32, 1), (32, 0)]);
}

#[test]
fn views_of_memory_are_counted_from_4_21_on_if_there_are_any() {
    let of = |altp2m, altp2m_views, minor| {
        let config = CreateConfig { altp2m, altp2m_views, ..config(GuestKind::Hvm) };
        let raw = config.to_raw(HOST, Release::new(4, minor));
        (raw.altp2m_opts, raw.altp2m_nr)
    };
    assert_eq!(of(None, None, 21), (0, 0));
    assert_eq!(of(Some(Altp2mMode::External), None, 20), (2, 0));
    assert_eq!(of(Some(Altp2mMode::External), None, 21), (2, 10));
    assert_eq!(of(Some(Altp2mMode::Limited), Some(3), 22), (3, 3));
}

#[test]
fn a_trace_buffer_too_large_for_the_field_is_not_cut_to_a_small_one() {
    let config = CreateConfig { vmtrace: Bytes(1 << 32), ..config(GuestKind::Hvm) };
    assert_eq!(config.to_raw(HOST, Release::new(4, 17)).vmtrace_size, u32::MAX);
}

#[test]
fn unset_table_sizes_are_left_to_the_host_and_the_grant_version_is_never_zero() {
    let raw = config(GuestKind::Pv).to_raw(Capabilities::empty(), Release::new(4, 16));
    assert_eq!((raw.max_grant_frames, raw.max_maptrack_frames), (-1, -1));
    assert_eq!(raw.grant_opts, 1);
}

#[test]
fn a_domain_with_an_id_that_cannot_be_is_named_in_the_error() {
    let xc = Xc::with_backend(Arc::new(Fake { created: 0x7ff0, ..Fake::default() }));
    let error = xc.create_domain(&config(GuestKind::Pv)).unwrap_err();
    assert!(error.to_string().ends_with("left behind with id 32752"), "{error}");
}

#[test]
fn the_id_is_always_left_to_xen() {
    let fake = Arc::new(Fake { created: 9, ..Fake::default() });
    let xc = Xc::with_backend(fake.clone());
    let dom = xc.create_domain(&config(GuestKind::Pv)).unwrap();
    assert_eq!((dom.raw(), fake.calls()), (9, vec!["domain_create 0x7ff5 0x0".to_owned()]));
}
