//! The security module FLASK.

use std::ffi::CStr;

use xc::{AvcHashStats, Enforcement, FlaskBool, Kind, Labelled, Pirq, Sid};
use xen_abi::Stub;
use xen_types::{Mfn, Sbdf};

use crate::opened::{DOM, ESRCH, on_every_release};

const DOM0: &CStr = c"system_u:system_r:dom0_t";
const DOMU: &CStr = c"system_u:system_r:domU_t";
const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;
const NO_CALLS: [&str; 0] = [];

/// Checks the argument that is a context or name, with the zero that ends it.
fn expect_text(stub: &Stub, name: &'static str, index: usize, text: &'static CStr) {
    stub.on(name, move |call| {
        assert_eq!(call.read(index, text.count_bytes() + 1), text.to_bytes_with_nul());
        0
    });
}

/// Answers with a decision that allows so much; a denial returns -EPERM, which is -1, without errno.
fn decide(stub: &Stub, allowed: u32, returned: i64) {
    stub.on("xc_flask_access", move |call| {
        let answers = [allowed, u32::MAX, 4, 8, 15];
        (5..10).zip(answers).for_each(|(at, answer)| call.write(at, &answer.to_le_bytes()));
        returned
    });
}

on_every_release! {
    fn a_policy_is_loaded_by_its_bytes(stub, xc) {
        stub.on("xc_flask_load", |call| {
            assert_eq!(call.read(1, 5), *b"\x8c\xff\0\0x");
            0
        });
        stub.on("xc_flask_policyvers", |_| 30);
        xc.load_flask_policy(b"\x8c\xff\0\0x").unwrap();
        assert_eq!(xc.flask_policy_version().unwrap(), 30);
        assert_eq!(stub.calls(), ["xc_flask_load(&, 5)", "xc_flask_policyvers()"]);
    }

    fn enforcement_is_read_and_set(stub, xc) {
        assert_eq!(xc.flask_enforcement().unwrap(), Enforcement::Permissive);
        stub.on("xc_flask_getenforce", |_| 1);
        assert_eq!(xc.flask_enforcement().unwrap(), Enforcement::Enforcing);
        xc.set_flask_enforcement(Enforcement::Permissive).unwrap();
        xc.set_flask_enforcement(Enforcement::Enforcing).unwrap();
        assert_eq!(stub.calls()[2..], ["xc_flask_setenforce(0)", "xc_flask_setenforce(1)"]);
    }

    fn a_context_goes_in_with_its_length_and_ended_by_a_zero(stub, xc) {
        stub.on("xc_flask_context_to_sid", |call| {
            assert_eq!(call.read(1, 25), *b"system_u:system_r:dom0_t\0");
            call.write(3, &0x8000_0001_u32.to_le_bytes());
            0
        });
        assert_eq!(xc.flask_sid(DOM0).unwrap(), Sid(0x8000_0001));
        assert_eq!(stub.calls(), ["xc_flask_context_to_sid(&, 24, &)"]);
    }

    fn a_context_comes_out_up_to_its_zero(stub, xc) {
        stub.on("xc_flask_sid_to_context", |call| {
            call.write(2, b"system_u:system_r:domU_t\0junk");
            0
        });
        assert_eq!(xc.flask_context(Sid(3)).unwrap().as_c_str(), DOMU);
        assert_eq!(stub.calls(), ["xc_flask_sid_to_context(3, &, 4096)"]);
    }

    fn a_context_that_fills_its_room_is_ended_behind_it(stub, xc) {
        stub.on("xc_flask_sid_to_context", |call| {
            call.write(2, &[b'x'; 4096]);
            0
        });
        assert_eq!(xc.flask_context(Sid(3)).unwrap().to_bytes(), [b'x'; 4096]);
    }

    fn a_domain_is_relabelled(stub, xc) {
        xc.relabel_domain(DOM, Sid(9)).unwrap();
        stub.on("xc_flask_relabel_domain", |call| call.fail(ESRCH));
        assert_eq!(xc.relabel_domain(DOM, Sid(9)).unwrap_err().to_string(), "domain 5: relabel as sid 9");
        assert_eq!(stub.calls()[0], "xc_flask_relabel_domain(5, 9)");
    }

    fn a_boolean_is_read_by_number(stub, xc) {
        stub.on("xc_flask_getbool_byid", |call| {
            call.write(2, b"prot_doms_locked");
            call.write(4, &0_i32.to_le_bytes());
            call.write(5, &1_i32.to_le_bytes());
            0
        });
        let name = c"prot_doms_locked".to_owned();
        assert_eq!(xc.flask_bool_at(7).unwrap(), FlaskBool { name, value: false, pending: true });
        assert_eq!(xc.flask_bool_at(u32::MAX).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(stub.calls(), ["xc_flask_getbool_byid(7, &, 4096, &, &)"]);
    }

    fn a_boolean_is_read_and_set_by_name(stub, xc) {
        stub.on("xc_flask_getbool_byname", |call| {
            assert_eq!(call.read(1, 4), *b"one\0");
            call.write(2, &1_i32.to_le_bytes());
            0
        });
        expect_text(stub, "xc_flask_setbool", 1, c"one");
        let read = xc.flask_bool(c"one").unwrap();
        assert_eq!(read, FlaskBool { name: c"one".to_owned(), value: true, pending: false });
        xc.set_flask_bool(c"one", true).unwrap();
        assert_eq!(stub.calls(), ["xc_flask_getbool_byname(&, &, &)", "xc_flask_setbool(&, 1, 1)"]);
        stub.on("xc_flask_setbool", |call| call.fail(ENOENT));
        let error = xc.set_flask_bool(c"two", false).unwrap_err();
        assert_eq!(error.to_string(), r#"set FLASK boolean "two" to false"#);
        assert_eq!(error.kind(), Kind::NotFound);
    }

    fn an_allowed_access_is_an_answer(stub, xc) {
        decide(stub, 0b111, 0);
        let vector = xc.flask_access(DOM0, DOMU, 0xfffe, 0b011).unwrap();
        assert!(vector.is_allowed());
        assert_eq!((vector.allowed, vector.sequence), (0b111, 15));
        assert_eq!((vector.audit_allowed, vector.audit_denied), (4, 8));
        assert_eq!(stub.calls(), ["xc_flask_access(&, &, 65534, 3, &, &, &, &, &)"]);
    }

    fn a_denied_access_is_an_answer_too(stub, xc) {
        decide(stub, 0b001, -1);
        let vector = xc.flask_access(DOM0, DOMU, 2, 0b011).unwrap();
        assert!(!vector.is_allowed());
        assert_eq!(vector.allowed, 0b001);
    }

    fn a_question_that_may_not_be_asked_is_no_answer(stub, xc) {
        stub.on("xc_flask_access", |call| call.fail(EPERM));
        let error = xc.flask_access(DOM0, DOMU, 2, 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
    }

    fn resources_are_labelled(stub, xc) {
        let device = Sbdf::new(1, 2, 3, 4).unwrap();
        expect_text(stub, "xc_flask_add_pirq", 2, DOMU);
        expect_text(stub, "xc_flask_add_ioport", 3, DOMU);
        expect_text(stub, "xc_flask_add_iomem", 3, DOMU);
        expect_text(stub, "xc_flask_add_device", 2, DOMU);
        xc.add_flask_label(&Labelled::Pirq(Pirq(16)), DOMU).unwrap();
        xc.add_flask_label(&Labelled::IoPorts(0x3f8..=0x3ff), DOMU).unwrap();
        xc.add_flask_label(&Labelled::IoMemory(Mfn(1 << 32)..=Mfn(2 << 32)), DOMU).unwrap();
        xc.add_flask_label(&Labelled::Device(device), DOMU).unwrap();
        assert_eq!(stub.calls(), [
            "xc_flask_add_pirq(16, &)",
            "xc_flask_add_ioport(1016, 1023, &)",
            "xc_flask_add_iomem(4294967296, 8589934592, &)",
            "xc_flask_add_device(66076, &)",
        ]);
    }

    fn labels_are_taken(stub, xc) {
        let device = Sbdf::new(1, 2, 3, 4).unwrap();
        xc.remove_flask_label(&Labelled::Pirq(Pirq(16))).unwrap();
        xc.remove_flask_label(&Labelled::IoPorts(0x3f8..=0x3ff)).unwrap();
        xc.remove_flask_label(&Labelled::IoMemory(Mfn(1 << 32)..=Mfn(2 << 32))).unwrap();
        xc.remove_flask_label(&Labelled::Device(device)).unwrap();
        assert_eq!(stub.calls(), [
            "xc_flask_del_pirq(16)",
            "xc_flask_del_ioport(1016, 1023)",
            "xc_flask_del_iomem(4294967296, 8589934592)",
            "xc_flask_del_device(66076)",
        ]);
    }

    fn the_caches_state_is_read_from_text(stub, xc) {
        stub.on("xc_flask_avc_hashstats", |call| {
            call.write(1, b"entries: 5\nbuckets used: 4/512\nlongest chain: 2\n\0");
            0
        });
        stub.on("xc_flask_avc_cachestats", |call| {
            call.write(1, b"lookups hits misses allocations reclaims frees\n6 5 1 1 0 0\n\0");
            0
        });
        let expected = AvcHashStats { entries: 5, buckets_used: 4, buckets: 512, longest_chain: 2 };
        assert_eq!(xc.avc_hash_stats().unwrap(), expected);
        assert_eq!(xc.avc_cpu_stats().unwrap()[0].hits, 5);
        assert_eq!(stub.calls(), ["xc_flask_avc_hashstats(&, 256)", "xc_flask_avc_cachestats(&, 270336)"]);
    }

    fn the_caches_threshold_is_read_and_set(stub, xc) {
        stub.on("xc_flask_getavc_threshold", |_| 512);
        assert_eq!(xc.avc_threshold().unwrap(), 512);
        xc.set_avc_threshold(1024).unwrap();
        assert_eq!(stub.calls(), ["xc_flask_getavc_threshold()", "xc_flask_setavc_threshold(1024)"]);
        assert_eq!(xc.set_avc_threshold(1 << 31).unwrap_err().kind(), Kind::Invalid);
        assert_eq!(stub.calls(), NO_CALLS);
    }

    fn a_xen_without_flask_lacks_something(stub, xc) {
        stub.on("xc_flask_getenforce", |call| call.fail(ENOSYS));
        assert_eq!(xc.flask_enforcement().unwrap_err().kind(), Kind::Unavailable);
    }
}
