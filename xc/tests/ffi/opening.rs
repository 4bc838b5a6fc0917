//! Which libraries are taken for which hypervisor, and which are refused.

use std::error::Error as _;

use xc::{Kind, Release};
use xen_abi::Stub;

use crate::opened::{options, scratch};

fn refusal(stub: &Stub, minor: u16) -> String {
    let error = options(stub, minor).open().unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    error.source().unwrap().to_string()
}

#[test]
fn a_library_with_older_layouts_under_a_newer_name_is_refused() {
    let cause = refusal(&Stub::named(scratch(), 15, 17, &[]), 17);
    assert!(cause.ends_with("xc_domaininfo_t has 104 bytes there and 112 in the layouts assumed"));
}

#[test]
fn a_library_with_newer_layouts_under_an_older_name_is_refused() {
    let cause = refusal(&Stub::named(scratch(), 17, 16, &[]), 16);
    assert!(cause.ends_with("xc_physinfo_t has 112 bytes there and 104 in the layouts assumed"));
}

#[test]
fn a_hypervisor_of_another_release_is_refused_with_both_named() {
    let stub = Stub::new(scratch(), 17);
    stub.on("xc_version", |_| 4 << 16 | 18);
    assert_eq!(refusal(&stub, 17), "the library belongs to Xen 4.17, the hypervisor is Xen 4.18");
}

#[test]
fn an_unknown_release_is_opened_only_on_request() {
    let stub = Stub::named(scratch(), 22, 30, &[]);
    assert_eq!(refusal(&stub, 30), "Xen 4.30 is not known here (known: 4.15 to 4.22)");
    // SAFETY: the calls must be those of the newest known release: the library has them.
    let allowed = unsafe { options(&stub, 30).allow_unknown_release(true) };
    assert_eq!(allowed.open().unwrap().release(), Release::new(4, 30));
}
