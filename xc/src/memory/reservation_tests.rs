use std::error::Error as _;
use std::sync::Arc;

use super::*;
use crate::NodeId;
use crate::backend;
use crate::backend::fake::Fake;
use crate::memory::NodeChoice;

const DOM: DomId = DomId::new(4).unwrap();

/// Over calls that do `done` extents, on a host that has domain 4.
fn doing(done: usize) -> Xc {
    let there = backend::DomainInfo { domain: 4, ..Default::default() };
    Xc::with_backend(Arc::new(Fake { done, ..Fake::with_domains(vec![there]) }))
}

fn gfns() -> [Gfn; 3] {
    [Gfn(0x200), Gfn(0x400), Gfn(0x600)]
}

#[test]
fn a_partial_population_names_domain_order_place_and_number() {
    let error = doing(2)
        .populate_physmap_exact(DOM, PageOrder::MB2, Placement::default(), &gfns())
        .unwrap_err();
    assert_eq!(error.to_string(), "domain 4: populate 3 extents of order 9 from frame 0x200 on");
    let cause = error.source().unwrap().to_string();
    assert_eq!(cause, "2 of 3 done, Xen does not say why no more");
    assert_eq!((error.kind(), error.done()), (Kind::NoMemory, Some(2)));
}

#[test]
fn a_partial_population_is_no_error_where_it_is_asked_how_far_it_got() {
    let populated =
        doing(2).populate_physmap(DOM, PageOrder::MB2, Placement::default(), &gfns()).unwrap();
    assert_eq!((populated.done(), populated.asked()), (2, 3));
    assert_eq!(populated.pv_frames().collect::<Vec<_>>(), [Mfn(0x1200), Mfn(0x1400)]);
}

#[test]
fn nothing_done_for_a_domain_that_is_gone_is_not_found() {
    let xc = Xc::with_backend(Arc::new(Fake { done: 0, ..Fake::default() }));
    let error = xc.decrease_reservation_exact(DOM, PageOrder::KB4, &gfns()[..]).unwrap_err();
    assert_eq!((error.kind(), error.done()), (Kind::NotFound, None));
}

#[test]
fn a_partial_decrease_is_a_wrong_request() {
    let frames = [Mfn(0x10), Mfn(0x11)];
    let error = doing(1).decrease_reservation_exact(DOM, PageOrder::KB4, &frames[..]).unwrap_err();
    assert_eq!(error.to_string(), "domain 4: take 2 extents of order 0 from frame 0x10 on");
    assert_eq!((error.kind(), error.done()), (Kind::Invalid, Some(1)));
}

#[test]
fn machine_frames_that_were_not_told_are_not_made_up() {
    let added = doing(2).increase_reservation(DOM, PageOrder::KB4, Placement::default(), 3);
    let expected = Increased { asked: 3, done: 2, pv_frames: Vec::new() };
    assert_eq!(added.unwrap(), expected);
}

#[test]
fn a_placement_that_cannot_be_never_reaches_xen() {
    let node = NodeChoice::Exactly(NodeId(255));
    let nowhere = Placement { node, address_bits: None };
    let error = doing(3).populate_physmap(DOM, PageOrder::KB4, nowhere, &gfns()).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (Kind::Invalid, None));
    assert_eq!(error.source().unwrap().to_string(), "node 255 stands for no node");
}
