use std::sync::Arc;

use xen_types::DomainUuid;

use super::*;
use crate::Kind;
use crate::backend::fake::Fake;

fn id(raw: u16) -> DomId {
    DomId::new(raw).unwrap()
}

fn domains(ids: impl IntoIterator<Item = u16>) -> Xc {
    let raw = |domain| backend::DomainInfo { domain, ..Default::default() };
    Xc::with_backend(Arc::new(Fake::with_domains(ids.into_iter().map(raw).collect())))
}

#[test]
fn a_list_longer_than_a_batch_is_read_to_its_end() {
    let listed = domains(0..2500).domains().unwrap();
    assert_eq!(listed.len(), 2500);
    assert_eq!(listed.last().map(|d| d.id), Some(id(2499)));
}

#[test]
fn a_list_of_exactly_its_batches_is_not_repeated() {
    assert_eq!(domains(0..32).domains().unwrap().len(), 32);
    assert_eq!(domains(0..32 + 1024).domains().unwrap().len(), 32 + 1024);
}

#[test]
fn an_absent_domain_is_not_found_although_the_next_one_is_answered() {
    let error = domains([0, 5]).info(id(3)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(error.to_string(), "domain 3: read its state");
}

#[test]
fn a_domain_that_shut_down_tells_the_reason_and_a_living_one_none() {
    let raw = backend::DomainInfo {
        flags: XEN_DOMINF_SHUTDOWN | XEN_DOMINF_PAUSED | 3 << XEN_DOMINF_SHUTDOWN_SHIFT,
        handle: [7; 16],
        max_vcpu_id: u32::MAX,
        ..Default::default()
    };
    let info = DomainInfo::from_raw(&raw).unwrap();
    assert!(info.is_crashed() && info.is_paused() && !info.is_dying());
    assert_eq!((info.uuid, info.max_vcpu_id), (DomainUuid::from_bytes([7; 16]), None));
    let alive = DomainInfo::from_raw(&backend::DomainInfo::default()).unwrap();
    assert_eq!(alive.shutdown, None);
}

#[test]
fn flags_keep_what_is_not_known_here_and_not_the_reason() {
    let reason = 0xff << XEN_DOMINF_SHUTDOWN_SHIFT;
    let raw =
        backend::DomainInfo { flags: 1 << 15 | XEN_DOMINF_HAP | reason, ..Default::default() };
    assert_eq!(DomainInfo::from_raw(&raw).unwrap().flags.bits(), 0x8100);
}

#[test]
fn a_reserved_id_in_the_list_is_not_taken_for_a_domain() {
    let error = domains([0, 0x7FF5]).domains().unwrap_err();
    assert_eq!(error.kind(), Kind::Other);
}

#[test]
fn ids_that_do_not_ascend_are_not_believed() {
    let error = domains([0, 5, 5]).domains().unwrap_err();
    assert_eq!(error.kind(), Kind::Other);
}
