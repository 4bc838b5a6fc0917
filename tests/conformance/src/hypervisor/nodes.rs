//! NUMA nodes.

use xc::{GuestKind, Kind, NodeChoice, NodeId, NodeSet, PageOrder, Placement};
use xc::{VirtualNuma, VirtualRange};
use xen_types::Gfn;

use super::fact::Facts as _;
use super::memory::roomy;
use super::{Ctx, Fact, Outcome, facts};

pub(super) fn facts() -> Vec<Fact> {
    let virtual_ones = facts![
        a_virtual_topology_is_read_back_and_printed_by_xen,
        a_topology_has_all_virtual_cpus_and_nodes_that_xen_can_have,
        memory_is_placed_by_virtual_node,
    ];
    let simulated = facts![the_nodes_of_a_domains_memory_are_kept];
    [Vec::from(simulated), virtual_ones.not_simulated("virtual topologies are not simulated")]
        .concat()
}

fn topology() -> VirtualNuma {
    let range = |start, end, node| VirtualRange { start, end, node: NodeId(node) };
    VirtualNuma {
        distances: vec![vec![10, 21], vec![22, 10]],
        memory: vec![range(0, 0x80_0000, 0), range(0x80_0000, 0x100_0000, 1)],
        vcpus: vec![NodeId(1), NodeId(0)],
    }
}

const BOTH: [NodeId; 2] = [NodeId(0), NodeId(0)];

fn the_nodes_of_a_domains_memory_are_kept(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Pv)?;
    assert!(dom.xc.node_affinity(dom.id)?.contains(NodeId(0)));
    let here: NodeSet = [NodeId(0)].into_iter().collect();
    dom.xc.set_node_affinity(dom.id, here)?;
    assert_eq!(dom.xc.node_affinity(dom.id)?, here);
    let elsewhere = [NodeId(5)].into_iter().collect();
    let error = dom.xc.set_node_affinity(dom.id, elsewhere).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(dom.xc.node_affinity(dom.id)?, here);
    Ok(())
}

fn a_virtual_topology_is_read_back_and_printed_by_xen(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Hvm)?;
    assert_eq!(dom.xc.vnuma(dom.id)?, None);
    dom.xc.set_vnuma(dom.id, &topology(), &BOTH)?;
    assert_eq!(dom.xc.vnuma(dom.id)?, Some(topology()));
    ctx.observe_key("u", |printed| {
        assert!(printed.contains("2 vnodes, 2 vcpus, guest physical layout:"), "{printed}");
        assert!(printed.contains("0: pnode   0, vcpus 1"), "{printed}");
        assert!(printed.contains("1: pnode   0, vcpus 0"), "{printed}");
        assert!(printed.contains("0000000000800000 - 0000000001000000"), "{printed}");
    });
    Ok(())
}

fn a_topology_has_all_virtual_cpus_and_nodes_that_xen_can_have(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Hvm)?;
    let short = VirtualNuma { vcpus: vec![NodeId(0)], ..topology() };
    assert_eq!(dom.xc.set_vnuma(dom.id, &short, &BOTH).unwrap_err().kind(), Kind::Invalid);
    let nowhere = [NodeId(0), NodeId(255)];
    let error = dom.xc.set_vnuma(dom.id, &topology(), &nowhere).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(dom.xc.vnuma(dom.id)?, None);
    Ok(())
}

fn memory_is_placed_by_virtual_node(ctx: &Ctx) -> Outcome {
    let dom = roomy(ctx, GuestKind::Hvm)?;
    dom.xc.set_vnuma(dom.id, &topology(), &BOTH)?;
    let on = |node| Placement { node: NodeChoice::ExactlyVirtual(node), address_bits: None };
    let there = dom.xc.populate_physmap(dom.id, PageOrder::KB4, on(NodeId(1)), &[Gfn(0x900)])?;
    let nowhere = dom.xc.populate_physmap(dom.id, PageOrder::KB4, on(NodeId(2)), &[Gfn(0x901)])?;
    assert_eq!((there.done(), nowhere.done()), (1, 0));
    Ok(())
}
