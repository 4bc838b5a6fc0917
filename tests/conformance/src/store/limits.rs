//! Limits: how long values, paths and packets may be.

use std::time::Duration;

use xs::{Kind, Path};

use super::fact::Facts as _;
use super::wire::{ERROR, READ, WRITE};
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![
            a_value_too_long_for_a_packet_is_refused_and_the_connection_goes_on,
        ]),
        Fact::of_dom0(facts![
            the_longest_value_fills_a_packet_or_has_2048_bytes,
            the_longest_path_has_2048_bytes_or_3072_or_1024,
            a_path_over_the_limit_of_the_protocol_is_not_sent,
        ]),
        Fact::of_anyone(facts![
            a_packet_of_4096_bytes_is_taken,
            a_packet_over_4096_bytes_ends_the_connection_to_the_c_daemon,
        ])
        .by_hand(),
    ]
    .concat()
}

fn a_value_too_long_for_a_packet_is_refused_and_the_connection_goes_on(ctx: &Ctx) {
    let (path, value) = (ctx.node("v"), [b'x'; 2000]);
    ctx.conn().write(&path, value).unwrap();
    assert_eq!(ctx.conn().write(&path, [b'x'; 4096]).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(ctx.conn().read(&path).unwrap(), value);
}

/// oxenstored's limit is for dom0, too.
fn the_longest_value_fills_a_packet_or_has_2048_bytes(ctx: &Ctx) {
    let path = ctx.node("v");
    let fits = 4096 - path.as_str().len() - 1;
    let longest = ctx.per(Per { c: fits, ocaml: 2048 });
    ctx.conn().write(&path, vec![b'x'; longest]).unwrap();
    assert_eq!(ctx.conn().read(&path).unwrap().len(), longest);
    let refused = ctx.conn().write(&path, vec![b'x'; longest + 1]).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
}

/// Of the 3072 bytes of the protocol: the C daemon (`is_valid_nodename`) counts what is behind
/// `/local/domain/N/`, oxenstored (`quota-path-max`) all. Both limits are for dom0, too; the C
/// daemon's is a quota of guests from 4.18 on.
fn the_longest_path_has_2048_bytes_or_3072_or_1024(ctx: &Ctx) {
    let longest = ctx.per(Per { c: if ctx.xen() < (4, 18) { 2048 } else { 3072 }, ocaml: 1024 });
    ctx.conn().write(&path_of(ctx, longest), "1").unwrap();
    assert_eq!(ctx.conn().read_str(&path_of(ctx, longest)).unwrap(), "1");
    let refused = ctx.conn().write(&path_of(ctx, longest + 1), "1").unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
}

fn a_path_over_the_limit_of_the_protocol_is_not_sent(ctx: &Ctx) {
    let refused = ctx.conn().write(&path_of(ctx, 3073), "1").unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    assert_eq!(refused.code(), None);
}

/// A path of so many bytes, below the home of the fact.
fn path_of(ctx: &Ctx, len: usize) -> Path {
    let rest = len - ctx.home().as_str().len() - 1;
    ctx.home().join(&*"x".repeat(rest).leak())
}

fn a_packet_of_4096_bytes_is_taken(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let mut payload = ctx.payload("").into_bytes();
    payload.resize(4096, b'x');
    // For a guest, and for anyone in oxenstored, the value is too long, and the packet is not.
    let expected = match ctx.is_dom0() {
        true => Per { c: "ok", ocaml: "E2BIG" },
        false => Per { c: "ENOSPC", ocaml: "E2BIG" },
    };
    let outcome = wire.ask(WRITE, &payload);
    assert_eq!(outcome.err().unwrap_or("ok".into()), ctx.per(expected));
    wire.ask(READ, ctx.payload("").as_bytes()).unwrap();
}

/// oxenstored takes 4096 bytes of it, and the rest for the next packet (`Partial.of_string`,
/// tools/ocaml/libs/xb/partial.ml).
fn a_packet_over_4096_bytes_ends_the_connection_to_the_c_daemon(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let mut payload = ctx.payload("").into_bytes();
    payload.resize(4097, b'x');
    wire.send(WRITE, 1, 0, &payload);
    let answer = wire.try_receive_within(Duration::from_millis(300)).map(|reply| reply.op);
    assert_eq!(answer, ctx.per(Per { c: None, ocaml: Some(ERROR) }));
}
