use super::*;

fn two_nodes() -> VirtualNuma {
    VirtualNuma {
        distances: vec![vec![10, 20], vec![20, 10]],
        memory: vec![
            VirtualRange { start: 0, end: 0x400_0000, node: NodeId(0) },
            VirtualRange { start: 0x400_0000, end: 0x800_0000, node: NodeId(1) },
        ],
        vcpus: vec![NodeId(0), NodeId(1)],
    }
}

fn refusal(topology: &VirtualNuma, nodes: usize) -> String {
    topology.check(nodes).unwrap_err().to_string()
}

#[test]
fn parts_that_fit_pass() {
    assert!(two_nodes().check(2).is_ok());
}

#[test]
fn a_node_without_a_place_is_refused() {
    let wrong = "there is not one physical node for each virtual one";
    assert_eq!(refusal(&two_nodes(), 1), wrong);
    assert_eq!(refusal(&two_nodes(), 3), wrong);
}

#[test]
fn distances_are_square() {
    let mut topology = two_nodes();
    topology.distances[1].pop();
    assert_eq!(refusal(&topology, 2), "a row of distances is not as long as there are rows");
}

#[test]
fn memory_and_virtual_cpus_are_on_nodes_that_are_there() {
    let mut topology = two_nodes();
    topology.memory[1].node = NodeId(2);
    assert_eq!(refusal(&topology, 2), "a range of memory is on a node that is not there");
    topology.vcpus[0] = NodeId(2);
    assert_eq!(refusal(&topology, 2), "a virtual CPU is on a node that is not there");
}

#[test]
fn a_range_has_an_end_behind_its_start() {
    let mut topology = two_nodes();
    topology.memory[0].end = 0;
    assert_eq!(refusal(&topology, 2), "a range of memory ends before it starts");
}

#[test]
fn nothing_is_no_topology() {
    let empty = "a topology needs a node, a range of memory and a virtual CPU";
    assert_eq!(refusal(&VirtualNuma::default(), 0), empty);
    assert_eq!(refusal(&VirtualNuma { memory: Vec::new(), ..two_nodes() }, 2), empty);
    assert_eq!(refusal(&VirtualNuma { vcpus: Vec::new(), ..two_nodes() }, 2), empty);
}
