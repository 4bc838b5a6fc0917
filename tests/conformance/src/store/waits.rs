//! Waiting for what others will do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use xs::{Deadline, Kind, Path, all_of, any_of, appears, becomes, vanishes};

use super::conn::soon;
use super::{Ctx, Fact, facts};

pub(super) fn facts() -> Vec<Fact> {
    Fact::of_anyone(facts![
        a_wait_sees_what_is_true_already,
        a_wait_ends_with_the_change_it_waits_for,
        a_wait_for_the_end_of_a_node_sees_its_parent_go,
        a_wait_in_vain_says_what_it_saw_last,
        a_function_runs_again_when_what_it_read_changes,
        a_function_follows_what_it_read,
        waits_leave_no_watches_behind,
    ])
}

fn a_wait_sees_what_is_true_already(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let condition = all_of([becomes(ctx.node("a"), "1"), vanishes(ctx.node("b"))]);
    let met = ctx.conn().wait(&condition, soon()).unwrap();
    assert_eq!(met.value(&ctx.node("a")), Some(&b"1"[..]));
}

fn a_wait_ends_with_the_change_it_waits_for(ctx: &Ctx) {
    let (state, error) = (ctx.node("state"), ctx.node("error"));
    let condition = any_of([appears(error.clone()), becomes(state.clone(), "4")]);
    let other = ctx.dom0();
    let met = thread::scope(|scope| {
        scope.spawn(|| {
            other.write(&state, "2").unwrap();
            other.write(&state, "4").unwrap();
        });
        ctx.conn().wait(&condition, soon()).unwrap()
    });
    assert_eq!(met.which(), 1);
    assert_eq!(met.value(&error), None);
}

fn a_wait_for_the_end_of_a_node_sees_its_parent_go(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a/b/c"), "1").unwrap();
    let other = ctx.dom0();
    thread::scope(|scope| {
        scope.spawn(|| other.rm(&ctx.node("a")).unwrap());
        ctx.conn().wait(&vanishes(ctx.node("a/b/c")), soon()).unwrap();
    });
}

fn a_wait_in_vain_says_what_it_saw_last(ctx: &Ctx) {
    use std::error::Error as _;

    let state = ctx.node("state");
    ctx.conn().write(&state, "2").unwrap();
    // Long enough to see it once.
    let deadline = Deadline::after(Duration::from_secs(1));
    let error = ctx.conn().wait(&becomes(state.clone(), "4"), deadline).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(error.to_string(), format!(r#"wait until {state} becomes "4""#));
    assert_eq!(
        error.source().unwrap().to_string(),
        format!(r#"the deadline passed; last seen: {state} is "2""#)
    );
}

fn a_function_runs_again_when_what_it_read_changes(ctx: &Ctx) {
    let (other, runs) = (ctx.dom0(), AtomicU32::new(0));
    let list = ctx.node("list");
    ctx.conn().mkdir(&list).unwrap();
    let found = ctx.conn().until("three children", soon(), |look| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        other.mkdir(&list.join(run))?;
        let names = look.directory(&list)?;
        Ok((names.len() == 3).then_some(names.len()))
    });
    assert_eq!(found.unwrap(), 3);
    assert_eq!(runs.into_inner(), 3);
}

fn a_function_follows_what_it_read(ctx: &Ctx) {
    let (other, link) = (ctx.dom0(), ctx.node("link"));
    ctx.conn().write(&link, ctx.node("old").as_str()).unwrap();
    let value = thread::scope(|scope| {
        scope.spawn(|| {
            other.write(&link, ctx.node("new").as_str()).unwrap();
            other.write(&ctx.node("new"), "found").unwrap();
        });
        ctx.conn().until("what the link names", soon(), |look| {
            look.read_opt(&Path::new(look.read_str(&link)?).unwrap())
        })
    });
    assert_eq!(value.unwrap(), b"found");
}

fn waits_leave_no_watches_behind(ctx: &Ctx) {
    // A guest may have 100 watches in oxenstored, 128 in the C daemon.
    (0..150_u32).for_each(|n| {
        let node = ctx.node("a").join(n);
        let now = Deadline::after(Duration::from_millis(1));
        ctx.conn().wait(&appears(node), now).unwrap_err();
    });
    ctx.conn().watch_on(ctx.home());
}
