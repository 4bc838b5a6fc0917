use super::*;
use crate::backend::fake::Fake;
use crate::backend::{DomainInfo, PhysInfo};

fn refusal(fake: &Fake) -> String {
    check_answers(fake).unwrap_err().to_string()
}

fn domain(domain: u16) -> DomainInfo {
    DomainInfo { domain, ..Default::default() }
}

#[test]
fn a_sane_host_is_accepted() {
    assert!(check_answers(&Fake::default()).is_ok());
}

#[test]
fn a_library_of_another_release_is_refused_with_both_named() {
    let fake = Fake { version: 0x0004_0014, ..Fake::default() };
    assert_eq!(refusal(&fake), "the library belongs to Xen 4.17, the hypervisor is Xen 4.20");
}

#[test]
fn a_list_without_domain_0_at_its_head_is_refused() {
    let shifted = Fake::with_domains(vec![domain(0), domain(0)]);
    assert!(refusal(&shifted).contains("does not start with domain 0"));
    let headless = Fake::with_domains(vec![domain(1)]);
    assert!(refusal(&headless).contains("does not start with domain 0"));
}

#[test]
fn physinfo_read_with_the_older_layout_is_refused() {
    // 4.17 put eight zero bytes before the page counts: every count moves up by one.
    let host = PhysInfo { nr_cpus: 2, total_pages: 0, free_pages: 786_000, ..Default::default() };
    assert!(refusal(&Fake { host, ..Fake::default() }).contains("impossible processors or memory"));
}

#[test]
fn physinfo_read_with_the_newer_layout_is_refused() {
    // The two feature words after max_mfn are taken for it.
    let host = PhysInfo {
        nr_cpus: 2,
        total_pages: 400_000,
        max_mfn: 0x178b_fbff_f7fa_3223,
        ..Default::default()
    };
    assert!(refusal(&Fake { host, ..Fake::default() }).contains("impossible processors or memory"));
}
