//! Schedulers and CPU pools.

use std::process::Command;
use std::time::Duration;

use rustix::io::Errno;
use xc::{
    CpuShare, CreateConfig, Credit2Params, GuestKind, Kind, RtdsReservation, RtdsVcpu, Scheduler,
    Xc,
};
use xen_types::{DomId, MiB};

use crate::support::{Domain, Outcome, fresh_uuid, open, until, xl_info};

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A pool with processor 1, which goes back to pool 0 at the end of the test.
struct Pool {
    xc: Xc,
    id: u32,
}

impl Pool {
    /// Under credit2: see `Xc::add_to_cpupool` about credit.
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let xc = open()?;
        let pool = Self { id: xc.create_cpupool(Scheduler::Credit2, None)?, xc };
        // What a toolstack calls it is in the store; xl lists no pool without.
        let node = format!("/local/pool/{}/name", pool.id);
        assert!(Command::new("xenstore-write").args([&node, "lab"]).status()?.success());
        pool.xc.remove_from_cpupool(0, Some(1))?;
        pool.xc.add_to_cpupool(pool.id, Some(1))?;
        Ok(pool)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let (xc, id) = (&self.xc, self.id);
        // Each may fail because a test got no further.
        let processor = [xc.remove_from_cpupool(id, Some(1)), xc.add_to_cpupool(0, Some(1))];
        let destroyed = xc.destroy_cpupool(id);
        let named = Command::new("xenstore-rm").arg(format!("/local/pool/{id}")).status();
        if xc.cpupools().count() > 1 || !xc.free_cpus().is_ok_and(|cpus| cpus.is_empty()) {
            eprintln!("left behind: {processor:?}, {destroyed:?}, {named:?}");
        }
    }
}

/// A domain of two virtual CPUs that is never run.
fn domain() -> Result<Domain, Box<dyn std::error::Error>> {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    Ok(dom)
}

/// The words of the line of `xl` in which these come first.
fn xl(arguments: &[&str], first: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let output = Command::new("xl").args(arguments).output()?;
    let text = String::from_utf8(output.stdout.clone())?;
    let line = text.lines().find(|line| line.starts_with(first));
    let line = line.ok_or(format!("{first:?} in {output:?}"))?;
    Ok(line.split_whitespace().map(str::to_owned).collect())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn pool_0_has_the_scheduler_xl_reports_and_all_processors() -> Outcome {
    let xc = open()?;
    assert_eq!(xc.scheduler()?.to_string(), xl_info("xen_scheduler")?);
    // A domain destroyed just now counts until its last remains are gone.
    until("dom0 is alone", || xc.cpupool(0).is_ok_and(|pool| pool.domains == 1));
    let pools = xc.cpupools().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(pools, [xc.cpupool(0)?]);
    assert_eq!((pools[0].scheduler, pools[0].domains), (Scheduler::Credit2, 1));
    assert_eq!(pools[0].cpus, xc.all_cpus()?.iter().take(2).collect());
    assert_eq!(xl(&["cpupool-list"], "Pool-0")?, ["Pool-0", "2", "credit2", "y", "1"]);
    assert!(xc.free_cpus()?.is_empty());
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_share_under_credit2_is_the_one_xl_reports() -> Outcome {
    let dom = domain()?;
    assert_eq!(dom.xc.credit2_share(dom.id)?, CpuShare { weight: 256, cap: 0 });
    let share = CpuShare { weight: 512, cap: 150 };
    dom.xc.set_credit2_share(dom.id, share)?;
    assert_eq!(dom.xc.credit2_share(dom.id)?, share);
    let id = dom.id.to_string();
    assert_eq!(xl(&["sched-credit2", "-d", &id], "(null)")?, ["(null)", &id, "512", "150"]);
    let beyond = CpuShare { weight: 512, cap: 201 };
    assert_eq!(dom.xc.set_credit2_share(dom.id, beyond).unwrap_err().kind(), Kind::Invalid);
    let none = CpuShare { weight: 1, cap: 0 };
    dom.xc.set_credit2_share(dom.id, none)?;
    assert_eq!(dom.xc.credit2_share(dom.id)?, none);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_parameters_of_a_pool_under_credit2_are_those_xl_reports() -> Outcome {
    let xc = open()?;
    let before = xc.credit2_params(0)?;
    assert_eq!(before.rate_limit, micros(1000));
    let limit = Credit2Params { rate_limit: micros(500_000) };
    assert_eq!(xc.set_credit2_params(0, limit)?, limit);
    assert_eq!(xl(&["sched-credit2", "-s"], "Cpupool Pool-0")?[2..], ["ratelimit=500000us"]);
    assert_eq!(xc.set_credit2_params(0, before)?, before);
    assert_eq!(xc.credit2_params(0)?, before);
    assert_eq!(xc.credit2_params(77).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn calls_for_another_scheduler_are_refused() -> Outcome {
    let dom = domain()?;
    let share = CpuShare { weight: 512, cap: 50 };
    assert_eq!(dom.xc.credit_share(dom.id).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(dom.xc.set_credit_share(dom.id, share).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(dom.xc.credit_params(0).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(dom.xc.rtds_default(dom.id).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(dom.xc.rtds_vcpus(dom.id, &[0]).unwrap_err().kind(), Kind::Invalid);
    let absent = DomId::new(0x7fef).ok_or("an id")?;
    assert_eq!(dom.xc.credit2_share(absent).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pool_gets_a_processor_and_gives_it_back() -> Outcome {
    let xc = open()?;
    let id = xc.create_cpupool(Scheduler::Credit2, Some(5))?;
    assert_eq!(id, 5);
    let again = xc.create_cpupool(Scheduler::Credit2, Some(5)).unwrap_err();
    assert_eq!(again.kind(), Kind::Exists);
    assert_eq!(xc.create_cpupool(Scheduler::Unknown(99), None).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(xc.add_to_cpupool(5, None).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(xc.remove_from_cpupool(0, Some(0)).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(xc.remove_from_cpupool(5, Some(1)).unwrap_err().kind(), Kind::NotFound);
    xc.remove_from_cpupool(0, None)?;
    assert_eq!(xc.free_cpus()?.to_string(), "1");
    assert_eq!(xl_info("free_cpus")?, "1");
    assert_eq!(xc.add_to_cpupool(6, Some(1)).unwrap_err().kind(), Kind::NotFound);
    xc.add_to_cpupool(5, None)?;
    let ids: Vec<_> = xc.cpupools().map(|pool| pool.map(|p| (p.id, p.cpus.to_string()))).collect();
    let ids = ids.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(ids, [(0, "0".to_owned()), (5, "1".to_owned())]);
    assert_eq!(xc.cpupool(3).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(xc.destroy_cpupool(5).unwrap_err().kind(), Kind::Busy);
    xc.remove_from_cpupool(5, Some(1))?;
    xc.destroy_cpupool(5)?;
    assert_eq!(xc.destroy_cpupool(5).unwrap_err().kind(), Kind::NotFound);
    xc.add_to_cpupool(0, Some(1))?;
    assert_eq!(xc.cpupool(0)?.cpus.to_string(), "0-1");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_moves_to_another_pool_starts_anew_there() -> Outcome {
    let pool = Pool::new()?;
    assert_eq!(xl(&["cpupool-list"], "lab")?, ["lab", "1", "credit2", "y", "0"]);
    let dom = domain()?;
    dom.xc.set_credit2_share(dom.id, CpuShare { weight: 512, cap: 150 })?;
    dom.xc.move_to_cpupool(dom.id, pool.id)?;
    assert_eq!((dom.xc.info(dom.id)?.cpupool, pool.xc.cpupool(pool.id)?.domains), (pool.id, 1));
    assert_eq!(dom.xc.credit2_share(dom.id)?, CpuShare { weight: 256, cap: 0 });
    let limit = Credit2Params { rate_limit: micros(100) };
    assert_eq!(pool.xc.set_credit2_params(pool.id, limit)?, limit);
    assert_eq!(pool.xc.credit2_params(0)?.rate_limit, micros(1000));
    assert_eq!(xl(&["sched-credit2", "-s", "-p", "lab"], "Cpupool lab")?[2..], ["ratelimit=100us"]);
    let busy = pool.xc.remove_from_cpupool(pool.id, Some(1)).unwrap_err();
    assert_eq!(busy.kind(), Kind::Busy);
    dom.xc.move_to_cpupool(dom.id, 0)?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_is_created_in_the_pool_that_was_asked_for() -> Outcome {
    let pool = Pool::new()?;
    let mut config = CreateConfig::new(GuestKind::Pvh, fresh_uuid(), 2);
    config.cpupool = pool.id;
    let dom = Domain::of(&config)?;
    assert_eq!((dom.xc.info(dom.id)?.cpupool, pool.xc.cpupool(pool.id)?.domains), (pool.id, 1));
    dom.xc.move_to_cpupool(dom.id, 0)?;
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn debians_xen_has_no_rtds_and_its_calls_are_refused() -> Outcome {
    let dom = domain()?;
    let created = dom.xc.create_cpupool(Scheduler::Rtds, None).unwrap_err();
    assert_eq!(created.kind(), Kind::NotFound);
    let reservation = RtdsReservation { period: micros(10_000), budget: micros(4000) };
    let vcpu = RtdsVcpu { vcpu: 0, reservation, extra_time: false };
    let refusals = [
        dom.xc.rtds_default(dom.id).unwrap_err(),
        dom.xc.set_rtds(dom.id, reservation).unwrap_err(),
        dom.xc.rtds_vcpus(dom.id, &[0]).unwrap_err(),
        dom.xc.set_rtds_vcpus(dom.id, &[vcpu]).unwrap_err(),
    ];
    assert_eq!(refusals.map(|e| (e.kind(), e.errno())), [(Kind::Invalid, Some(Errno::INVAL)); 4]);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_running_guest_goes_on_in_another_pool() -> Outcome {
    let pool = Pool::new()?;
    let xenops = |arguments: &[&str]| {
        let output = Command::new("xenops").args(arguments).output()?;
        output.status.success().then_some(()).ok_or(std::io::Error::other(format!("{output:?}")))
    };
    xenops(&["create", "/guests/tiny-pvh.toml"])?;
    let guests = pool.xc.domains()?;
    let guest = guests.last().ok_or("a guest")?.id;
    pool.xc.move_to_cpupool(guest, pool.id)?;
    assert_eq!(pool.xc.info(guest)?.cpupool, pool.id);
    // It does as it is asked: it runs.
    xenops(&["shutdown", "tiny-pvh"])?;
    until("it is gone", || pool.xc.info(guest).is_err());
    assert_eq!(pool.xc.cpupool(pool.id)?.domains, 0);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_moves_only_to_a_pool_with_processors() -> Outcome {
    let dom = domain()?;
    let empty = dom.xc.create_cpupool(Scheduler::Credit2, None)?;
    let refused = dom.xc.move_to_cpupool(dom.id, empty).unwrap_err().kind();
    dom.xc.destroy_cpupool(empty)?;
    assert_eq!(refused, Kind::NotFound);
    assert_eq!(dom.xc.move_to_cpupool(dom.id, 77).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(dom.xc.move_to_cpupool(DomId::DOM0, 0).unwrap_err().kind(), Kind::Denied);
    Ok(())
}
