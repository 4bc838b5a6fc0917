//! CPU policies and featuresets.

use std::error::Error as _;

use xen_abi::{Stub, layout};
use xg::backend::CallError;
use xg::{
    Compatibility, CpuidLeaf, Error, FeatureMask, FeatureSet, Kind, Msr, PolicyEntry, SystemPolicy,
};

use crate::opened::{DOM, on_releases, open};

const LEAF: CpuidLeaf =
    CpuidLeaf { leaf: 7, subleaf: Some(1), eax: 2, ebx: 3, ecx: 4, edx: 0xffff_fff5 };
const WHOLE: CpuidLeaf = CpuidLeaf { leaf: 0x8000_0008, subleaf: None, ..LEAF };
const MSR: Msr = Msr { index: 0x10a, value: 0x8000_0000_0000_0e6b };
const EINVAL: i32 = 22;
const ESRCH: i32 = 3;
const ENOBUFS: i32 = 105;

/// A leaf as C has it; a subleaf of all ones is none.
fn raw_leaf(leaf: u64, subleaf: u64) -> Vec<u8> {
    let fields = [("leaf", leaf), ("subleaf", subleaf), ("a", 2), ("b", 3), ("c", 4)];
    let fields = [&fields[..], &[("d", 0xffff_fff5)]].concat();
    layout("xen_cpuid_leaf_t", 17).unwrap().bytes(&fields)
}

fn raw_leaves() -> Vec<u8> {
    [raw_leaf(7, 1), raw_leaf(0x8000_0008, 0xffff_ffff)].concat()
}

fn raw_msr() -> Vec<u8> {
    let fields = [("idx", 0x10a), ("val", 0x8000_0000_0000_0e6b)];
    layout("xen_msr_entry_t", 17).unwrap().bytes(&fields)
}

/// Policies are at 0x2000, then 0x2010 ..., and have two leaves and one MSR of at most four and two.
fn answer(stub: &Stub) {
    let next = std::sync::atomic::AtomicI64::new(0x2000);
    stub.on("xc_cpu_policy_init", move |_| {
        next.fetch_add(16, std::sync::atomic::Ordering::Relaxed)
    });
    stub.on("xc_cpu_policy_get_size", |call| {
        call.write(1, &4_u32.to_le_bytes());
        call.write(2, &2_u32.to_le_bytes());
        0
    });
    stub.on("xc_cpu_policy_serialise", |call| {
        assert_eq!((call.read(3, 4), call.read(5, 4)), (vec![4, 0, 0, 0], vec![2, 0, 0, 0]));
        call.write(2, &raw_leaves());
        call.write(3, &2_u32.to_le_bytes());
        call.write(4, &raw_msr());
        call.write(5, &1_u32.to_le_bytes());
        0
    });
}

on_releases! {
    [xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21, xen_4_22: 22]

    fn a_policy_is_read_listed_and_destroyed(opened) {
        answer(&opened.stub);
        let policy = opened.xg.system_cpu_policy(SystemPolicy::HvmDefault).unwrap();
        assert_eq!(policy.entries().unwrap(), (vec![LEAF, WHOLE], vec![MSR]));
        drop(policy);
        assert_eq!(opened.calls(), [
            "xc_cpu_policy_init()",
            "xc_cpu_policy_get_system(5, &)",
            "xc_cpu_policy_get_size(&, &)",
            "xc_cpu_policy_serialise(&, &, &, &, &)",
            "xc_cpu_policy_destroy(&)",
        ]);
    }

    fn a_policy_that_cannot_be_read_is_destroyed(opened) {
        answer(&opened.stub);
        opened.stub.on("xc_cpu_policy_get_domain", |call| call.fail(ESRCH));
        let error = opened.xg.cpu_policy(DOM).unwrap_err();
        assert_eq!(error.to_string(), "domain 5: read the CPU policy");
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(opened.calls(), [
            "xc_cpu_policy_init()",
            "xc_cpu_policy_get_domain(5, &)",
            "xc_cpu_policy_destroy(&)",
        ]);
    }

    fn a_policy_is_changed_and_given_to_a_domain(opened) {
        answer(&opened.stub);
        let mut policy = opened.xg.cpu_policy(DOM).unwrap();
        opened.calls();
        opened.stub.on("xc_cpu_policy_update_cpuid", |call| {
            assert_eq!(call.read(2, 48), raw_leaves());
            0
        });
        opened.stub.on("xc_cpu_policy_update_msrs", |call| {
            assert_eq!(call.read(2, 16), raw_msr());
            0
        });
        policy.update_leaves(&[LEAF, WHOLE]).unwrap();
        policy.update_msrs(&[MSR]).unwrap();
        opened.xg.set_cpu_policy(DOM, &mut policy).unwrap();
        assert_eq!(opened.calls(), [
            "xc_cpu_policy_update_cpuid(&, &, 2)",
            "xc_cpu_policy_update_msrs(&, &, 1)",
            "xc_cpu_policy_set_domain(5, &)",
        ]);
        opened.stub.on("xc_cpu_policy_set_domain", |call| call.fail(EINVAL));
        let error = opened.xg.set_cpu_policy(DOM, &mut policy).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (Kind::Invalid, "domain 5: set the CPU policy".to_owned()));
    }

    fn policies_are_compared_with_the_host_first(opened) {
        answer(&opened.stub);
        let host = opened.xg.system_cpu_policy(SystemPolicy::HvmMax).unwrap();
        let guest = opened.xg.cpu_policy(DOM).unwrap();
        opened.stub.on("xc_cpu_policy_is_compatible", |call| {
            assert_eq!((call.number(1), call.number(2)), (0x2000, 0x2010));
            1
        });
        assert_eq!(host.compatibility(&guest).unwrap(), Compatibility::Compatible);
        opened.stub.on("xc_cpu_policy_is_compatible", |_| 0);
        let reasons = Vec::new();
        assert_eq!(host.compatibility(&guest).unwrap(), Compatibility::Incompatible { reasons });
    }
}

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21,
     xen_4_22: 22]

    fn a_domains_policy_is_changed_by_entries(opened) {
        opened.stub.on("xc_set_domain_cpu_policy", |call| {
            assert_eq!((call.read(3, 48), call.read(5, 16)), (raw_leaves(), raw_msr()));
            0
        });
        opened.xg.update_cpu_policy(DOM, &[LEAF, WHOLE], &[MSR]).unwrap();
        assert_eq!(opened.calls(), ["xc_set_domain_cpu_policy(5, 2, &, 1, &, &, &, &)"]);
    }

    fn the_entry_at_fault_is_named(opened) {
        let refuse = |leaf: u32, subleaf: u32, msr: u32| {
            opened.stub.on("xc_set_domain_cpu_policy", move |call| {
                call.write(6, &leaf.to_le_bytes());
                call.write(7, &subleaf.to_le_bytes());
                call.write(8, &msr.to_le_bytes());
                call.fail(EINVAL)
            });
            let error = opened.xg.update_cpu_policy(DOM, &[LEAF], &[MSR]).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid);
            let Error::Operation { source, .. } = &error else { panic!("{error:?}") };
            let CallError::At { entry, .. } = source else { panic!("{source:?}") };
            (*entry, source.to_string())
        };
        let cause = |entry: &str| format!("{entry}: Invalid argument (os error 22)");
        let leaf = PolicyEntry::Leaf { leaf: 7, subleaf: Some(1) };
        assert_eq!(refuse(7, 1, u32::MAX), (leaf, cause("CPUID leaf 0x7, subleaf 0x1")));
        let whole = PolicyEntry::Leaf { leaf: 0x8000_0008, subleaf: None };
        assert_eq!(refuse(0x8000_0008, u32::MAX, u32::MAX), (whole, cause("CPUID leaf 0x80000008")));
        assert_eq!(refuse(u32::MAX, u32::MAX, 0x10a), (PolicyEntry::Msr(0x10a), cause("MSR 0x10a")));
    }

    fn a_refusal_that_blames_no_entry_is_plain(opened) {
        opened.stub.on("xc_set_domain_cpu_policy", |call| call.fail(ESRCH));
        let error = opened.xg.update_cpu_policy(DOM, &[], &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(error.to_string(), "domain 5: change 0 leaves and 0 MSRs of the CPU policy");
        assert_eq!(error.source().unwrap().to_string(), "No such process (os error 3)");
    }

    fn features_are_as_many_words_as_xen_has(opened) {
        opened.stub.on("xc_get_cpu_featureset_size", |_| 13);
        opened.stub.on("xc_get_cpu_featureset", |call| {
            assert_eq!(call.read(2, 4), 29_u32.to_le_bytes());
            call.write(2, &2_u32.to_le_bytes());
            call.write(3, &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
            0
        });
        assert_eq!(opened.xg.cpu_features(FeatureSet::HvmMax).unwrap(), [1, u32::MAX]);
        assert_eq!(opened.calls(), ["xc_get_cpu_featureset_size()", "xc_get_cpu_featureset(5, &, &)"]);
        opened.stub.on("xc_get_cpu_featureset", |call| call.fail(ENOBUFS));
        let error = opened.xg.cpu_features(FeatureSet::Raw).unwrap_err();
        assert_eq!(error.to_string(), "read the featureset Raw");
    }

    fn the_librarys_own_features_are_copied(opened) {
        static WORDS: [u32; 3] = [7, 8, 9];
        opened.stub.on("xc_get_cpu_featureset_size", |_| 3);
        opened.stub.on("xc_get_static_cpu_featuremask", |call| match call.number(0) {
            6 => WORDS.as_ptr().addr().cast_signed() as i64,
            _ => 0,
        });
        let known = |mask| opened.xg.known_cpu_features(mask).unwrap();
        assert_eq!(known(FeatureMask::HvmHapMax), Some(vec![7, 8, 9]));
        assert_eq!(known(FeatureMask::HvmHapDefault), None);
    }
}

#[test]
fn a_whole_policy_is_not_to_be_had_from_4_15() {
    let opened = open(15);
    let error = opened.xg.system_cpu_policy(SystemPolicy::Host).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.source().unwrap().to_string(), "Xen 4.15 has no xc_cpu_policy_init");
    assert_eq!(opened.xg.cpu_policy(DOM).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(opened.calls(), Vec::<String>::new());
}

#[test]
fn policies_of_two_libraries_are_not_compared() {
    let (one, other) = (open(17), open(20));
    answer(&one.stub);
    answer(&other.stub);
    let host = one.xg.system_cpu_policy(SystemPolicy::Host).unwrap();
    let guest = other.xg.system_cpu_policy(SystemPolicy::Host).unwrap();
    let error = host.compatibility(&guest).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(!one.calls().contains(&"xc_cpu_policy_is_compatible(&, &)".to_owned()));
}

#[test]
fn a_policy_may_go_to_another_thread() {
    let opened = open(17);
    answer(&opened.stub);
    let policy = opened.xg.cpu_policy(DOM).unwrap();
    let listed = std::thread::spawn(move || policy.entries().unwrap().1);
    assert_eq!(listed.join().unwrap(), [MSR]);
}
