//! Where processors, memory and devices are.

use std::error::Error as _;
use std::time::Duration;

use xc::{CpuPlace, DeviceNode, Kind, Node, NodeId};
use xen_abi::layout;
use xen_types::{Bytes, Sbdf};

use crate::opened::{on_every_release, open};

const NONE: u64 = 0xffff_ffff;

on_every_release! {
    fn processors_that_are_not_there_have_no_place(stub, xc) {
        let layout = layout("xc_cputopo_t", stub.minor()).unwrap();
        stub.on("xc_get_max_cpus", |_| 4);
        stub.on("xc_cputopoinfo", |call| {
            assert_eq!(call.read(1, 4), 4_u32.to_le_bytes());
            let entry = |core, socket, node| {
                layout.bytes(&[("core", core), ("socket", socket), ("node", node)])
            };
            let entries = [entry(1, 2, 3), entry(NONE, NONE, NONE), entry(4, 5, NONE)];
            call.write(2, &entries.concat());
            call.write(1, &3_u32.to_le_bytes());
            0
        });
        assert_eq!(xc.cpu_topology().unwrap(), [
            Some(CpuPlace { core: 1, socket: 2, node: Some(NodeId(3)) }),
            None,
            Some(CpuPlace { core: 4, socket: 5, node: None }),
        ]);
        assert_eq!(stub.calls(), ["xc_get_max_cpus()", "xc_cputopoinfo(&, &)"]);
    }

    fn distances_have_rows_of_as_many_nodes_as_there_are(stub, xc) {
        let layout = layout("xc_meminfo_t", stub.minor()).unwrap();
        stub.on("xc_get_max_nodes", |_| 64);
        stub.on("xc_numainfo", |call| {
            assert_eq!(call.read(1, 4), 64_u32.to_le_bytes());
            let entry = |size, free| layout.bytes(&[("memsize", size), ("memfree", free)]);
            call.write(2, &[entry(1 << 40, 4096), entry(NONE, NONE), entry(8192, 0)].concat());
            let distances = [10, 255, 21, 255, 255, u32::MAX, 22, 255, 10];
            call.write(3, &distances.map(u32::to_le_bytes).concat());
            call.write(1, &3_u32.to_le_bytes());
            0
        });
        let numa = xc.numa().unwrap();
        let node = |id, size, free| (NodeId(id), Node { size: Bytes(size), free: Bytes(free) });
        let online: Vec<_> = numa.nodes().collect();
        assert_eq!(online, [node(0, 1 << 40, 4096), node(2, 8192, 0)]);
        assert_eq!(numa.node(NodeId(2)), Some(online[1].1));
        assert_eq!((numa.node(NodeId(1)), numa.node(NodeId(3))), (None, None));
        let distance = |from, to| numa.distance(NodeId(from), NodeId(to));
        assert_eq!((distance(0, 2), distance(2, 0)), (Some(21), Some(22)));
        assert_eq!((distance(1, 2), distance(0, 3), distance(3, 0)), (None, None, None));
        assert_eq!(stub.calls(), ["xc_get_max_nodes()", "xc_numainfo(&, &, &)"]);
    }

    fn a_node_without_a_number_is_not_believed(stub, xc) {
        let layout = layout("xc_cputopo_t", stub.minor()).unwrap();
        stub.on("xc_get_max_cpus", |_| 1);
        stub.on("xc_cputopoinfo", |call| {
            call.write(2, &layout.bytes(&[("node", 256)]));
            0
        });
        stub.on("xc_pcitopoinfo", |call| {
            call.write(3, &300_u32.to_le_bytes());
            0
        });
        stub.on("xc_get_max_nodes", |_| 257);
        let error = xc.cpu_topology().unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "xc_cputopoinfo answered 256");
        assert_eq!(error.kind(), Kind::Other);
        let error = xc.device_nodes(&["00:01.0".parse().unwrap()]).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "xc_pcitopoinfo answered 300");
        let error = xc.numa().unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "xc_numainfo answered 256");
    }

    fn every_device_has_a_node_or_a_reason_for_none(stub, xc) {
        let layout = layout("struct physdev_pci_device", stub.minor()).unwrap();
        stub.on("xc_pcitopoinfo", |call| {
            let device = |seg, bus, devfn| {
                layout.bytes(&[("seg", seg), ("bus", bus), ("devfn", devfn)])
            };
            let devices = [device(1, 2, 0x1c), device(0, 0, 8), device(0, 0xff, 0)].concat();
            assert_eq!(call.read(2, 12), devices);
            call.write(3, &[1, u32::MAX, u32::MAX - 1].map(u32::to_le_bytes).concat());
            0
        });
        let devices = ["0001:02:03.4", "00:01.0", "ff:00.0"].map(|text| text.parse::<Sbdf>().unwrap());
        assert_eq!(
            xc.device_nodes(&devices).unwrap(),
            [DeviceNode::Node(NodeId(1)), DeviceNode::Unknown, DeviceNode::NoDevice]
        );
        assert_eq!(stub.calls(), ["xc_pcitopoinfo(3, &, &)"]);
    }

    fn idle_times_are_nanoseconds_of_as_many_processors_as_answered(stub, xc) {
        stub.on("xc_get_max_cpus", |_| 8);
        stub.on("xc_getcpuinfo", |call| {
            call.write(2, &[5_u64, 1_000_000_007].map(u64::to_le_bytes).concat());
            call.write(3, &2_i32.to_le_bytes());
            0
        });
        let times = xc.cpu_idle_times().unwrap();
        assert_eq!(times, [Duration::from_nanos(5), Duration::new(1, 7)]);
        assert_eq!(stub.calls(), ["xc_get_max_cpus()", "xc_getcpuinfo(8, &, &)"]);
    }

    fn counts_are_what_the_library_returns(stub, xc) {
        stub.on("xc_get_online_cpus", |_| 3);
        stub.on("xc_get_max_nodes", |_| 64);
        assert_eq!((xc.online_cpus().unwrap(), xc.max_nodes().unwrap()), (3, 64));
    }
}

#[test]
fn a_processor_says_what_it_is_from_4_18() {
    let (stub, xc) = open(18);
    let layout = layout("struct xenpf_pcpu_version", 18).unwrap();
    stub.on("xc_get_cpu_version", |call| {
        let asked = layout.value(&call.read(1, layout.size), "xen_cpuid");
        let mut bytes = layout.bytes(&[("family", 25), ("model", 1), ("stepping", 2)]);
        if asked == 1 {
            bytes[8..20].copy_from_slice(b"AuthenticAMD");
        }
        call.write(1, &bytes);
        0
    });
    let version = xc.cpu_version(1).unwrap().unwrap();
    assert_eq!((&version.vendor, version.family), (b"AuthenticAMD", 25));
    assert_eq!((version.model, version.stepping), (1, 2));
    assert_eq!(xc.cpu_version(7).unwrap(), None);
    let (_stub, xc) = open(17);
    assert_eq!(xc.cpu_version(0).unwrap_err().kind(), Kind::Unavailable);
}
