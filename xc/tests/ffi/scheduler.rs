//! Schedulers and CPU pools.

use std::time::Duration;

use xc::{CpuShare, Credit2Params, CreditParams, Kind, RtdsReservation, RtdsVcpu, Scheduler};
use xen_abi::{Call, Layout, layout};

use crate::opened::{DOM, on_every_release, open};

const ENOENT: i32 = 2;
const EADDRINUSE: i32 = 98;

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// The fields of the structure that argument 2 points to.
fn fields<const N: usize>(call: &Call<'_>, layout: &Layout, names: [&str; N]) -> [u64; N] {
    let bytes = call.read(2, layout.size);
    names.map(|name| layout.value(&bytes, name))
}

on_every_release! {
    fn schedulers_have_names_and_unknown_ones_numbers(stub, xc) {
        stub.on("xc_sched_id", |call| {
            call.write(1, &6_i32.to_le_bytes());
            0
        });
        assert_eq!(xc.scheduler().unwrap(), Scheduler::Credit2);
        stub.on("xc_sched_id", |call| {
            call.write(1, &12_i32.to_le_bytes());
            0
        });
        assert_eq!(xc.scheduler().unwrap(), Scheduler::Unknown(12));
    }

    fn a_share_under_credit_is_a_weight_and_a_cap(stub, xc) {
        let layout = layout("struct xen_domctl_sched_credit", stub.minor()).unwrap();
        stub.on("xc_sched_credit_domain_set", |call| {
            assert_eq!(fields(call, layout, ["weight", "cap"]), [512, 50]);
            0
        });
        stub.on("xc_sched_credit_domain_get", |call| {
            call.write(2, &layout.bytes(&[("weight", 65535), ("cap", 400)]));
            0
        });
        xc.set_credit_share(DOM, CpuShare { weight: 512, cap: 50 }).unwrap();
        assert_eq!(xc.credit_share(DOM).unwrap(), CpuShare { weight: 65535, cap: 400 });
        assert_eq!(stub.calls(), [
            "xc_sched_credit_domain_set(5, &)", "xc_sched_credit_domain_get(5, &)",
        ]);
    }

    fn a_share_under_credit2_is_a_weight_and_a_cap(stub, xc) {
        let layout = layout("struct xen_domctl_sched_credit2", stub.minor()).unwrap();
        stub.on("xc_sched_credit2_domain_set", |call| {
            assert_eq!(fields(call, layout, ["weight", "cap"]), [512, 50]);
            0
        });
        stub.on("xc_sched_credit2_domain_get", |call| {
            call.write(2, &layout.bytes(&[("weight", 65535), ("cap", 400)]));
            0
        });
        xc.set_credit2_share(DOM, CpuShare { weight: 512, cap: 50 }).unwrap();
        assert_eq!(xc.credit2_share(DOM).unwrap(), CpuShare { weight: 65535, cap: 400 });
        assert_eq!(stub.calls(), [
            "xc_sched_credit2_domain_set(5, &)", "xc_sched_credit2_domain_get(5, &)",
        ]);
    }

    fn what_xen_takes_for_nothing_given_is_refused(stub, xc) {
        let kinds = [
            xc.set_credit_share(DOM, CpuShare { weight: 0, cap: 50 }).unwrap_err().kind(),
            xc.set_credit_share(DOM, CpuShare { weight: 1, cap: 65535 }).unwrap_err().kind(),
            xc.set_credit2_share(DOM, CpuShare { weight: 0, cap: 50 }).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [Kind::Invalid; 3]);
        assert_eq!(stub.calls(), Vec::<String>::new());
    }

    fn a_pool_under_credit_has_milliseconds_and_microseconds(stub, xc) {
        let layout = layout("struct xen_sysctl_credit_schedule", stub.minor()).unwrap();
        stub.on("xc_sched_credit_params_set", |call| {
            let names = ["tslice_ms", "ratelimit_us", "vcpu_migr_delay_us"];
            assert_eq!(fields(call, layout, names), [1000, 500_000, 100_000]);
            call.write(2, &layout.bytes(&[("tslice_ms", 7), ("vcpu_migr_delay_us", 3)]));
            0
        });
        let params = CreditParams {
            time_slice: Duration::from_secs(1),
            rate_limit: Duration::from_millis(500),
            migration_delay: Duration::from_millis(100),
        };
        let now = xc.set_credit_params(3, params).unwrap();
        assert_eq!((now.time_slice, now.rate_limit), (Duration::from_millis(7), Duration::ZERO));
        assert_eq!(now.migration_delay, micros(3));
        assert_eq!(xc.credit_params(4).unwrap().time_slice, Duration::ZERO);
        assert_eq!(stub.calls(), [
            "xc_sched_credit_params_set(3, &)", "xc_sched_credit_params_get(4, &)",
        ]);
    }

    fn a_pool_under_credit2_has_microseconds(stub, xc) {
        let layout = layout("struct xen_sysctl_credit2_schedule", stub.minor()).unwrap();
        stub.on("xc_sched_credit2_params_set", |call| {
            assert_eq!(fields(call, layout, ["ratelimit_us"]), [100]);
            0
        });
        stub.on("xc_sched_credit2_params_get", |call| {
            call.write(2, &layout.bytes(&[("ratelimit_us", 1000)]));
            0
        });
        let limit = Credit2Params { rate_limit: micros(100) };
        assert_eq!(xc.set_credit2_params(3, limit).unwrap(), limit);
        assert_eq!(xc.credit2_params(4).unwrap().rate_limit, Duration::from_millis(1));
        assert_eq!(stub.calls(), [
            "xc_sched_credit2_params_set(3, &)", "xc_sched_credit2_params_get(4, &)",
        ]);
    }

    fn a_domain_under_rtds_has_a_budget_for_each_period(stub, xc) {
        let layout = layout("struct xen_domctl_sched_rtds", stub.minor()).unwrap();
        stub.on("xc_sched_rtds_domain_set", |call| {
            let names = ["period", "budget", "flags"];
            assert_eq!(fields(call, layout, names), [u64::from(u32::MAX), 10, 0]);
            0
        });
        stub.on("xc_sched_rtds_domain_get", |call| {
            let answer = [("period", 10_000), ("budget", 4000), ("flags", 0xdead_beef)];
            call.write(2, &layout.bytes(&answer));
            0
        });
        let longest = micros(u32::MAX.into());
        xc.set_rtds(DOM, RtdsReservation { period: longest, budget: micros(10) }).unwrap();
        let default = xc.rtds_default(DOM).unwrap();
        assert_eq!((default.period, default.budget), (micros(10_000), micros(4000)));
        assert_eq!(stub.calls(), [
            "xc_sched_rtds_domain_set(5, &)", "xc_sched_rtds_domain_get(5, &)",
        ]);
    }

    fn virtual_cpus_under_rtds_are_an_array(stub, xc) {
        let layout = layout("struct xen_domctl_schedparam_vcpu", stub.minor()).unwrap();
        let entry = |vcpu, period, budget, flags| layout.bytes(&[
            ("vcpuid", vcpu), ("u.rtds.period", period), ("u.rtds.budget", budget),
            ("u.rtds.flags", flags),
        ]);
        stub.on("xc_sched_rtds_vcpu_set", move |call| {
            let sent = [entry(0, 20_000, 5000, 1), entry(2, 30_000, 6000, 0)].concat();
            assert_eq!(call.read(2, 32), sent);
            0
        });
        stub.on("xc_sched_rtds_vcpu_get", move |call| {
            assert_eq!(call.read(2, 32), [entry(2, 0, 0, 0), entry(0, 0, 0, 0)].concat());
            call.write(2, &[entry(2, 30_000, 6000, 0), entry(0, 20_000, 5000, 1)].concat());
            0
        });
        let vcpu = |vcpu, period, budget, extra_time| RtdsVcpu {
            vcpu,
            reservation: RtdsReservation { period: micros(period), budget: micros(budget) },
            extra_time,
        };
        let (first, third) = (vcpu(0, 20_000, 5000, true), vcpu(2, 30_000, 6000, false));
        xc.set_rtds_vcpus(DOM, &[first, third]).unwrap();
        assert_eq!(xc.rtds_vcpus(DOM, &[2, 0]).unwrap(), [third, first]);
        assert_eq!(stub.calls(), [
            "xc_sched_rtds_vcpu_set(5, &, 2)", "xc_sched_rtds_vcpu_get(5, &, 2)",
        ]);
    }

    fn pools_are_listed_by_asking_for_the_next_one(stub, xc) {
        let layout = layout("xc_cpupoolinfo_t", stub.minor()).unwrap();
        stub.on("xc_get_cpumap_size", |_| 2);
        stub.on("xc_cpupool_getinfo", move |call| {
            let answer = |id, scheduler, domains, map: [u8; 2]| {
                let map = call.allocate(&map).cast_unsigned();
                let fields = [("cpupool_id", id), ("sched_id", scheduler), ("n_dom", domains)];
                call.allocate(&layout.bytes(&[&fields[..], &[("cpumap", map)]].concat()))
            };
            match call.number(1) {
                0 => answer(0, 6, 3, [0b101, 0]),
                1..=7 => answer(7, 8, 0, [0, 0b10]),
                _ => call.fail_null(ENOENT),
            }
        });
        stub.on("xc_cpupool_infofree", move |call| {
            call.free(layout.value(&call.read(1, layout.size), "cpumap"));
            call.free(call.number(1));
            0
        });
        let pools: Vec<_> = xc.cpupools().map(|pool| pool.unwrap()).collect();
        let seen: Vec<_> = pools
            .iter()
            .map(|pool| (pool.id, pool.scheduler, pool.domains, pool.cpus.to_string()))
            .collect();
        assert_eq!(seen, [
            (0, Scheduler::Credit2, 3, "0,2".to_owned()),
            (7, Scheduler::Rtds, 0, "9".to_owned()),
        ]);
        assert_eq!(stub.calls(), [
            "xc_get_cpumap_size()", "xc_cpupool_getinfo(0)", "xc_cpupool_infofree(&)",
            "xc_get_cpumap_size()", "xc_cpupool_getinfo(1)", "xc_cpupool_infofree(&)",
            "xc_get_cpumap_size()", "xc_cpupool_getinfo(8)",
        ]);
        assert_eq!(xc.cpupool(7).unwrap(), pools[1]);
        assert_eq!(xc.cpupool(3).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(xc.cpupool(8).unwrap_err().kind(), Kind::NotFound);
    }

    fn pools_are_made_with_an_id_given_or_found(stub, xc) {
        stub.on("xc_cpupool_create", |call| {
            let id = u32::from_le_bytes(call.read(1, 4).try_into().unwrap());
            call.write(1, &(if id == u32::MAX { 9 } else { id }).to_le_bytes());
            0
        });
        assert_eq!(xc.create_cpupool(Scheduler::Credit, None).unwrap(), 9);
        assert_eq!(xc.create_cpupool(Scheduler::Null, Some(4)).unwrap(), 4);
        xc.destroy_cpupool(4).unwrap();
        xc.move_to_cpupool(DOM, 9).unwrap();
        assert_eq!(stub.calls(), [
            "xc_cpupool_create(&, 5)", "xc_cpupool_create(&, 9)", "xc_cpupool_destroy(4)",
            "xc_cpupool_movedomain(9, 5)",
        ]);
    }

    fn any_processor_is_a_negative_number(stub, xc) {
        xc.add_to_cpupool(9, Some(65535)).unwrap();
        xc.add_to_cpupool(9, None).unwrap();
        xc.remove_from_cpupool(9, Some(3)).unwrap();
        stub.on("xc_cpupool_removecpu", |call| call.fail(EADDRINUSE));
        assert_eq!(xc.remove_from_cpupool(9, None).unwrap_err().kind(), Kind::Busy);
        assert_eq!(stub.calls(), [
            "xc_cpupool_addcpu(9, 65535)", "xc_cpupool_addcpu(9, -1)", "xc_cpupool_removecpu(9, 3)",
            "xc_cpupool_removecpu(9, -1)",
        ]);
    }

    fn processors_without_a_pool_come_in_memory_that_is_freed(stub, xc) {
        stub.on("xc_get_cpumap_size", |_| 2);
        stub.on("xc_cpupool_freeinfo", |call| call.allocate(&[0b10, 0b1]));
        assert_eq!(xc.free_cpus().unwrap().to_string(), "1,8");
        stub.on("xc_cpupool_freeinfo", |call| call.fail_null(ENOENT));
        assert_eq!(xc.free_cpus().unwrap_err().kind(), Kind::NotFound);
    }
}

#[test]
fn an_error_ends_the_list_of_pools() {
    let (stub, xc) = open(20);
    stub.on("xc_get_cpumap_size", |_| 1);
    stub.on("xc_cpupool_getinfo", |call| call.fail_null(1));
    let mut pools = xc.cpupools();
    assert_eq!(pools.next().unwrap().unwrap_err().kind(), Kind::Denied);
    assert!(pools.next().is_none());
}
