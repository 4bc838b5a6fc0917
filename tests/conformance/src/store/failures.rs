//! Failures: the daemon stops, or is gone.

use std::thread;
use std::time::{Duration, Instant};

use xs::{Kind, becomes};

use super::conn::{Conn, briefly, soon};
use super::fact::Facts as _;
use super::{Ctx, Fact, facts};

pub(super) fn facts() -> Vec<Fact> {
    Fact::of_dom0(facts![
        threads_that_wait_for_a_daemon_that_dies_are_told,
        a_dead_daemon_is_unavailable_to_all_that_follows,
        a_transaction_in_which_the_daemon_dies_is_unavailable,
        a_daemon_that_starts_again_is_connected_to_anew,
        no_daemon_at_all_is_unavailable,
        a_stopped_daemon_is_given_up_by_the_deadline,
        a_stopped_daemon_that_goes_on_is_usable_again,
        guards_that_are_dropped_do_not_wait_for_a_stopped_daemon,
    ])
    .alone()
}

/// Half of them wait for events, half for answers.
fn threads_that_wait_for_a_daemon_that_dies_are_told(ctx: &Ctx) {
    let watches: Vec<_> = (0..16_u32).map(|n| ctx.conn().watch_on(&ctx.home().join(n))).collect();
    let kinds = thread::scope(|scope| {
        ctx.daemon().stop().unwrap();
        let for_events: Vec<_> = watches
            .into_iter()
            .map(|mut watch| scope.spawn(move || watch.wait(soon()).unwrap_err().kind()))
            .collect();
        let for_answers: Vec<_> = (0..16_u32)
            .map(|n| scope.spawn(move || ctx.conn().read(&ctx.home().join(n)).unwrap_err().kind()))
            .collect();
        ctx.daemon().end().unwrap();
        let threads = for_events.into_iter().chain(for_answers);
        threads.map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(kinds, [Kind::Unavailable; 32]);
}

fn a_dead_daemon_is_unavailable_to_all_that_follows(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(ctx.home());
    ctx.kill();
    assert_eq!(ctx.conn().read(ctx.home()).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(ctx.conn().write(ctx.home(), "").unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(ctx.conn().watch(ctx.home()).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(watch.wait(soon()).unwrap_err().kind(), Kind::Unavailable);
    let condition = becomes(ctx.node("a"), "1");
    assert_eq!(ctx.conn().wait(&condition, soon()).unwrap_err().kind(), Kind::Unavailable);
}

fn a_transaction_in_which_the_daemon_dies_is_unavailable(ctx: &Ctx) {
    let outcome = ctx.conn().transaction(|tx| {
        tx.write(&ctx.node("a"), "1")?;
        ctx.kill();
        Ok(())
    });
    assert_eq!(outcome.unwrap_err().kind(), Kind::Unavailable);
}

fn a_daemon_that_starts_again_is_connected_to_anew(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    ctx.restart();
    assert_eq!(ctx.conn().read(&ctx.node("a")).unwrap_err().kind(), Kind::Unavailable);
    // The store is empty.
    assert_eq!(ctx.dom0().read_opt(&ctx.node("a")).unwrap(), None);
}

fn no_daemon_at_all_is_unavailable(ctx: &Ctx) {
    ctx.kill();
    let refused = Conn::connect(ctx.front(), &ctx.socket()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    let missing = Conn::connect(ctx.front(), "/nonexistent/socket".as_ref()).unwrap_err();
    assert_eq!(missing.kind(), Kind::Unavailable);
}

fn a_stopped_daemon_is_given_up_by_the_deadline(ctx: &Ctx) {
    let hasty = ctx.conn().with_deadline(briefly());
    ctx.daemon().stop().unwrap();
    let start = Instant::now();
    let kinds = [
        hasty.read(ctx.home()).unwrap_err().kind(),
        hasty.transaction(|tx| tx.write(ctx.home(), "")).unwrap_err().kind(),
        hasty.wait(&becomes(ctx.node("a"), "1"), soon()).unwrap_err().kind(),
        hasty.watch(ctx.home()).unwrap_err().kind(),
    ];
    let took = start.elapsed();
    ctx.daemon().cont().unwrap();
    assert_eq!(kinds, [Kind::TimedOut; 4]);
    // One deadline for all of them: not even the request timeout of one.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

fn a_stopped_daemon_that_goes_on_is_usable_again(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(ctx.home());
    ctx.daemon().stop().unwrap();
    let hasty = ctx.conn().with_deadline(briefly());
    // More than fits into the socket.
    let outcomes: Vec<_> = (0..100).map(|_| hasty.write(&ctx.node("a"), [b'x'; 2000])).collect();
    ctx.daemon().cont().unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(e) if e.kind() == Kind::TimedOut)));
    ctx.conn().write(&ctx.node("b"), "1").unwrap();
    assert_eq!(ctx.conn().read_str(&ctx.node("b")).unwrap(), "1");
    let told = (0..200).find(|_| watch.next() == ctx.node("b").as_str());
    assert!(told.is_some());
}

fn guards_that_are_dropped_do_not_wait_for_a_stopped_daemon(ctx: &Ctx) {
    let watches: Vec<_> = (0..100_u32).map(|n| ctx.conn().watch_on(&ctx.home().join(n))).collect();
    ctx.daemon().stop().unwrap();
    let start = Instant::now();
    drop(watches);
    let took = start.elapsed();
    ctx.daemon().cont().unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
}
