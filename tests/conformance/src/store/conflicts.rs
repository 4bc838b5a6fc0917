//! Which transactions conflict. What conflicts in one daemon may commit in the other.
//!
//! The C daemon counts changes: a transaction fails if a node that it used, be it by writing, has
//! another count at the end (`tools/xenstore/xenstored_transaction.c`). oxenstored carries the
//! requests out again on the new store, and commits if all answers are the same
//! (tools/ocaml/xenstored/process.ml).

use xs::Result;

use super::conn::Tx;
use super::fact::Facts as _;
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    Fact::of_anyone(facts![
        what_was_read_and_changed_conflicts,
        what_was_found_missing_and_was_made_conflicts,
        a_list_that_was_read_and_grew_conflicts,
        what_others_change_elsewhere_does_not_conflict,
        a_transaction_that_reads_only,
        a_write_of_what_another_wrote,
        a_node_made_beside_another,
        a_change_that_was_taken_back,
        a_removal_of_what_another_wrote,
        a_transaction_reads_what_was_changed_since_it_began,
    ])
    .apart()
}

/// How often `body` runs if `meanwhile` happens in between in its first run.
fn runs(
    ctx: &Ctx,
    body: impl Fn(&Tx<'_>) -> Result<()> + Sync,
    meanwhile: impl Fn() -> Result<()> + Sync,
) -> u32 {
    let mut runs = 0;
    let commit = ctx.conn().transaction(|tx| {
        runs += 1;
        body(tx)?;
        if runs == 1 { meanwhile() } else { Ok(()) }
    });
    commit.unwrap();
    runs
}

fn what_was_read_and_changed_conflicts(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let body = |tx: &Tx<'_>| {
        tx.read(&ctx.node("a"))?;
        tx.write(&ctx.node("b/c"), "")
    };
    assert_eq!(runs(ctx, body, || ctx.conn().write(&ctx.node("a"), "2")), 2);
}

fn what_was_found_missing_and_was_made_conflicts(ctx: &Ctx) {
    let body = |tx: &Tx<'_>| {
        tx.read_opt(&ctx.node("a"))?;
        tx.write(ctx.home(), "")
    };
    assert_eq!(runs(ctx, body, || ctx.conn().write(&ctx.node("a"), "2")), 2);
}

fn a_list_that_was_read_and_grew_conflicts(ctx: &Ctx) {
    ctx.conn().mkdir(&ctx.node("list/a")).unwrap();
    let body = |tx: &Tx<'_>| {
        tx.directory(&ctx.node("list"))?;
        tx.write(&ctx.node("count"), "1")
    };
    assert_eq!(runs(ctx, body, || ctx.conn().mkdir(&ctx.node("list/b"))), 2);
}

fn what_others_change_elsewhere_does_not_conflict(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a/b"), "1").unwrap();
    ctx.conn().write(&ctx.node("c/d"), "1").unwrap();
    let body = |tx: &Tx<'_>| {
        tx.read(&ctx.node("a/b"))?;
        tx.write(&ctx.node("a/b"), "2")
    };
    assert_eq!(runs(ctx, body, || ctx.conn().write(&ctx.node("c/d"), "2")), 1);
}

fn a_transaction_that_reads_only(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let body = |tx: &Tx<'_>| tx.read(&ctx.node("a")).map(drop);
    let runs = runs(ctx, body, || ctx.conn().write(&ctx.node("a"), "2"));
    assert_eq!(runs, ctx.per(Per { c: 2, ocaml: 1 }));
}

fn a_write_of_what_another_wrote(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let body = |tx: &Tx<'_>| tx.write(&ctx.node("a"), "mine");
    let runs = runs(ctx, body, || ctx.conn().write(&ctx.node("a"), "theirs"));
    assert_eq!(runs, ctx.per(Per { c: 2, ocaml: 1 }));
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap(), "mine");
}

fn a_node_made_beside_another(ctx: &Ctx) {
    let body = |tx: &Tx<'_>| tx.write(&ctx.node("a"), "mine");
    let runs = runs(ctx, body, || ctx.conn().write(&ctx.node("b"), "theirs"));
    assert_eq!(runs, ctx.per(Per { c: 2, ocaml: 1 }));
    assert_eq!(ctx.conn().directory(ctx.home()).unwrap().len(), 2);
}

fn a_change_that_was_taken_back(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let body = |tx: &Tx<'_>| {
        tx.read(&ctx.node("a"))?;
        tx.write(ctx.home(), "")
    };
    let there_and_back = || {
        ctx.conn().write(&ctx.node("a"), "2")?;
        ctx.conn().write(&ctx.node("a"), "1")
    };
    assert_eq!(runs(ctx, body, there_and_back), ctx.per(Per { c: 2, ocaml: 1 }));
}

fn a_removal_of_what_another_wrote(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let body = |tx: &Tx<'_>| tx.rm(&ctx.node("a"));
    let runs = runs(ctx, body, || ctx.conn().write(&ctx.node("a"), "2"));
    assert_eq!(runs, ctx.per(Per { c: 2, ocaml: 1 }));
    assert_eq!(ctx.conn().read_opt(&ctx.node("a")).unwrap(), None);
}

/// oxenstored's transactions see the store as it was when they began; the C daemon's see a node as
/// it is when they first use it.
fn a_transaction_reads_what_was_changed_since_it_began(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "before").unwrap();
    let mut first = None;
    let commit = ctx.conn().transaction(|tx| {
        if first.is_none() {
            ctx.conn().write(&ctx.node("a"), "since")?;
        }
        let seen = tx.read_str(&ctx.node("a"))?;
        first.get_or_insert(seen);
        Ok(())
    });
    commit.unwrap();
    assert_eq!(first.unwrap(), ctx.per(Per { c: "since", ocaml: "before" }));
}
