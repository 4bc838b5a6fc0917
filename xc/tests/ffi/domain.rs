//! The life, identity and time of domains.

use std::error::Error as _;

use xc::{Kind, Trigger};
use xen_abi::layout;
use xen_types::{DomId, DomainUuid, Port, ShutdownReason};

use crate::opened::{DOM, ESRCH, on_every_release, open_without};

const EAGAIN: i32 = 11;
const EOPNOTSUPP: i32 = 95;
const UUID: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

on_every_release! {
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
        assert_eq!(stub.calls(), ["xc_domain_getinfolist(0, 32, &)"]);
    }

    fn more_domains_than_a_batch_are_read_to_the_end_with_one_call_per_1024(stub, xc) {
        let layout = layout("xc_domaininfo_t", stub.minor()).unwrap();
        stub.on("xc_domain_getinfolist", |call| {
            let ids = call.number(1)..2500.min(call.number(1) + call.number(2));
            let entries: Vec<_> = ids.map(|id| layout.bytes(&[("domain", id)])).collect();
            call.write(3, &entries.concat());
            entries.len() as i64
        });
        let listed = xc.domains().unwrap();
        assert_eq!(listed.len(), 2500);
        assert!(listed.iter().map(|d| u32::from(d.id)).eq(0..2500));
        assert_eq!(stub.calls(), [
            "xc_domain_getinfolist(0, 32, &)",
            "xc_domain_getinfolist(32, 1024, &)",
            "xc_domain_getinfolist(1056, 1024, &)",
            "xc_domain_getinfolist(2080, 1024, &)",
        ]);
    }

    fn a_batch_that_comes_again_ends_the_listing(stub, xc) {
        let layout = layout("xc_domaininfo_t", stub.minor()).unwrap();
        stub.on("xc_domain_getinfolist", |call| {
            let entries: Vec<_> = (0..32).map(|id| layout.bytes(&[("domain", id)])).collect();
            call.write(3, &entries.concat());
            32
        });
        let error = xc.domains().unwrap_err();
        assert_eq!(error.kind(), Kind::Other);
        assert_eq!(error.source().unwrap().to_string(), "xc_domain_getinfolist answered 0");
        assert_eq!(stub.calls().len(), 2);
    }

    fn the_calls_that_take_numbers_alone_pass_them_on(stub, xc) {
        xc.pause(DOM).unwrap();
        xc.unpause(DOM).unwrap();
        xc.destroy_domain(DOM).unwrap();
        xc.shutdown(DOM, ShutdownReason::Crash).unwrap();
        xc.soft_reset(DOM).unwrap();
        xc.set_target(DOM, DomId::new(9).unwrap()).unwrap();
        xc.subscribe_for_suspend(DOM, Port(77)).unwrap();
        xc.set_virq_handler(DOM, 3).unwrap();
        xc.set_access_required(DOM, true).unwrap();
        xc.set_debugging(DOM, true).unwrap();
        xc.set_single_step(DOM, 2, true).unwrap();
        xc.send_trigger(DOM, Trigger::Sleep, 2).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_pause(5)",
            "xc_domain_unpause(5)",
            "xc_domain_destroy(5)",
            "xc_domain_shutdown(5, 3)",
            "xc_domain_soft_reset(5)",
            "xc_domain_set_target(5, 9)",
            "xc_domain_subscribe_for_suspend(5, 77)",
            "xc_domain_set_virq_handler(5, 3)",
            "xc_domain_set_access_required(5, 1)",
            "xc_domain_setdebugging(5, 1)",
            "xc_domain_debug_control(5, 1, 2)",
            "xc_domain_send_trigger(5, 4, 2)",
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

    fn a_destruction_is_one_call_that_nothing_here_repeats(stub, xc) {
        stub.on("xc_domain_destroy", |call| call.fail(EAGAIN));
        assert_eq!(xc.destroy_domain(DOM).unwrap_err().kind(), Kind::Again);
        assert_eq!(stub.calls(), ["xc_domain_destroy(5)"]);
    }

    fn a_machine_word_has_a_width_unless_the_call_returns_one(stub, xc) {
        stub.on("xc_domain_get_guest_width", |call| {
            call.write(2, &8_u32.to_le_bytes());
            0
        });
        assert_eq!(xc.guest_width(DOM).unwrap(), 8);
        stub.on("xc_domain_get_guest_width", |call| {
            call.fail(EOPNOTSUPP);
            1
        });
        assert_eq!(xc.guest_width(DOM).unwrap_err().kind(), Kind::Unavailable);
        assert_eq!(stub.calls().len(), 2);
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
