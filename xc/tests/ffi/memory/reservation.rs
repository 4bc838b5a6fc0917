//! Memory given and taken, extent by extent.

use std::error::Error as _;

use xc::{Kind, NodeChoice, NodeId, PageOrder, Placement};
use xen_abi::Stub;
use xen_types::{Gfn, Mfn, PageCount};

use crate::opened::{DOM, ESRCH, on_every_release};

const ANYWHERE: Placement = Placement { node: NodeChoice::Any, address_bits: None };

/// Beyond 32 bits, so that a narrowed list shows.
fn gfns() -> [Gfn; 3] {
    [Gfn(0x1_0000_0000), Gfn(0x1_0000_0200), Gfn(0x1_0000_0400)]
}

fn list(frames: &[u64]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.to_le_bytes()).collect()
}

/// Domain 5 exists and has these flags.
fn exists(stub: &Stub, flags: u64) {
    let layout = xen_abi::layout("xc_domaininfo_t", stub.minor()).unwrap();
    stub.on("xc_domain_getinfolist", move |call| {
        call.write(3, &layout.bytes(&[("domain", 5), ("flags", flags)]));
        1
    });
}

on_every_release! {
    fn a_population_passes_frames_order_and_flags_and_returns_machine_frames(stub, xc) {
        stub.on("xc_domain_populate_physmap", |call| {
            let asked = [0x1_0000_0000, 0x1_0000_0200, 0x1_0000_0400];
            assert_eq!(call.read(5, 24), list(&asked));
            call.write(5, &list(&[0x2_0000_0000, 0x2_0000_0200]));
            2
        });
        let placement =
            Placement { node: NodeChoice::Exactly(NodeId(1)), address_bits: Some(44) };
        let populated = xc.populate_physmap(DOM, PageOrder::MB2, placement, &gfns()).unwrap();
        assert_eq!((populated.done(), populated.asked()), (2, 3));
        let frames: Vec<_> = populated.pv_frames().collect();
        assert_eq!(frames, [Mfn(0x2_0000_0000), Mfn(0x2_0000_0200)]);
        assert_eq!(stub.calls(), ["xc_domain_populate_physmap(5, 3, 9, 131628, &)"]);
    }

    fn an_exact_population_of_all_asks_nothing_more(stub, xc) {
        stub.on("xc_domain_populate_physmap", |_| 3);
        let populated = xc.populate_physmap_exact(DOM, PageOrder::KB4, ANYWHERE, &gfns()).unwrap();
        assert_eq!(populated.done(), 3);
        assert_eq!(stub.calls(), ["xc_domain_populate_physmap(5, 3, 0, 0, &)"]);
    }

    fn an_exact_population_of_some_tells_how_many(stub, xc) {
        stub.on("xc_domain_populate_physmap", |_| 1);
        exists(stub, 0);
        let error = xc.populate_physmap_exact(DOM, PageOrder::GB1, ANYWHERE, &gfns()).unwrap_err();
        assert_eq!((error.kind(), error.done()), (Kind::NoMemory, Some(1)));
        let text = "domain 5: populate 3 extents of order 18 from frame 0x100000000 on";
        assert_eq!(error.to_string(), text);
        assert_eq!(stub.calls(), [
            "xc_domain_populate_physmap(5, 3, 18, 0, &)",
            "xc_domain_getinfolist(5, 1, &)",
        ]);
    }

    fn more_extents_than_asked_for_are_nonsense(stub, xc) {
        stub.on("xc_domain_populate_physmap", |_| 4);
        let error = xc.populate_physmap(DOM, PageOrder::KB4, ANYWHERE, &gfns()).unwrap_err();
        let cause = error.source().unwrap().to_string();
        assert_eq!(cause, "xc_domain_populate_physmap answered 4");
    }

    fn an_increase_tells_the_frames_that_xen_tells(stub, xc) {
        stub.on("xc_domain_increase_reservation", |call| {
            call.write(5, &list(&[0x2_0000_0000]));
            1
        });
        let added = xc.increase_reservation(DOM, PageOrder::KB4, ANYWHERE, 2).unwrap();
        assert_eq!((added.asked, added.done), (2, 1));
        assert_eq!(added.pv_frames, [Mfn(0x2_0000_0000)]);
        stub.on("xc_domain_increase_reservation", |_| 2);
        let frames = xc.increase_reservation_exact(DOM, PageOrder::MB2, ANYWHERE, 2).unwrap();
        assert_eq!(frames, []);
        assert_eq!(stub.calls(), [
            "xc_domain_increase_reservation(5, 2, 0, 0, &)",
            "xc_domain_increase_reservation(5, 2, 9, 0, &)",
        ]);
    }

    fn a_decrease_passes_its_frames_and_counts(stub, xc) {
        stub.on("xc_domain_decrease_reservation", |call| {
            assert_eq!(call.read(4, 16), list(&[7, 0x2_0000_0000]));
            1
        });
        let frames = [Mfn(7), Mfn(0x2_0000_0000)];
        assert_eq!(xc.decrease_reservation(DOM, PageOrder::MB2, &frames[..]).unwrap(), 1);
        exists(stub, 0);
        let error =
            xc.decrease_reservation_exact(DOM, PageOrder::MB2, &frames[..]).unwrap_err();
        assert_eq!((error.kind(), error.done()), (Kind::Invalid, Some(1)));
        assert_eq!(stub.calls(), [
            "xc_domain_decrease_reservation(5, 2, 9, &)",
            "xc_domain_decrease_reservation(5, 2, 9, &)",
            "xc_domain_getinfolist(5, 1, &)",
        ]);
    }

    fn a_failed_call_is_told_with_its_errno(stub, xc) {
        stub.on("xc_domain_populate_physmap", |call| call.fail(ESRCH));
        let error = xc.populate_physmap(DOM, PageOrder::KB4, ANYWHERE, &gfns()).unwrap_err();
        assert_eq!((error.kind(), error.domain()), (Kind::NotFound, Some(DOM)));
    }

    fn frames_are_marked_for_population_on_demand_in_hvm_alone(stub, xc) {
        stub.on("xc_domain_populate_physmap", |_| 3);
        exists(stub, 1 << 1);
        xc.populate_on_demand(DOM, PageOrder::MB2, &gfns()).unwrap();
        assert_eq!(stub.calls(), [
            "xc_domain_getinfolist(5, 1, &)",
            "xc_domain_populate_physmap(5, 3, 9, 65536, &)",
        ]);
        exists(stub, 0);
        let error = xc.populate_on_demand(DOM, PageOrder::MB2, &gfns()).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(stub.calls(), ["xc_domain_getinfolist(5, 1, &)"]);
    }

    fn a_target_on_demand_is_set_and_read(stub, xc) {
        stub.on("xc_domain_set_pod_target", |call| {
            call.write(3, &0x1_0000_0003_u64.to_le_bytes());
            call.write(4, &0x1_0000_0002_u64.to_le_bytes());
            call.write(5, &0x1_0000_0001_u64.to_le_bytes());
            0
        });
        let state = xc.set_pod_target(DOM, PageCount(0x1_0000_0004)).unwrap();
        assert_eq!(state.pages, PageCount(0x1_0000_0003));
        assert_eq!(state.cached, PageCount(0x1_0000_0002));
        assert_eq!(state.outstanding, PageCount(0x1_0000_0001));
        stub.on("xc_domain_get_pod_target", |call| {
            call.write(3, &6_u64.to_le_bytes());
            0
        });
        assert_eq!(xc.pod_state(DOM).unwrap().cached, PageCount(6));
        assert_eq!(stub.calls(), [
            "xc_domain_set_pod_target(5, 4294967300, &, &, &)",
            "xc_domain_get_pod_target(5, &, &, &)",
        ]);
    }
}
