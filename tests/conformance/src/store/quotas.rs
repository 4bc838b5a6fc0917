//! Quotas: what a guest may use. dom0 may use what it wants.
//!
//! Those of the C daemon are its defaults (`tools/xenstore/xenstored_core.c`, `main`), those of
//! oxenstored are in its configuration (tools/ocaml/xenstored/oxenstored.conf.in).

use xs::{Access, Kind, Perms, ask};

use super::conn::{Conn, Tx, Watch};
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_guests(facts![
            a_guest_has_so_many_watches,
            a_guest_has_so_many_nodes,
            a_guest_has_so_many_transactions,
            transactions_that_failed_do_not_count,
            a_guest_lists_so_many_domains,
            a_guest_writes_so_many_bytes,
            a_node_has_so_many_children,
            a_transaction_has_so_many_nodes,
            over_a_quota_all_else_goes_on,
        ]),
        Fact::of_dom0(facts![dom0_has_no_quotas]),
    ]
    .concat()
}

/// What was refused, by its name, and after how many.
fn refused<T>(tries: impl Iterator<Item = xs::Result<T>>) -> (usize, String) {
    let mut done = Vec::new();
    for outcome in tries {
        match outcome {
            Ok(value) => done.push(value),
            Err(error) => return (done.len(), error.code().unwrap().name().to_owned()),
        }
    }
    (done.len(), "nothing".to_owned())
}

/// One more than the quota says, in both.
fn a_guest_has_so_many_watches(ctx: &Ctx) {
    let watch = |n: u32| ctx.conn().watch(&ctx.home().join(n));
    let (count, code) = refused((0..1000).map(watch));
    let expected = Per { c: (129, "E2BIG"), ocaml: (101, "EQUOTA") };
    assert_eq!((count, &*code), ctx.per(expected));
}

/// Its home and the one of this fact count.
fn a_guest_has_so_many_nodes(ctx: &Ctx) {
    let make = |n: u32| ctx.conn().mkdir(&ctx.home().join(n / 100).join(n));
    let (count, code) = refused((0..2000).map(make));
    let expected = Per { c: (988, "ENOSPC"), ocaml: (988, "EQUOTA") };
    assert_eq!((count, &*code), ctx.per(expected));
}

fn a_guest_has_so_many_transactions(ctx: &Ctx) {
    let count = within(ctx.conn(), 0);
    assert_eq!(count, ctx.per(Per { c: (11, "ENOSPC".into()), ocaml: (11, "EQUOTA".into()) }));
}

fn transactions_that_failed_do_not_count(ctx: &Ctx) {
    (0..50).for_each(|_| {
        let failed = ctx.conn().transaction(|tx| tx.read(&ctx.node("missing")));
        assert_eq!(failed.unwrap_err().kind(), Kind::NotFound);
    });
    ctx.conn().transaction(|tx| tx.write(&ctx.node("a"), "1")).unwrap();
}

/// Transactions inside each other's time.
fn within(conn: &Conn, count: usize) -> (usize, String) {
    let mut found = None;
    let mut entered = false;
    let outcome = conn.transaction(|_: &Tx<'_>| {
        entered = true;
        found = (count < 50).then(|| within(conn, count + 1));
        Ok(())
    });
    match outcome {
        Err(error) if !entered => (count, error.code().unwrap().name().to_owned()),
        outcome => {
            outcome.unwrap();
            found.unwrap_or((count, "nothing".to_owned()))
        }
    }
}

/// The owner's entry counts.
fn a_guest_lists_so_many_domains(ctx: &Ctx) {
    let mut perms = Perms::private(ctx.domid());
    let grow = |_| {
        perms = perms.clone().allow(ctx.nobody(), Access::Read);
        ctx.conn().set_perms(ctx.home(), &perms)
    };
    let (count, code) = refused((0..20).map(grow));
    let expected = Per { c: (4, "ENOSPC"), ocaml: (20, "nothing") };
    assert_eq!((count, &*code), ctx.per(expected));
}

/// In the C daemon the node as a whole must have less than 2048 bytes: 24 are its header, 8 each of
/// its permissions (`struct xs_tdb_record_hdr`).
fn a_guest_writes_so_many_bytes(ctx: &Ctx) {
    let write = |n: usize| ctx.conn().write(&ctx.node("a"), vec![b'x'; 1900 + n]);
    let (count, code) = refused((0..300).map(write));
    let expected = Per { c: (2015 - 1900 + 1, "ENOSPC"), ocaml: (2048 - 1900 + 1, "E2BIG") };
    assert_eq!((count, &*code), ctx.per(expected));
}

/// Their names are part of the node in the C daemon.
fn a_node_has_so_many_children(ctx: &Ctx) {
    let make = |n: u32| ctx.conn().mkdir(&ctx.home().join(100_000_000 + n));
    let (count, code) = refused((0..900).map(make));
    let expected = Per { c: (201, "ENOSPC"), ocaml: (900, "nothing") };
    assert_eq!((count, &*code), ctx.per(expected));
}

/// The C daemon counts the nodes that are looked for, and oxenstored requests.
fn a_transaction_has_so_many_nodes(ctx: &Ctx) {
    let mut found = (0, String::new());
    let outcome: xs::Result<()> = ctx.conn().transaction(|tx| {
        let look = |n: u32| tx.read_opt(&ctx.home().join(n));
        found = refused((0..2000).map(look));
        tx.read(&ctx.node("missing")).map(drop)
    });
    outcome.unwrap_err();
    let expected = Per { c: (1023, "ENOSPC"), ocaml: (1024, "EQUOTA") };
    assert_eq!((found.0, &*found.1), ctx.per(expected));
}

fn over_a_quota_all_else_goes_on(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let too_many: Vec<_> = (0..200_u32).map(|n| ctx.conn().watch(&ctx.home().join(n))).collect();
    let refused = too_many.iter().filter_map(|watch| watch.as_ref().err()).next().unwrap();
    assert!(matches!(refused.kind(), Kind::NoMemory | Kind::Invalid));
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap(), "1");
    drop(too_many);
    ctx.conn().watch_on(ctx.home());
}

fn dom0_has_no_quotas(ctx: &Ctx) {
    let watches: Vec<Watch> =
        (0..300_u32).map(|n| ctx.conn().watch(&ctx.home().join(n)).unwrap()).collect();
    drop(watches);
    let nodes: Vec<_> = (0..1500_u32).map(|n| ctx.home().join(n)).collect();
    let made = ctx.conn().batch(nodes.iter().map(ask::mkdir).collect());
    made.into_iter().for_each(|made| made.unwrap());
    let (count, _) = within(ctx.conn(), 0);
    assert_eq!(count, 50);
}
