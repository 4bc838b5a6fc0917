//! Sharing: one connection, many threads or tasks.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::fact::Facts as _;
use super::{Ctx, Fact, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![
            thirty_two_threads_share_one_client,
            a_subscriber_that_never_reads_does_not_keep_others,
            threads_wait_for_events_and_replies_at_once,
        ]),
        Fact::of_anyone(facts![a_storm_of_conflicts_passes]).apart(),
    ]
    .concat()
}

fn thirty_two_threads_share_one_client(ctx: &Ctx) {
    thread::scope(|scope| {
        (0..32_u32).for_each(|thread| {
            let node = ctx.home().join(thread);
            scope.spawn(move || {
                (0..25_u32).for_each(|round| {
                    let value = format!("{thread}.{round}");
                    ctx.conn().write(&node, &value).unwrap();
                    assert_eq!(ctx.conn().read_str(&node).unwrap(), value);
                });
            });
        });
    });
    assert_eq!(ctx.conn().directory(ctx.home()).unwrap().len(), 32);
}

fn a_subscriber_that_never_reads_does_not_keep_others(ctx: &Ctx) {
    let _never_read = ctx.conn().watch(ctx.home()).unwrap();
    let mut read = ctx.conn().watch_on(&ctx.node("read"));
    let writer = ctx.dom0();
    (0..1000_u32).for_each(|n| writer.write(&ctx.home().join(n % 150), "").unwrap());
    writer.write(&ctx.node("read"), "1").unwrap();
    assert_eq!(read.next(), ctx.node("read").as_str());
    assert_eq!(ctx.conn().read_str(&ctx.node("read")).unwrap(), "1");
}

fn threads_wait_for_events_and_replies_at_once(ctx: &Ctx) {
    let nodes: Vec<_> = (0..8_u32).map(|n| ctx.home().join(n)).collect();
    thread::scope(|scope| {
        nodes.iter().for_each(|node| {
            let mut watch = ctx.conn().watch_on(node);
            scope.spawn(move || {
                (0..10_u32).for_each(|_| {
                    ctx.conn().write(node, "").unwrap();
                    assert_eq!(watch.next(), node.as_str());
                });
            });
        });
    });
}

/// EAGAIN again and again: the client tries again, and in the end everything has happened once.
fn a_storm_of_conflicts_passes(ctx: &Ctx) {
    let (counter, conflicts) = (ctx.node("counter"), AtomicU32::new(0));
    ctx.conn().write(&counter, "0").unwrap();
    let commit = ctx.conn().transaction(|tx| {
        let seen: u32 = tx.read_str(&counter)?.parse().unwrap();
        if conflicts.fetch_add(1, Ordering::Relaxed) < 5 {
            ctx.conn().write(&counter, (seen + 10).to_string())?;
        }
        tx.write(&counter, (seen + 1).to_string())
    });
    commit.unwrap();
    assert_eq!(conflicts.into_inner(), 6);
    assert_eq!(ctx.conn().read_str(&counter).unwrap(), "51");
}
