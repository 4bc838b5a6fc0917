//! Transactions: changes that happen together or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use xs::{Kind, ask};

use super::conn::briefly;
use super::fact::Facts as _;
use super::wire::{END, RM, START, WRITE};
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![
            a_transaction_is_invisible_until_it_commits,
            a_transaction_sees_its_own_changes,
            a_transaction_that_fails_changes_nothing,
            a_transaction_that_panics_changes_nothing,
            a_batch_in_a_transaction_is_part_of_it,
            a_tree_is_moved_in_a_transaction,
            transactions_of_one_connection_run_side_by_side,
            // Beside the others on purpose: see `refused_commit` in xs.
            a_transaction_whose_reading_was_overtaken_runs_again,
            a_transaction_that_never_wins_ends_by_the_deadline,
            threads_that_count_in_transactions_lose_nothing,
        ]),
        Fact::of_anyone(facts![
            a_transaction_has_no_transaction_inside,
            there_is_no_transaction_0_to_end,
            a_transaction_that_was_never_started,
            an_ended_transaction_is_unknown,
            a_transaction_that_is_discarded_changes_nothing,
            a_commit_says_yes_or_no,
        ])
        .by_hand(),
    ]
    .concat()
}

fn a_transaction_is_invisible_until_it_commits(ctx: &Ctx) {
    let node = ctx.node("a");
    let commit = ctx.conn().transaction(|tx| {
        tx.write(&node, "1")?;
        assert_eq!(tx.read(&node)?, b"1");
        assert_eq!(ctx.conn().read_opt(&node)?, None);
        Ok(())
    });
    commit.unwrap();
    assert_eq!(ctx.conn().read(&node).unwrap(), b"1");
}

fn a_transaction_sees_its_own_changes(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("gone/a"), "1").unwrap();
    let seen = ctx.conn().transaction(|tx| {
        tx.rm(&ctx.node("gone"))?;
        tx.mkdir(&ctx.node("made"))?;
        Ok((tx.directory(ctx.home())?, tx.read_opt(&ctx.node("gone/a"))?))
    });
    let (names, gone) = seen.unwrap();
    assert_eq!(names, ["made"]);
    assert_eq!(gone, None);
}

fn a_transaction_that_fails_changes_nothing(ctx: &Ctx) {
    let outcome = ctx.conn().transaction(|tx| {
        tx.write(&ctx.node("a"), "1")?;
        tx.read(&ctx.node("missing"))
    });
    assert_eq!(outcome.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(ctx.conn().read_opt(&ctx.node("a")).unwrap(), None);
}

fn a_transaction_that_panics_changes_nothing(ctx: &Ctx) {
    let panics = AssertUnwindSafe(|| {
        ctx.conn().transaction(|tx| -> xs::Result<()> {
            tx.write(&ctx.node("a"), "1")?;
            std::panic::resume_unwind(Box::new("no message for this one"))
        })
    });
    assert!(catch_unwind(panics).is_err());
    assert_eq!(ctx.conn().read_opt(&ctx.node("a")).unwrap(), None);
}

fn a_transaction_whose_reading_was_overtaken_runs_again(ctx: &Ctx) {
    let (counter, runs) = (ctx.node("counter"), AtomicU32::new(0));
    ctx.conn().write(&counter, "1").unwrap();
    let commit = ctx.conn().transaction(|tx| {
        let seen = tx.read(&counter)?;
        if runs.fetch_add(1, Ordering::Relaxed) == 0 {
            ctx.conn().write(&counter, "10")?;
        }
        tx.write(&counter, [&seen[..], b"+"].concat())
    });
    commit.unwrap();
    assert_eq!(runs.into_inner(), 2);
    assert_eq!(ctx.conn().read_str(&counter).unwrap(), "10+");
}

fn a_transaction_that_never_wins_ends_by_the_deadline(ctx: &Ctx) {
    let (counter, runs) = (ctx.node("counter"), AtomicU32::new(0));
    ctx.conn().write(&counter, "").unwrap();
    let hasty = ctx.conn().with_deadline(briefly());
    let outcome = hasty.transaction(|tx| {
        tx.read(&counter)?;
        // Ever another value: oxenstored forgives a write that changes nothing.
        let run = runs.fetch_add(1, Ordering::Relaxed);
        ctx.conn().write(&counter, format!("run {run}"))?;
        tx.write(&counter, "won")
    });
    assert!(matches!(outcome.unwrap_err().kind(), Kind::Again | Kind::TimedOut));
    assert_ne!(ctx.conn().read_str(&counter).unwrap(), "won");
}

fn threads_that_count_in_transactions_lose_nothing(ctx: &Ctx) {
    let counter = ctx.node("counter");
    ctx.conn().write(&counter, "0").unwrap();
    let count = || {
        ctx.conn().transaction(|tx| {
            let seen: u32 = tx.read_str(&counter)?.parse().unwrap();
            tx.write(&counter, (seen + 1).to_string())
        })
    };
    thread::scope(|scope| {
        (0..4).for_each(|_| {
            scope.spawn(|| (0..5).for_each(|_| count().unwrap()));
        });
    });
    assert_eq!(ctx.conn().read_str(&counter).unwrap(), "20");
}

fn a_batch_in_a_transaction_is_part_of_it(ctx: &Ctx) {
    let (a, b) = (ctx.node("a"), ctx.node("b"));
    let outcome = ctx.conn().transaction(|tx| {
        let written = tx.batch(vec![ask::write(&a, "1"), ask::write(&b, "2")]);
        written.into_iter().collect::<xs::Result<()>>()?;
        assert_eq!(ctx.conn().read_each(&[a.clone(), b.clone()])?, [None, None]);
        tx.read_each(&[a.clone(), b.clone()])
    });
    assert_eq!(outcome.unwrap(), [Some(b"1".to_vec()), Some(b"2".to_vec())]);
    assert_eq!(ctx.conn().read_str(&b).unwrap(), "2");
}

fn a_tree_is_moved_in_a_transaction(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("from/a"), "1").unwrap();
    ctx.conn().write(&ctx.node("from/b/c"), "2").unwrap();
    let moved = ctx.conn().transaction(|tx| {
        let tree = tx.subtree(&ctx.node("from"))?;
        tree.iter().try_for_each(|(path, value)| {
            let rest = path.as_str().strip_prefix(ctx.node("from").as_str()).unwrap();
            tx.write(&ctx.home().try_join(&format!("to{rest}")).unwrap(), value)
        })?;
        tx.rm(&ctx.node("from"))
    });
    moved.unwrap();
    assert_eq!(ctx.conn().directory(ctx.home()).unwrap(), ["to"]);
    assert_eq!(ctx.conn().read_str(&ctx.node("to/b/c")).unwrap(), "2");
}

fn transactions_of_one_connection_run_side_by_side(ctx: &Ctx) {
    let (a, b) = (ctx.node("a/x"), ctx.node("b/x"));
    ctx.conn().write(&a, "").unwrap();
    ctx.conn().write(&b, "").unwrap();
    let outcome = ctx.conn().transaction(|outer| {
        outer.write(&a, "outer")?;
        ctx.conn().transaction(|inner| {
            assert_eq!(inner.read_str(&a)?, "");
            inner.write(&b, "inner")
        })
    });
    outcome.unwrap();
    assert_eq!(ctx.conn().read_str(&a).unwrap(), "outer");
    assert_eq!(ctx.conn().read_str(&b).unwrap(), "inner");
}

fn a_transaction_has_no_transaction_inside(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let tx = wire.start();
    assert_eq!(wire.ask_in(tx, START, b"\0").unwrap_err(), "EBUSY");
}

fn there_is_no_transaction_0_to_end(ctx: &Ctx) {
    assert_eq!(ctx.wire().refusal(END, b"F\0"), "ENOENT");
}

fn a_transaction_that_was_never_started(ctx: &Ctx) {
    let refused = ctx.wire().ask_in(4711, WRITE, b"a\0value").unwrap_err();
    assert_eq!(refused, ctx.per(Per { c: "ENOENT", ocaml: "EIO" }));
}

fn an_ended_transaction_is_unknown(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let tx = wire.start();
    wire.ask_in(tx, END, b"F\0").unwrap();
    let again = wire.ask_in(tx, END, b"F\0").unwrap_err();
    assert_eq!(again, ctx.per(Per { c: "ENOENT", ocaml: "EIO" }));
}

fn a_transaction_that_is_discarded_changes_nothing(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let tx = wire.start();
    wire.ask_in(tx, RM, ctx.payload("").as_bytes()).unwrap();
    wire.ask_in(tx, END, b"F\0").unwrap();
    assert_eq!(ctx.dom0().read_opt(ctx.home()).unwrap(), Some(vec![]));
}

fn a_commit_says_yes_or_no(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let tx = wire.start();
    assert_eq!(wire.ask_in(tx, END, b"X\0").unwrap_err(), "EINVAL");
}
