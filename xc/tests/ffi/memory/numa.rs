//! NUMA nodes of a domain's memory, and the topology it is shown.

use xc::{Kind, NodeId, NodeSet, VirtualNuma, VirtualRange};
use xen_abi::layout;

use crate::opened::{DOM, on_every_release};

const ENOBUFS: i32 = 105;
const EOPNOTSUPP: i32 = 95;

fn nodes(ids: &[u8]) -> NodeSet {
    ids.iter().copied().map(NodeId).collect()
}

fn list(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn number(bytes: Vec<u8>) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

/// Two nodes, three ranges, four virtual CPUs.
fn topology() -> VirtualNuma {
    let range = |start, end, node| VirtualRange { start, end, node: NodeId(node) };
    VirtualNuma {
        distances: vec![vec![10, 21], vec![22, 10]],
        memory: vec![range(0, 4096, 0), range(1 << 32, 1 << 33, 1), range(1 << 33, 1 << 34, 0)],
        vcpus: vec![NodeId(1), NodeId(0), NodeId(1), NodeId(0)],
    }
}

/// The ranges of it, as the library of 4.`minor` has them.
fn ranges(minor: u16) -> Vec<u8> {
    let layout = layout("struct xen_vmemrange", minor).unwrap();
    [
        layout.bytes(&[("start", 0), ("end", 4096), ("nid", 0)]),
        layout.bytes(&[("start", 1 << 32), ("end", 1 << 33), ("nid", 1)]),
        layout.bytes(&[("start", 1 << 33), ("end", 1 << 34), ("nid", 0)]),
    ]
    .concat()
}

on_every_release! {
    fn a_bitmap_of_nodes_has_the_length_of_the_hosts(stub, xc) {
        stub.on("xc_get_max_nodes", |_| 9);
        stub.on("xc_domain_node_setaffinity", |call| {
            assert_eq!(call.read(2, 2), [0b10, 0b1]);
            0
        });
        stub.on("xc_domain_node_getaffinity", |call| {
            call.write(2, &[0b100, 0b1]);
            0
        });
        xc.set_node_affinity(DOM, nodes(&[1, 8])).unwrap();
        assert_eq!(xc.node_affinity(DOM).unwrap(), nodes(&[2, 8]));
        assert_eq!(stub.calls(), [
            "xc_get_max_nodes()",
            "xc_domain_node_setaffinity(5, &)",
            "xc_get_max_nodes()",
            "xc_domain_node_getaffinity(5, &)",
        ]);
    }

    fn a_node_beyond_the_hosts_is_not_dropped(stub, xc) {
        stub.on("xc_get_max_nodes", |_| 8);
        let error = xc.set_node_affinity(DOM, nodes(&[0, 8])).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(stub.calls(), ["xc_get_max_nodes()"]);
    }

    fn a_virtual_topology_is_passed_in_four_arrays(stub, xc) {
        let minor = stub.minor();
        stub.on("xc_domain_setvnuma", move |call| {
            assert_eq!(call.read(5, 72), ranges(minor));
            assert_eq!(call.read(6, 16), list(&[10, 21, 22, 10]));
            assert_eq!(call.read(7, 16), list(&[1, 0, 1, 0]));
            assert_eq!(call.read(8, 8), list(&[3, 5]));
            0
        });
        xc.set_vnuma(DOM, &topology(), &[NodeId(3), NodeId(5)]).unwrap();
        assert_eq!(stub.calls(), ["xc_domain_setvnuma(5, 2, 3, 4, &, &, &, &)"]);
    }

    fn parts_that_do_not_fit_never_reach_the_library(stub, xc) {
        let mut topology = topology();
        topology.memory[1].node = NodeId(2);
        let error = xc.set_vnuma(DOM, &topology, &[NodeId(3), NodeId(5)]).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(stub.calls(), Vec::<String>::new());
    }

    fn a_virtual_topology_is_read_with_the_room_it_needs(stub, xc) {
        let minor = stub.minor();
        stub.on("xc_domain_getvnuma", move |call| {
            let room = [2, 3, 4].map(|index| number(call.read(index, 4)));
            [2_u32, 3, 4].iter().zip(2..).for_each(|(n, at)| call.write(at, &n.to_le_bytes()));
            if room != [2, 3, 4] {
                assert_eq!(room, [0, 0, 0]);
                return call.fail(ENOBUFS);
            }
            call.write(5, &ranges(minor));
            call.write(6, &list(&[10, 21, 22, 10]));
            call.write(7, &list(&[1, 0, 1, 0]));
            0
        });
        assert_eq!(xc.vnuma(DOM).unwrap(), Some(topology()));
        let call = "xc_domain_getvnuma(5, &, &, &, &, &, &)";
        assert_eq!(stub.calls(), [call, call]);
    }

    fn a_domain_without_a_virtual_topology_has_none(stub, xc) {
        stub.on("xc_domain_getvnuma", |call| call.fail(EOPNOTSUPP));
        assert_eq!(xc.vnuma(DOM).unwrap(), None);
    }

    fn a_topology_that_grows_between_the_calls_is_to_be_read_again(stub, xc) {
        stub.on("xc_domain_getvnuma", |call| {
            call.write(2, &(number(call.read(2, 4)) + 1).to_le_bytes());
            call.fail(ENOBUFS)
        });
        assert_eq!(xc.vnuma(DOM).unwrap_err().kind(), Kind::Again);
    }

    fn a_topology_without_a_node_is_nonsense(_stub, xc) {
        assert_eq!(xc.vnuma(DOM).unwrap_err().kind(), Kind::Other);
    }
}
