//! The host.

use xc::{Capabilities, NodeId};
use xen_types::Bytes;

use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    facts![
        a_machine_without_nodes_is_one_node_of_all_processors,
        the_hosts_figures_agree_with_each_other,
        a_page_has_4096_bytes,
        a_processor_for_every_number,
    ]
    .into()
}

fn a_machine_without_nodes_is_one_node_of_all_processors(ctx: &Ctx) -> Outcome {
    let xc = ctx.xc().clone();
    let places: Vec<_> = xc.cpu_topology()?.into_iter().flatten().collect();
    assert_eq!(places.iter().map(|place| place.node).collect::<Vec<_>>(), [Some(NodeId(0)); 2]);
    assert_ne!(places[0], places[1]);
    let numa = xc.numa()?;
    let node = numa.node(NodeId(0)).ok_or("node 0 is online")?;
    assert!(node.size.to_pages_down() >= xc.physinfo()?.total, "{node:?}");
    assert_eq!((numa.nodes().count(), numa.distance(NodeId(0), NodeId(0))), (1, Some(10)));
    Ok(())
}

fn the_hosts_figures_agree_with_each_other(ctx: &Ctx) -> Outcome {
    let xc = ctx.xc();
    let host = xc.physinfo()?;
    assert_eq!((xc.online_cpus()?, host.nr_cpus), (2, 2));
    assert_eq!(xc.max_nodes()?, u32::from(host.max_node_id.0) + 1);
    assert!(host.free < host.total && host.total.get() <= host.max_mfn.0 + 1, "{host:?}");
    let hardware = Capabilities::HVM | Capabilities::PV | Capabilities::HAP;
    assert!(host.capabilities.contains(hardware), "{host:?}");
    assert!(!host.capabilities.intersects(Capabilities::DIRECTIO | Capabilities::SHADOW));
    Ok(())
}

fn a_page_has_4096_bytes(ctx: &Ctx) -> Outcome {
    assert_eq!(ctx.xc().page_size()?, Bytes(4096));
    Ok(())
}

fn a_processor_for_every_number(ctx: &Ctx) -> Outcome {
    let xc = ctx.xc();
    assert_eq!(xc.all_cpus()?, [0, 1].into_iter().collect());
    assert_eq!(xc.cpu_idle_times()?.len(), 2);
    Ok(())
}
