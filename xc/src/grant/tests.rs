use std::error::Error as _;

use xen_types::{DomId, GrantRef, Kind, Port};

use super::fake::Machine;
use super::*;

const DOM: DomId = DomId::DOM0;

fn guest() -> DomId {
    DomId::new(9).unwrap()
}

#[test]
fn what_one_domain_shares_the_other_maps_and_sees() {
    let machine = Machine::new();
    let share = machine.shares().share(DOM, 2, Access::Write).unwrap();
    let mapped = machine.grants().map(DOM, share.refs(), Access::Write).unwrap();
    share.write(4095, b"hello").unwrap();
    let mut seen = [0; 5];
    mapped.read(4095, &mut seen).unwrap();
    assert_eq!(&seen, b"hello");
    mapped.store_u32(0, 7).unwrap();
    assert_eq!(share.load_u32(0).unwrap(), 7);
    assert_eq!((share.len(), mapped.len()), (8192, 8192));
}

#[test]
fn guards_give_back_what_they_took_once() {
    let machine = Machine::new();
    let share = machine.shares().share(guest(), 2, Access::Read).unwrap();
    assert_eq!(share.refs(), [GrantRef(100), GrantRef(101)]);
    drop(machine.grants().map(guest(), share.refs(), Access::Read).unwrap());
    drop(share);
    let asked = ["grant 2 to 9, writable false", "map 2 of 9", "unmap 2 at 0", "end 2 at 0"]
        .map(String::from);
    assert_eq!(machine.calls(), asked);
    machine.shares().share(guest(), 1, Access::Write).unwrap().close().unwrap();
    machine.grants().map(guest(), &[GrantRef(103)], Access::Write).unwrap().close().unwrap();
    let asked = ["grant 1 to 9, writable true", "end 1 at 8192", "map 1 of 9", "unmap 1 at 12288"];
    assert_eq!(machine.calls(), asked);
}

#[test]
fn a_read_only_mapping_refuses_to_be_written() {
    let machine = Machine::new();
    let share = machine.shares().share(DOM, 1, Access::Write).unwrap();
    let mapped = machine.grants().map(DOM, share.refs(), Access::Read).unwrap();
    let refused = mapped.write(8, b"xy").unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    assert_eq!(refused.to_string(), "write 2 bytes at 0x8 of shared memory");
    assert_eq!(refused.source().unwrap().to_string(), "it is mapped for reading only");
    let refused = mapped.on_unmap(OnUnmap::clear(0)).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
}

#[test]
fn a_mapping_that_fails_leaves_no_note_in_the_kernel() {
    let machine = Machine::new();
    let error = machine.grants().map(guest(), &[GrantRef(999)], Access::Read).unwrap_err();
    assert_eq!((error.kind(), error.domain()), (Kind::Invalid, Some(guest())));
    assert_eq!(error.to_string(), "domain 9: map grant 999");
    assert_eq!(machine.calls(), ["map 1 of 9", "unmap 1 at 3682304"]);
}

#[test]
fn no_grants_or_pages_are_invalid_and_too_many_are_no_memory() {
    let machine = Machine::new();
    assert_eq!(machine.grants().map(DOM, &[], Access::Read).unwrap_err().kind(), Kind::Invalid);
    let shares = machine.shares();
    assert_eq!(shares.share(DOM, 0, Access::Read).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(shares.share(DOM, 17, Access::Read).unwrap_err().kind(), Kind::NoMemory);
}

#[test]
fn what_happens_at_the_unmapping_is_asked_for_the_byte() {
    let machine = Machine::new();
    let share = machine.shares().share(DOM, 2, Access::Write).unwrap();
    machine.calls();
    share.on_unmap(OnUnmap::clear_and_send(4100, Port(5))).unwrap();
    share.on_unmap(OnUnmap::send(Port(6))).unwrap();
    share.on_unmap(OnUnmap::clear(3)).unwrap();
    share.on_unmap(OnUnmap::NOTHING).unwrap();
    let asked = [
        "on unmap of 4100: 3, port 5",
        "on unmap of 0: 2, port 6",
        "on unmap of 3: 1, port 0",
        "on unmap of 0: 0, port 0",
    ];
    assert_eq!(machine.calls(), asked);
    assert_eq!(share.on_unmap(OnUnmap::clear(8192)).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(machine.calls(), Vec::<String>::new());
}

#[test]
fn each_copy_that_fails_is_named_and_the_others_are_made() {
    let machine = Machine::new();
    let place = |dom, gref, offset| Place { dom, gref: GrantRef(gref), offset };
    let mut read = [0; 3];
    let mut copies = [
        GrantCopy::From { place: place(DOM, 13, 0), bytes: &mut [0; 4] },
        GrantCopy::From { place: place(DOM, 8, 77), bytes: &mut read },
        GrantCopy::Between { from: place(DOM, 8, 0), to: place(guest(), 8, 0), len: 4096 },
        GrantCopy::To { place: place(DOM, 8, 4090), bytes: b"sixsix" },
    ];
    let error = machine.grants().copy(&mut copies).unwrap_err();
    let failed = [
        CopyFailure { index: 0, status: GrantStatus::BAD_GRANT_REF },
        CopyFailure { index: 2, status: GrantStatus::PERMISSION_DENIED },
    ];
    assert_eq!(error.failed_copies(), failed);
    assert_eq!((error.kind(), error.to_string()), (Kind::Invalid, "make 4 grant copies".into()));
    assert_eq!(
        error.source().unwrap().to_string(),
        "copy 0: no such grant for this domain, copy 2: the grant does not allow it"
    );
    assert_eq!(read, [77; 3]);
}

#[test]
fn a_copy_beyond_a_page_is_refused_before_any_is_made() {
    let machine = Machine::new();
    let place = Place { dom: DOM, gref: GrantRef(8), offset: 4090 };
    let start = Place { offset: 0, ..place };
    let to = |bytes| GrantCopy::To { place, bytes };
    let refused = machine.grants().copy(&mut [to(b"six by"), to(b"seven b")]).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    let mut between = [GrantCopy::Between { from: start, to: place, len: 7 }];
    assert_eq!(machine.grants().copy(&mut between).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(machine.calls(), Vec::<String>::new());
}
