//! Flights: many requests before the first answer.

use std::time::Duration;

use xs::{Kind, ask};

use super::fact::Facts as _;
use super::{Ctx, Fact, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![
            a_flight_is_carried_out_in_order,
            a_question_that_fails_does_not_keep_the_next,
            a_flight_may_have_thousands_of_questions,
            an_empty_flight_is_no_flight,
        ]),
        Fact::of_dom0(facts![
            a_deadline_in_mid_flight_leaves_the_connection_usable,
            a_request_that_timed_out_is_carried_out_later,
        ])
        .alone(),
    ]
    .concat()
}

fn a_flight_is_carried_out_in_order(ctx: &Ctx) {
    let node = ctx.node("a");
    let values: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    let written = ctx.conn().batch(values.iter().map(|v| ask::write(&node, v)).collect());
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(ctx.conn().read_str(&node).unwrap(), "49");
}

fn a_question_that_fails_does_not_keep_the_next(ctx: &Ctx) {
    let (a, missing, b) = (ctx.node("a"), ctx.node("no/such"), ctx.node("b"));
    let asks = vec![ask::write(&a, "1"), ask::rm(&missing), ask::write(&b, "2")];
    let outcomes = ctx.conn().batch(asks).into_iter();
    let kinds: Vec<_> = outcomes.map(|outcome| outcome.map_err(|error| error.kind())).collect();
    assert_eq!(kinds, [Ok(()), Err(Kind::NotFound), Ok(())]);
    assert_eq!(ctx.conn().read_str(&b).unwrap(), "2");
}

/// Whoever answers a request at a time, and stops reading while nobody reads, gets stuck with a
/// client that sends them all first.
fn a_flight_may_have_thousands_of_questions(ctx: &Ctx) {
    let node = ctx.node("a");
    ctx.conn().write(&node, vec![b'x'; 1000]).unwrap();
    let values = ctx.conn().batch((0..3000).map(|_| ask::read(&node)).collect());
    assert!(values.into_iter().all(|value| value.unwrap().len() == 1000));
}

fn an_empty_flight_is_no_flight(ctx: &Ctx) {
    assert!(ctx.conn().batch(Vec::<ask::Ask<'_, ()>>::new()).is_empty());
    assert!(ctx.conn().read_each(&[]).unwrap().is_empty());
}

fn a_deadline_in_mid_flight_leaves_the_connection_usable(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let nodes = [ctx.node("a"), ctx.node("b"), ctx.node("a")];
    let hasty = ctx.conn().with_request_timeout(Duration::from_millis(50));
    ctx.daemon().stop().unwrap();
    let outcome = hasty.read_each(&nodes);
    ctx.daemon().cont().unwrap();
    assert_eq!(outcome.unwrap_err().kind(), Kind::TimedOut);
    let values = ctx.conn().read_each(&nodes).unwrap();
    assert_eq!(values, [Some(b"1".to_vec()), None, Some(b"1".to_vec())]);
}

fn a_request_that_timed_out_is_carried_out_later(ctx: &Ctx) {
    let hasty = ctx.conn().with_request_timeout(Duration::from_millis(50));
    ctx.daemon().stop().unwrap();
    let outcome = hasty.write(&ctx.node("a"), "late");
    ctx.daemon().cont().unwrap();
    assert_eq!(outcome.unwrap_err().kind(), Kind::TimedOut);
    // Requests of one connection are carried out in order.
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap(), "late");
}
