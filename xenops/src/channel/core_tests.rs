use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;
use xc::grant::Access;
use xc::grant::backend::Mapping;
use xen_types::{DomId, Kind};

use super::super::fake::Machine;
use super::*;

/// Both ends with queues of at least so many bytes, and all of the memory.
fn ends(left: u64, right: u64) -> (Core, Core, Mapping) {
    let machine = Machine::new();
    let (server, client) = on(&machine, left, right);
    (server, client.unwrap(), machine.memory())
}

fn on(machine: &Arc<Machine>, left: u64, right: u64) -> (Core, Result<Core, Cause>) {
    let orders = Orders::for_bytes(left, right).unwrap();
    let share = |pages, access| machine.shares().share(DomId::DOM0, pages, access).unwrap();
    let further = |(_, place), access| match place {
        Place::InPage(_) => None,
        Place::Pages(count) => Some(share(count, access)),
    };
    let control = share(1, Access::Write);
    let page = control.refs()[0];
    let left = further(orders.left(), Access::Write);
    let right = further(orders.right(), Access::Read);
    let server = Core::serve(control, orders, left, right).unwrap();
    (server, attend(machine, page))
}

fn attend(machine: &Arc<Machine>, page: GrantRef) -> Result<Core, Cause> {
    let grants = machine.grants();
    let map = |references: &[GrantRef], written| {
        let access = if written { Access::Write } else { Access::Read };
        grants.map(DomId::DOM0, references, access)
    };
    let client = Core::attend(map(&[page], true)?, map)?;
    client.control.store_u8(CLIENT_LIVES, THERE)?;
    Ok(client)
}

/// The first page shared is page 0 of the memory.
fn spoil(memory: &Mapping, offset: usize, bytes: &[u8]) {
    memory.write(offset, bytes).unwrap();
}

const QUIET: Moved = Moved { bytes: 0, ring: false };

#[test]
fn bytes_come_out_as_they_went_in_both_ways() {
    let (mut server, mut client, _) = ends(1024, 2048);
    let mut read = [0; 8];
    assert_eq!(client.write(b"question").unwrap().bytes, 8);
    assert_eq!(server.read(&mut read).unwrap().bytes, 8);
    assert_eq!(&read, b"question");
    assert_eq!(server.write(b"answer").unwrap().bytes, 6);
    assert_eq!(client.read(&mut read).unwrap().bytes, 6);
    assert_eq!(&read[..6], b"answer");
}

#[test]
fn the_page_is_the_one_of_libxenvchan() {
    let (_server, mut client, memory) = ends(1024, 2048);
    client.write(b"hello").unwrap();
    let mut page = [0; 24];
    memory.read(0, &mut page).unwrap();
    let indices = [0_u32, 5, 0, 0].map(u32::to_le_bytes).concat();
    assert_eq!(page[..16], indices);
    assert_eq!(page[16..20], [10, 0, 11, 0]);
    assert_eq!(page[20..22], [1, 1], "both are there");
    let mut queue = [0; 5];
    memory.read(1024, &mut queue).unwrap();
    assert_eq!(&queue, b"hello");
}

#[test]
fn the_references_of_further_pages_stand_behind_the_head() {
    let (mut server, mut client, memory) = ends(8192, 4096);
    let references = [24, 28, 32, 36].map(|offset| memory.load_u32(offset).unwrap());
    assert_eq!(references, [101, 102, 103, 0], "left, left, right");
    let all = vec![7; 8192];
    assert_eq!(client.write(&all).unwrap().bytes, 8192);
    assert_eq!(memory.load_u8(3 * 4096 - 1).unwrap(), 7);
    assert_eq!(server.read(&mut vec![0; 9000]).unwrap().bytes, 8192);
}

#[test]
fn a_full_queue_takes_no_more_and_its_writer_is_rung_for() {
    let (mut server, mut client, _) = ends(1024, 2048);
    assert_eq!(client.write(&[1; 1500]).unwrap().bytes, 1024);
    assert_eq!(client.write(&[1]).unwrap(), QUIET);
    assert_eq!(server.read(&mut [0]).unwrap(), Moved { bytes: 1, ring: true });
    assert_eq!(server.read(&mut [0]).unwrap(), Moved { bytes: 1, ring: false });
    assert_eq!(client.write(&[1; 3]).unwrap().bytes, 2);
}

#[test]
fn whoever_found_nothing_is_rung_for_once() {
    let (mut server, mut client, _) = ends(1024, 2048);
    assert_eq!(client.read(&mut [0; 4]).unwrap(), QUIET);
    assert_eq!(server.write(b"a").unwrap(), Moved { bytes: 1, ring: true });
    assert_eq!(server.write(b"b").unwrap(), Moved { bytes: 1, ring: false });
}

#[test]
fn an_impossible_index_ends_the_channel_for_good() {
    let (mut server, mut client, memory) = ends(1024, 2048);
    client.write(b"hello").unwrap();
    spoil(&memory, 4, &1025_u32.to_le_bytes());
    let error = server.read(&mut [0; 4]).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.to_string(), "the other end wrote a producer index that cannot be, 0x401");
    spoil(&memory, 4, &5_u32.to_le_bytes());
    assert_eq!(server.read(&mut [0; 4]).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(server.write(b"x").unwrap_err().kind(), Kind::Invalid);
    assert_eq!(server.peer().unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn the_own_indices_are_not_read_from_the_page() {
    let (mut server, mut client, memory) = ends(1024, 2048);
    client.write(b"hello").unwrap();
    spoil(&memory, 0, &4_u32.to_le_bytes()); // the server's consumer index
    let mut read = [0; 5];
    assert_eq!(server.read(&mut read).unwrap().bytes, 5);
    assert_eq!(&read, b"hello");
}

#[test]
fn a_client_refuses_orders_that_have_no_room() {
    let machine = Machine::new();
    drop(machine.shares().share(DomId::DOM0, 1, Access::Write).unwrap());
    let control = machine.shares().share(DomId::DOM0, 1, Access::Write).unwrap();
    control.store_u8(SERVER_LIVES, THERE).unwrap();
    let refused = |orders: &[u8; 4]| {
        control.write(ORDERS, orders).unwrap();
        attend(&machine, control.refs()[0]).unwrap_err().kind()
    };
    assert_eq!(refused(&[0, 0, 0, 0]), Kind::Invalid);
    assert_eq!(refused(&[10, 0, 10, 0]), Kind::Invalid);
    assert_eq!(refused(&[255, 255, 11, 0]), Kind::Invalid);
    assert_eq!(refused(&[20, 0, 10, 0]), Kind::Invalid);
}

#[test]
fn a_client_stays_away_where_another_one_is_or_the_server_is_not() {
    let machine = Machine::new();
    let (server, client) = on(&machine, 1024, 2048);
    let page = GrantRef(100);
    assert_eq!(attend(&machine, page).unwrap_err().kind(), Kind::Busy);
    drop((server, client));
    let control = machine.shares().share(DomId::DOM0, 1, Access::Write).unwrap();
    assert_eq!(attend(&machine, control.refs()[0]).unwrap_err().kind(), Kind::Gone);
}

#[test]
fn only_the_client_is_awaited() {
    let (server, client, memory) = ends(1024, 2048);
    spoil(&memory, CLIENT_LIVES, &[AWAITED, AWAITED]);
    assert_eq!(server.peer().unwrap(), Peer::Awaited);
    assert_eq!(client.peer().unwrap(), Peer::There);
    spoil(&memory, CLIENT_LIVES, &[GONE, GONE]);
    assert_eq!((server.peer().unwrap(), client.peer().unwrap()), (Peer::Gone, Peer::Gone));
}

#[test]
fn an_end_that_was_seen_to_have_gone_does_not_come_back() {
    let (server, client, memory) = ends(1024, 2048);
    spoil(&memory, CLIENT_LIVES, &[GONE, GONE]);
    assert_eq!((server.peer().unwrap(), client.peer().unwrap()), (Peer::Gone, Peer::Gone));
    spoil(&memory, CLIENT_LIVES, &[AWAITED, THERE]);
    assert_eq!((server.peer().unwrap(), client.peer().unwrap()), (Peer::Gone, Peer::Gone));
}

#[derive(Debug, Clone)]
struct Step {
    of_server: bool,
    writes: bool,
    count: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<bool>(), any::<bool>(), 0_usize..3000);
    let step = step.prop_map(|(of_server, writes, count)| Step { of_server, writes, count });
    proptest::collection::vec(step, 1..60)
}

/// What one end has written and the other not yet read, and who is to be rung for.
#[derive(Default)]
struct Model {
    on_the_way: VecDeque<u8>,
    reader_waits: bool,
    writer_waits: bool,
}

impl Model {
    fn wrote(&mut self, asked: &[u8], moved: Moved) {
        self.on_the_way.extend(&asked[..moved.bytes]);
        if moved.bytes > 0 {
            assert!(moved.ring || !self.reader_waits, "the reader sleeps on");
            self.reader_waits = false;
        }
        self.writer_waits |= moved.bytes < asked.len();
    }

    fn read(&mut self, asked: &[u8], moved: Moved) {
        let expected: Vec<u8> = self.on_the_way.drain(..moved.bytes).collect();
        assert_eq!(asked[..moved.bytes], expected);
        if moved.bytes > 0 {
            assert!(moved.ring || !self.writer_waits, "the writer sleeps on");
            self.writer_waits = false;
        }
        self.reader_waits |= moved.bytes < asked.len();
        assert!(moved.bytes == asked.len() || self.on_the_way.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_is_lost_reordered_or_slept_through(
        steps in steps(),
        left in 1_u64..9000,
        right in 1_u64..9000,
    ) {
        let (mut server, mut client, _) = ends(left, right);
        let (mut to_server, mut to_client) = (Model::default(), Model::default());
        let mut next = 0_u8;
        for Step { of_server, writes, count } in steps {
            let (end, out, back) = if of_server {
                (&mut server, &mut to_client, &mut to_server)
            } else {
                (&mut client, &mut to_server, &mut to_client)
            };
            let mut bytes = vec![0; count];
            if writes {
                for byte in &mut bytes {
                    *byte = next;
                    next = next.wrapping_add(1);
                }
                let moved = end.write(&bytes).unwrap();
                out.wrote(&bytes, moved);
            } else {
                let moved = end.read(&mut bytes).unwrap();
                back.read(&bytes, moved);
            }
        }
    }

    #[test]
    fn whatever_stands_in_the_page_an_end_neither_panics_nor_invents_bytes(
        steps in steps(),
        spoils in proptest::collection::vec((0_usize..40, any::<u32>()), 60),
        left in 1_u64..9000,
        right in 1_u64..9000,
    ) {
        let (mut server, mut client, memory) = ends(left, right);
        for (Step { of_server, writes, count }, (offset, value)) in steps.into_iter().zip(spoils) {
            spoil(&memory, offset, &value.to_le_bytes());
            let end = if of_server { &mut server } else { &mut client };
            let mut bytes = vec![0; count];
            let done = if writes { end.write(&bytes) } else { end.read(&mut bytes) };
            match done {
                Ok(moved) => prop_assert!(moved.bytes <= count),
                Err(cause) => prop_assert_eq!(cause.kind(), Kind::Invalid),
            }
        }
    }

    #[test]
    fn a_client_survives_any_page(
        head in proptest::collection::vec(any::<u8>(), 40),
        orders in (8_u8..22, 8_u8..22),
    ) {
        let machine = Machine::new();
        let control = machine.shares().share(DomId::DOM0, 1, Access::Write).unwrap();
        control.write(0, &head).unwrap();
        control.write(ORDERS, &[orders.0, 0, orders.1, 0, AWAITED, THERE]).unwrap();
        if let Ok(mut client) = Core::attend(
            machine.grants().map(DomId::DOM0, control.refs(), Access::Write).unwrap(),
            |references, _| machine.grants().map(DomId::DOM0, &references[..1], Access::Write),
        ) {
            let _ = client.read(&mut [0; 5000]);
            let _ = client.write(&[0; 5000]);
        }
    }
}
