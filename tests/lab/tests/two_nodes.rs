//! Tests on a machine with two NUMA nodes, each with a processor and half the memory, and with the
//! scheduler credit.

mod dom0;

mod answered;

use std::time::Duration;

use dom0::ok;
use xc::{CpuShare, CreditParams, Kind, Node, NodeId, Scheduler};
use xen_types::{Bytes, DomId};

/// The rows of numbers below a heading of `xl info -n`.
fn table(heading: &str) -> Vec<Vec<u64>> {
    let text = ok("xl", &["info", "-n"]);
    let rows = text.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    let numbers = |line: &str| {
        let words = line.split([' ', ':', ',']).filter(|word| !word.is_empty());
        words.map(|word| word.parse().ok()).collect::<Option<Vec<u64>>>()
    };
    rows.map_while(numbers).collect()
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn nodes_have_the_memory_and_distances_xl_reports() {
    let numa = answered::open().expect("open").numa().expect("numa");
    let mib = |bytes: Bytes| bytes.get() >> 20;
    let (zero, one) = (NodeId(0), NodeId(1));
    let row = |(number, node): (NodeId, Node)| {
        let distance = |to| u64::from(numa.distance(number, to).expect("it is known"));
        vec![number.0.into(), mib(node.size), mib(node.free), distance(zero), distance(one)]
    };
    assert_eq!(numa.nodes().count(), 2);
    assert_eq!(numa.nodes().map(row).collect::<Vec<_>>(), table("node:"));
    assert_eq!((numa.distance(zero, zero), numa.distance(zero, one)), (Some(10), Some(20)));
    assert_eq!(numa.distance(zero, NodeId(2)), None);
    assert!(numa.node(one).expect("it is online").size >= Bytes(1 << 30), "{numa:?}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn processors_are_at_the_nodes_xl_reports() {
    let places = answered::open().expect("open").cpu_topology().expect("topology");
    let row = |number: usize| {
        let place = places[number].expect("it is there");
        let (core, socket) = (u64::from(place.core), u64::from(place.socket));
        vec![number as u64, core, socket, place.node.expect("it is known").0.into()]
    };
    assert_eq!(vec![row(0), row(1)], table("cpu:"));
    assert_eq!(
        (places[0].and_then(|p| p.node), places[1].and_then(|p| p.node)),
        (Some(NodeId(0)), Some(NodeId(1)))
    );
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_host_has_two_nodes_with_all_its_memory() {
    let xc = answered::open().expect("open");
    let host = xc.physinfo().expect("state");
    let numa = xc.numa().expect("numa");
    let sizes = numa.nodes().map(|(_, node)| node.size.get());
    assert_eq!(host.nr_nodes, 2);
    assert!(sizes.sum::<u64>() >= host.total.to_bytes().get(), "{host:?}");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_example_tells_of_both_nodes() {
    let text = ok("host-info", &[]);
    assert!(text.contains("\nnode 0: ") && text.contains(", distances 10,20\n"), "{text}");
    assert!(text.contains("\nnode 1: ") && text.contains(", distances 20,10\n"), "{text}");
    assert!(text.contains("processor 1: ") && text.contains("node 1, idle for "), "{text}");
}

/// The words of the line of `xl` that starts so.
fn line(arguments: &[&str], start: &str) -> Vec<String> {
    let text = ok("xl", arguments);
    let line = text.lines().find(|line| line.starts_with(start));
    line.expect("it is listed").split_whitespace().map(str::to_owned).collect()
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_share_under_credit_is_the_one_xl_reports() {
    let xc = answered::open().expect("open");
    assert_eq!(xc.scheduler().expect("ask"), Scheduler::Credit);
    let before = xc.credit_share(DomId::DOM0).expect("read");
    assert_eq!(before, CpuShare { weight: 256, cap: 0 });
    let share = CpuShare { weight: 65535, cap: 65534 };
    xc.set_credit_share(DomId::DOM0, share).expect("set");
    assert_eq!(xc.credit_share(DomId::DOM0).expect("read"), share);
    let words = line(&["sched-credit", "-d", "0"], "Domain-0");
    assert_eq!(words, ["Domain-0", "0", "65535", "65534"]);
    xc.set_credit_share(DomId::DOM0, before).expect("set back");
    assert_eq!(xc.credit_share(DomId::DOM0).expect("read"), before);
    assert_eq!(xc.credit2_share(DomId::DOM0).unwrap_err().kind(), Kind::Invalid);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_parameters_of_a_pool_under_credit_are_those_xl_reports() {
    let xc = answered::open().expect("open");
    let before = xc.credit_params(0).expect("read");
    assert_eq!(before.time_slice, Duration::from_millis(30));
    let params = CreditParams {
        time_slice: Duration::from_millis(7),
        rate_limit: Duration::from_millis(7),
        migration_delay: Duration::from_millis(100),
    };
    assert_eq!(xc.set_credit_params(0, params).expect("set"), params);
    let words = line(&["sched-credit", "-s"], "Cpupool Pool-0").join(" ");
    assert_eq!(words, "Cpupool Pool-0: tslice=7ms ratelimit=7000us migration-delay=100000us");
    assert_eq!(xc.set_credit_params(0, before).expect("set back"), before);
    assert_eq!(xc.credit_params(77).unwrap_err().kind(), Kind::NotFound);
}
