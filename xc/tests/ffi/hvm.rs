//! What only HVM and PVH domains have.

use xc::{CacheAttribute, HvmParam, Kind, TimerMode, Viridian};
use xen_types::Gfn;

use crate::opened::{DOM, on_every_release, open};

const ENOSPC: i32 = 28;

on_every_release! {
    fn a_parameter_is_read_and_set_with_64_bits(stub, xc) {
        stub.on("xc_hvm_param_get", |call| {
            call.write(3, &0x2_0000_0005_u64.to_le_bytes());
            0
        });
        assert_eq!(xc.hvm_param(DOM, HvmParam::STORE_EVTCHN).unwrap(), 0x2_0000_0005);
        xc.set_hvm_param(DOM, HvmParam::STORE_PFN, 0x1_0000_0002).unwrap();
        assert_eq!(stub.calls(), ["xc_hvm_param_get(5, 2, &)", "xc_hvm_param_set(5, 1, 4294967298)"]);
    }

    fn parameters_with_a_name_of_their_own_are_those_of_the_header(stub, xc) {
        xc.set_timer_mode(DOM, TimerMode::NoMissedTicksPending).unwrap();
        xc.set_hpet(DOM, true).unwrap();
        xc.set_timer_alignment(DOM, false).unwrap();
        xc.set_viridian(DOM, Viridian::DEFAULT).unwrap();
        xc.wake_from_sleep(DOM).unwrap();
        assert_eq!(xc.acpi_sleep_state(DOM).unwrap(), 0);
        assert!(!xc.has_pv_drivers(DOM).unwrap());
        stub.on("xc_hvm_param_get", |call| {
            call.write(3, &(2_u64 << 56 | 0xf3).to_le_bytes());
            0
        });
        assert!(xc.has_pv_drivers(DOM).unwrap());
        assert_eq!(stub.calls(), [
            "xc_hvm_param_set(5, 10, 2)",
            "xc_hvm_param_set(5, 11, 1)",
            "xc_hvm_param_set(5, 16, 0)",
            "xc_hvm_param_set(5, 9, 6245)",
            "xc_hvm_param_set(5, 14, 0)",
            "xc_hvm_param_get(5, 14, &)",
            "xc_hvm_param_get(5, 0, &)",
            "xc_hvm_param_get(5, 0, &)",
        ]);
    }

    fn a_context_is_as_long_as_was_written_of_what_was_announced(stub, xc) {
        stub.on("xc_domain_hvm_getcontext", |call| match call.number(3) {
            0 => 4000,
            size => {
                assert_eq!(size, 4000);
                call.write(2, &[0x5a; 3000]);
                3000
            }
        });
        assert_eq!(xc.hvm_context(DOM).unwrap(), [0x5a; 3000]);
        assert_eq!(stub.calls(), [
            "xc_domain_hvm_getcontext(5, null, 0)",
            "xc_domain_hvm_getcontext(5, &, 4000)",
        ]);
    }

    fn a_context_and_a_record_of_it_arrive_byte_by_byte(stub, xc) {
        stub.on("xc_domain_hvm_setcontext", |call| {
            assert_eq!(call.read(2, 5), [1, 2, 3, 4, 5]);
            0
        });
        stub.on("xc_domain_hvm_getcontext_partial", |call| {
            call.write(4, &[9, 8, 7]);
            0
        });
        xc.set_hvm_context(DOM, &[1, 2, 3, 4, 5]).unwrap();
        assert_eq!(xc.hvm_record(DOM, 11, 1, 4).unwrap(), [9, 8, 7, 0]);
        assert_eq!(stub.calls(), [
            "xc_domain_hvm_setcontext(5, &, 5)",
            "xc_domain_hvm_getcontext_partial(5, 11, 1, &, 4)",
        ]);
    }

    fn a_cache_attribute_is_fixed_and_taken_back(stub, xc) {
        let (first, last) = (Gfn(1 << 33), Gfn((1 << 33) + 1));
        xc.pin_cache_attribute(DOM, first, last, Some(CacheAttribute::WriteCombining)).unwrap();
        xc.pin_cache_attribute(DOM, first, last, None).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_pin_memory_cacheattr(5, 8589934592, 8589934593, 1)",
            "xc_domain_pin_memory_cacheattr(5, 8589934592, 8589934593, 4294967295)",
        ]);
    }
}

#[test]
fn a_context_that_grew_or_cannot_be_is_an_error() {
    let (stub, xc) = open(17);
    stub.on("xc_domain_hvm_getcontext", |call| match call.number(3) {
        0 => 10,
        _ => call.fail(ENOSPC),
    });
    assert_eq!(xc.hvm_context(DOM).unwrap_err().kind(), Kind::NoMemory);
    stub.on("xc_domain_hvm_getcontext", |call| 10 + call.number(3) as i64);
    assert_eq!(xc.hvm_context(DOM).unwrap_err().kind(), Kind::Other);
}
