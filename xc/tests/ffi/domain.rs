//! The life, identity and time of domains.

use std::error::Error as _;

use xc::{CreateConfig, GuestKind, Kind, TscMode};
use xen_abi::{Call, layout};
use xen_types::{DomId, DomainUuid, ShutdownReason};

use crate::opened::{DOM, ESRCH, on_every_release, open, open_without};

const UUID: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

/// What the library of 4.`minor` reads of a domain to create.
fn field(call: &Call<'_>, minor: u16, name: &str) -> u64 {
    let layout = layout("struct xen_domctl_createdomain", minor).unwrap();
    layout.value(&call.read(2, layout.size), name)
}

fn config(kind: GuestKind) -> CreateConfig {
    CreateConfig::new(kind, DomainUuid::from_bytes(UUID), 3)
}

on_every_release! {
    fn a_domain_is_created_from_the_structure_of_the_release(stub, xc) {
        let minor = stub.minor();
        stub.on("xc_domain_create", move |call| {
            let fields = ["flags", "max_vcpus", "max_evtchn_port", "arch.emulation_flags"];
            assert_eq!(fields.map(|name| field(call, minor, name)), [1, 3, 1023, 1]);
            assert_eq!(field(call, minor, "max_grant_frames"), u64::from(u32::MAX));
            assert_eq!(field(call, minor, "arch.misc_flags"), 1);
            assert_eq!(field(call, minor, "vmtrace_size"), 0);
            assert_eq!(call.read(1, 4), 0x7ff5_u32.to_le_bytes());
            assert_eq!(call.read(2, 20)[4..], UUID);
            call.write(1, &7_u32.to_le_bytes());
            0
        });
        let mut config = config(GuestKind::Pvh);
        config.msr_relaxed = true;
        assert_eq!(xc.create_domain(&config).unwrap().raw(), 7);
        assert_eq!(stub.calls(), ["xc_physinfo(&)", "xc_domain_create(&, &)"]);
    }

    fn an_array_of_domains_has_the_stride_of_the_release(stub, xc) {
        let layout = layout("xc_domaininfo_t", stub.minor()).unwrap();
        stub.on("xc_domain_getinfolist", |call| {
            let entry = |id| layout.bytes(&[
                ("domain", id), ("cpupool", 100 + id), ("tot_pages", 1 << 40 | id),
                ("max_vcpu_id", u64::from(u32::MAX)), ("flags", 1 << 3),
            ]);
            call.write(3, &[entry(0), entry(5), entry(9)].concat());
            3
        });
        let listed = xc.domains().unwrap();
        let seen: Vec<_> = listed
            .iter()
            .map(|d| (d.id.raw(), d.cpupool, d.current_pages.get(), d.is_paused(), d.max_vcpu_id))
            .collect();
        assert_eq!(seen, [
            (0, 100, 1 << 40, true, None),
            (5, 105, 1 << 40 | 5, true, None),
            (9, 109, 1 << 40 | 9, true, None),
        ]);
        assert_eq!(stub.calls(), ["xc_domain_getinfolist(0, 1024, &)"]);
    }

    fn the_calls_that_take_numbers_alone_pass_them_on(stub, xc) {
        xc.pause(DOM).unwrap();
        xc.unpause(DOM).unwrap();
        xc.destroy_domain(DOM).unwrap();
        xc.shutdown(DOM, ShutdownReason::Crash).unwrap();
        xc.set_tsc_mode(DOM, TscMode::Native).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_pause(5)",
            "xc_domain_unpause(5)",
            "xc_domain_destroy(5)",
            "xc_domain_shutdown(5, 3)",
            "xc_domain_set_tsc_info(5, 2, 0, 0, 0)",
        ]);
    }

    fn a_uuid_arrives_byte_by_byte(stub, xc) {
        stub.on("xc_domain_sethandle", |call| {
            assert_eq!(call.read(2, 16), UUID);
            0
        });
        xc.set_handle(DOM, DomainUuid::from_bytes(UUID)).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_sethandle(5, &)"]);
    }

    fn an_errno_becomes_a_kind(stub, xc) {
        stub.on("xc_domain_pause", |call| call.fail(ESRCH));
        let error = xc.pause(DOM).unwrap_err();
        assert_eq!((error.kind(), error.domain()), (Kind::NotFound, Some(DOM)));
    }
}

#[test]
fn a_function_that_the_library_lacks_is_named_with_the_release_when_called() {
    let (_stub, xc) = open_without(17, &["xc_domain_unpause"]);
    let missing = xc.unpause(DomId::DOM0).unwrap_err();
    assert_eq!(missing.kind(), Kind::Unavailable);
    assert_eq!(missing.source().unwrap().to_string(), "Xen 4.17 has no xc_domain_unpause");
}

#[test]
fn a_second_pool_reaches_4_17_and_is_refused_before() {
    let mut config = config(GuestKind::Pv);
    config.cpupool = 1;
    let (stub, xc) = open(17);
    stub.on("xc_domain_create", |call| {
        assert_eq!(field(call, 17, "cpupool_id"), 1);
        call.write(1, &7_u32.to_le_bytes());
        0
    });
    assert_eq!(xc.create_domain(&config).unwrap().raw(), 7);
    let (stub, xc) = open(16);
    assert_eq!(xc.create_domain(&config).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(stub.calls(), ["xc_physinfo(&)"]);
}

#[test]
fn a_structure_that_has_grown_unnoticed_reads_zeroes() {
    let (stub, xc) = open(20);
    stub.on("xc_domain_create", |call| {
        assert_eq!(call.read(2, 3 * 68)[68..], [0; 2 * 68]);
        call.write(1, &7_u32.to_le_bytes());
        0
    });
    assert_eq!(xc.create_domain(&config(GuestKind::Pvh)).unwrap().raw(), 7);
}
