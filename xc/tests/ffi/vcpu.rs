//! Virtual CPUs.

use std::time::Duration;

use xc::{Affinity, CpuSet, Kind};
use xen_abi::layout;

use crate::opened::{DOM, ESRCH, on_every_release, open};

/// A context whose bytes all differ from their neighbours.
fn context_bytes() -> Vec<u8> {
    (0..5168_u32).map(|at| (at % 251) as u8).collect()
}

fn cpus(cpus: &[u16]) -> CpuSet {
    cpus.iter().copied().collect()
}

on_every_release! {
    fn virtual_cpus_are_created_by_number(stub, xc) {
        xc.set_max_vcpus(DOM, 3).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_max_vcpus(5, 3)"]);
    }

    fn the_state_of_a_virtual_cpu_is_read(stub, xc) {
        let layout = layout("xc_vcpuinfo_t", stub.minor()).unwrap();
        stub.on("xc_vcpu_getinfo", |call| {
            call.write(3, &layout.bytes(&[
                ("online", 1), ("running", 1), ("cpu_time", 5_000_000_007), ("cpu", 3),
            ]));
            0
        });
        let vcpu = xc.vcpu(DOM, 2).unwrap();
        assert_eq!((vcpu.online, vcpu.blocked, vcpu.running, vcpu.cpu), (true, false, true, 3));
        assert_eq!(vcpu.cpu_time, Duration::new(5, 7));
        assert!(CpuSet::from_iter([3]).contains(vcpu.cpu));
        assert_eq!(stub.calls(), ["xc_vcpu_getinfo(5, 2, &)"]);
    }

    fn a_processor_without_a_number_is_not_believed(stub, xc) {
        let layout = layout("xc_vcpuinfo_t", stub.minor()).unwrap();
        stub.on("xc_vcpu_getinfo", |call| {
            call.write(3, &layout.bytes(&[("cpu", 0x1_0000)]));
            0
        });
        assert_eq!(xc.vcpu(DOM, 0).unwrap_err().kind(), Kind::Other);
    }

    fn the_time_of_a_virtual_cpu_has_64_bits(stub, xc) {
        stub.on("xc_domain_get_cpu_usage", |_| 5_000_000_007);
        assert_eq!(xc.vcpu_time(DOM, 2).unwrap(), Duration::new(5, 7));
        stub.on("xc_domain_get_cpu_usage", |call| call.fail(ESRCH));
        assert_eq!(xc.vcpu_time(DOM, 2).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(stub.calls(), ["xc_domain_get_cpu_usage(5, 2)", "xc_domain_get_cpu_usage(5, 2)"]);
    }

    fn registers_are_read_where_c_has_them(stub, xc) {
        let layout = layout("vcpu_guest_context_t", stub.minor()).unwrap();
        let cr3 = layout.field("ctrlreg").unwrap().offset + 3 * 8;
        stub.on("xc_vcpu_getcontext", move |call| {
            let mut bytes = layout.bytes(&[
                ("user_regs.rip", 0xffff_8000_0000_1234), ("user_regs.rsp", 0x7fff), ("flags", 5),
                ("user_regs.rflags", 0x246), ("user_regs.cs", 0x33), ("gs_base_user", 1 << 40),
            ]);
            bytes[cr3..cr3 + 8].copy_from_slice(&0x7_f000_u64.to_le_bytes());
            call.write(3, &bytes);
            0
        });
        let context = xc.vcpu_context(DOM, 1).unwrap();
        assert_eq!((context.rip, context.rsp, context.rflags), (0xffff_8000_0000_1234, 0x7fff, 0x246));
        assert_eq!((context.cs, context.flags, context.gs_base_user), (0x33, 5, 1 << 40));
        assert_eq!(context.ctrlreg, [0, 0, 0, 0x7_f000, 0, 0, 0, 0]);
        assert_eq!(stub.calls(), ["xc_vcpu_getcontext(5, 1, &)"]);
    }

    fn registers_written_back_are_the_same_but_for_what_was_changed(stub, xc) {
        let rip = layout("vcpu_guest_context_t", stub.minor()).unwrap().field("user_regs.rip").unwrap();
        stub.on("xc_vcpu_getcontext", |call| {
            call.write(3, &context_bytes());
            0
        });
        stub.on("xc_vcpu_setcontext", |call| {
            let mut expected = context_bytes();
            expected[rip.offset..rip.offset + 8].copy_from_slice(&0x1000_u64.to_le_bytes());
            assert_eq!(call.read(3, 5168), expected);
            0
        });
        let mut context = xc.vcpu_context(DOM, 1).unwrap();
        assert_eq!(context.as_bytes()[..], context_bytes());
        context.rip = 0x1000;
        xc.set_vcpu_context(DOM, 1, &context).unwrap();
        assert_eq!(stub.calls(), ["xc_vcpu_getcontext(5, 1, &)", "xc_vcpu_setcontext(5, 1, &)"]);
    }

    fn affinities_are_read_in_bitmaps_as_long_as_the_hosts(stub, xc) {
        stub.on("xc_get_cpumap_size", |_| 2);
        stub.on("xc_vcpu_getaffinity", |call| {
            call.write(3, &[0xff, 0x01]);
            call.write(4, &[0x00, 0x01]);
            0
        });
        let affinity = xc.vcpu_affinity(DOM, 1).unwrap();
        assert_eq!(affinity.hard.to_string(), "0-8");
        assert_eq!(affinity.soft.to_string(), "8");
        assert!(stub.calls().ends_with(&["xc_vcpu_getaffinity(5, 1, &, &, 3)".to_owned()]));
    }

    fn affinities_come_back_as_what_they_come_to(stub, xc) {
        stub.on("xc_get_cpumap_size", |_| 2);
        stub.on("xc_vcpu_setaffinity", |call| {
            assert_eq!((call.read(3, 2), call.read(4, 2)), (vec![0b110, 0b1], vec![0b100, 0]));
            call.write(3, &[0b110, 0]);
            call.write(4, &[0, 0]);
            0
        });
        let wanted = Affinity { hard: cpus(&[1, 2, 8]), soft: cpus(&[2]) };
        let effective = xc.set_vcpu_affinity(DOM, 1, &wanted).unwrap();
        assert_eq!(effective, Affinity { hard: cpus(&[1, 2]), soft: CpuSet::new() });
        assert!(stub.calls().ends_with(&["xc_vcpu_setaffinity(5, 1, &, &, 3)".to_owned()]));
    }

    fn one_affinity_is_set_without_the_other(stub, xc) {
        stub.on("xc_get_cpumap_size", |_| 1);
        assert_eq!(xc.set_hard_affinity(DOM, 0, &cpus(&[1])).unwrap(), cpus(&[1]));
        assert_eq!(xc.set_soft_affinity(DOM, 0, &cpus(&[0])).unwrap(), cpus(&[0]));
        xc.undo_pin_override(DOM, 0).unwrap();
        let mut calls = stub.calls();
        calls.retain(|call| call != "xc_get_cpumap_size()");
        assert_eq!(calls, [
            "xc_vcpu_setaffinity(5, 0, &, &, 1)",
            "xc_vcpu_setaffinity(5, 0, &, &, 2)",
            "xc_vcpu_setaffinity(5, 0, &, &, 4)",
        ]);
    }

    fn the_processors_of_the_host_are_those_it_can_have(stub, xc) {
        stub.on("xc_get_max_cpus", |_| 3);
        assert_eq!(xc.all_cpus().unwrap().to_string(), "0-2");
        assert_eq!(stub.calls(), ["xc_get_max_cpus()"]);
    }
}

#[test]
fn a_processor_that_the_host_cannot_have_is_refused_before_the_call() {
    let (stub, xc) = open(17);
    stub.on("xc_get_cpumap_size", |_| 1);
    let error = xc.set_hard_affinity(DOM, 0, &cpus(&[1, 8])).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.to_string(), "domain 5: let virtual CPU 0 run on 1,8");
    assert!(!stub.calls().iter().any(|call| call.starts_with("xc_vcpu_setaffinity")));
}

#[test]
fn a_virtual_cpu_whose_number_libxc_would_cut_is_refused() {
    let (stub, xc) = open(17);
    assert_eq!(xc.vcpu(DOM, 0x1_0000).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(xc.vcpu_time(DOM, 0x1_0000).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(xc.vcpu_context(DOM, 0x1_0000).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(stub.calls(), Vec::<String>::new());
}
