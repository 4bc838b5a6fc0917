//! Going on after a suspension.

use xg::Kind;

use crate::opened::{DOM, on_releases};

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21,
     xen_4_22: 22]

    fn a_domain_is_resumed_by_the_library_that_has_the_call(opened) {
        opened.xg.resume(DOM).unwrap();
        assert_eq!(opened.calls(), ["xc_domain_resume(5, 1)"]);
    }

    fn a_domain_that_is_not_suspended_is_refused(opened) {
        opened.stub.on("xc_domain_resume", |call| call.fail(22));
        let error = opened.xg.resume(DOM).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Invalid, "domain 5: resume"));
    }
}
