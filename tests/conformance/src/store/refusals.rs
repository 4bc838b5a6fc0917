//! Hostile and broken peers: the daemon serves everybody else as before.

use super::fact::Facts as _;
use super::wire::{DOMAIN_PATH, READ, WRITE, packet};
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![
            a_packet_may_come_byte_by_byte,
            packets_that_come_at_once_are_answered_in_order,
            a_request_id_may_be_any_number,
            a_peer_that_leaves_in_mid_packet_disturbs_nobody,
        ])
        .by_hand(),
        Fact::of_dom0(facts![an_empty_payload_waits_for_more_bytes_in_oxenstored]).by_hand(),
        Fact::of_guests(facts![
            indices_that_make_no_sense_disturb_nobody,
            a_guest_that_never_reads_disturbs_nobody,
        ])
        .by_hand(),
    ]
    .concat()
}

fn a_packet_may_come_byte_by_byte(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let bytes = packet(READ, 7, 0, ctx.payload("").as_bytes());
    bytes.iter().for_each(|byte| wire.send_raw(&[*byte]).unwrap());
    assert_eq!(wire.receive().request, 7);
}

fn packets_that_come_at_once_are_answered_in_order(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let home = ctx.payload("");
    let write = |id, value| packet(WRITE, id, 0, ctx.payload(value).as_bytes());
    let read = |id| packet(READ, id, 0, home.as_bytes());
    wire.send_raw(&[write(1, "one"), read(2), write(3, "two"), read(4)].concat()).unwrap();
    let replies: Vec<_> = (0..4).map(|_| wire.receive()).collect();
    let ids: Vec<_> = replies.iter().map(|reply| reply.request).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert_eq!(replies[1].payload, b"one");
    assert_eq!(replies[3].payload, b"two");
}

fn a_request_id_may_be_any_number(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let ids = [0, 1, 0x8000_0000, u32::MAX].map(|id| {
        wire.send(DOMAIN_PATH, id, 0, b"0\0");
        wire.receive().request
    });
    assert_eq!(ids, [0, 1, 0x8000_0000, u32::MAX]);
}

fn a_peer_that_leaves_in_mid_packet_disturbs_nobody(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let bytes = packet(WRITE, 1, 0, ctx.payload("value").as_bytes());
    wire.send_raw(&bytes[..bytes.len() - 1]).unwrap();
    drop(wire);
    assert_eq!(ctx.dom0().read_opt(ctx.home()).unwrap(), Some(vec![]));
}

/// The C daemon answers at once.
fn an_empty_payload_waits_for_more_bytes_in_oxenstored(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.send(super::wire::START, 1, 0, b"");
    let patience = std::time::Duration::from_millis(300);
    let first = wire.try_receive_within(patience).map(|packet| packet.request);
    assert_eq!(first, ctx.per(Per { c: Some(1), ocaml: None }));
    wire.send(DOMAIN_PATH, 2, 0, b"0\0");
    assert_eq!(wire.receive().request, ctx.per(Per { c: 2, ocaml: 1 }));
}

fn indices_that_make_no_sense_disturb_nobody(ctx: &Ctx) {
    let ring = ctx.me().ring();
    // More requests than the ring can hold.
    ring.page.store(2052, 0x4000_0000);
    ring.bell.ring().unwrap();
    let other = ctx.guest();
    let mut wire = other.wire();
    assert_eq!(wire.ask(DOMAIN_PATH, b"0\0").unwrap(), b"/local/domain/0\0");
    assert_eq!(ctx.dom0().read_opt(ctx.home()).unwrap(), Some(vec![]));
}

fn a_guest_that_never_reads_disturbs_nobody(ctx: &Ctx) {
    let ring = ctx.me().ring();
    let request = packet(READ, 1, 0, ctx.payload("").as_bytes());
    let many: Vec<u8> = request.iter().copied().cycle().take(1024).collect();
    ring.page.write(0, &many);
    ring.page.store(2052, 1024);
    ring.bell.ring().unwrap();
    let other = ctx.guest();
    let mut wire = other.wire();
    assert_eq!(wire.ask(DOMAIN_PATH, b"0\0").unwrap(), b"/local/domain/0\0");
}
