//! Watches: being told of changes.

use xs::{Access, Path, Perms};

use super::fact::Facts as _;
use super::wire::{END, UNWATCH, WATCH, WRITE};
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![
            a_watch_fires_once_at_the_start,
            a_watch_tells_of_changes_at_and_below_its_node,
            a_watch_does_not_tell_of_what_is_beside_its_node,
            a_watch_does_not_tell_of_changes_above_its_node,
            a_watch_waits_for_a_node_that_is_missing,
            removing_a_parent_is_told_as_the_watched_path,
            a_removal_is_told_once_to_who_watches_above,
            a_value_written_again_is_told,
            parents_that_are_made_on_the_way_are_not_told,
            making_a_node_that_exists_is_not_told,
            removing_what_is_missing_is_not_told,
            a_change_of_permissions_is_told,
            a_relative_watch_tells_relative_paths,
            a_transaction_fires_watches_when_it_commits,
            a_transaction_that_is_given_up_fires_nothing,
            two_watches_of_one_node_do_not_share_their_events,
            a_watch_that_was_dropped_can_be_had_again,
            hundreds_of_unread_events_stop_nobody,
        ]),
        Fact::of_dom0(facts![a_watch_of_the_root_tells_of_everything]),
        Fact::of_guests(facts![
            a_guest_is_told_of_what_it_may_read_only,
            a_guest_is_told_that_a_node_it_could_read_is_gone,
            a_guest_is_told_of_what_is_hidden_below_what_it_may_read,
        ]),
        Fact::of_anyone(facts![
            the_same_watch_twice_is_refused,
            a_node_is_watched_by_many_tokens,
            a_watch_that_is_not_there_is_not_ended,
            a_watch_that_was_ended_tells_nothing,
            a_token_may_be_any_text,
            an_own_event_comes_before_the_reply_or_after,
            two_writes_of_a_transaction_are_one_event_or_two,
            a_watch_in_a_transaction_outlives_it,
            events_name_no_request,
            a_depth_is_known_to_ours_only,
        ])
        .by_hand(),
    ]
    .concat()
}

fn a_watch_fires_once_at_the_start(ctx: &Ctx) {
    let mut watch = ctx.conn().watch(ctx.home()).unwrap();
    assert_eq!(watch.next(), ctx.home().as_str());
    watch.nothing(ctx.conn());
}

fn a_watch_tells_of_changes_at_and_below_its_node(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(ctx.home());
    ctx.conn().write(ctx.home(), "1").unwrap();
    assert_eq!(watch.next(), ctx.home().as_str());
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    assert_eq!(watch.next(), ctx.node("a").as_str());
    ctx.conn().mkdir(&ctx.node("a/b")).unwrap();
    assert_eq!(watch.next(), ctx.node("a/b").as_str());
    ctx.conn().rm(&ctx.node("a/b")).unwrap();
    assert_eq!(watch.next(), ctx.node("a/b").as_str());
    watch.nothing(ctx.conn());
}

fn a_watch_does_not_tell_of_what_is_beside_its_node(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(&ctx.node("a"));
    ctx.conn().write(&ctx.node("ab"), "1").unwrap();
    ctx.conn().write(&ctx.node("b/a"), "1").unwrap();
    watch.nothing(ctx.conn());
}

fn a_watch_does_not_tell_of_changes_above_its_node(ctx: &Ctx) {
    ctx.conn().mkdir(&ctx.node("a/b")).unwrap();
    let mut watch = ctx.conn().watch_on(&ctx.node("a/b"));
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    watch.nothing(ctx.conn());
}

fn a_watch_waits_for_a_node_that_is_missing(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(&ctx.node("a/b"));
    ctx.conn().mkdir(&ctx.node("a")).unwrap();
    watch.nothing(ctx.conn());
    ctx.conn().mkdir(&ctx.node("a/b")).unwrap();
    assert_eq!(watch.next(), ctx.node("a/b").as_str());
}

fn removing_a_parent_is_told_as_the_watched_path(ctx: &Ctx) {
    let inner = ctx.node("a/b");
    ctx.conn().mkdir(&inner).unwrap();
    let mut watch = ctx.conn().watch_on(&inner);
    ctx.conn().rm(&ctx.node("a")).unwrap();
    assert_eq!(watch.next(), inner.as_str());
}

fn a_removal_is_told_once_to_who_watches_above(ctx: &Ctx) {
    ctx.conn().mkdir(&ctx.node("a/b/c")).unwrap();
    ctx.conn().mkdir(&ctx.node("a/d")).unwrap();
    let mut watch = ctx.conn().watch_on(ctx.home());
    ctx.conn().rm(&ctx.node("a")).unwrap();
    assert_eq!(watch.next(), ctx.node("a").as_str());
    watch.nothing(ctx.conn());
}

fn a_value_written_again_is_told(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    let mut watch = ctx.conn().watch_on(&ctx.node("a"));
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    assert_eq!(watch.next(), ctx.node("a").as_str());
}

fn parents_that_are_made_on_the_way_are_not_told(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(ctx.home());
    ctx.conn().write(&ctx.node("a/b/c"), "1").unwrap();
    assert_eq!(watch.next(), ctx.node("a/b/c").as_str());
    watch.nothing(ctx.conn());
}

fn making_a_node_that_exists_is_not_told(ctx: &Ctx) {
    ctx.conn().mkdir(&ctx.node("a")).unwrap();
    let mut watch = ctx.conn().watch_on(&ctx.node("a"));
    ctx.conn().mkdir(&ctx.node("a")).unwrap();
    watch.nothing(ctx.conn());
}

fn removing_what_is_missing_is_not_told(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(ctx.home());
    ctx.conn().rm(&ctx.node("a")).unwrap();
    watch.nothing(ctx.conn());
}

fn a_change_of_permissions_is_told(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(ctx.home());
    let perms = Perms::new(ctx.domid(), Access::Read);
    ctx.conn().set_perms(ctx.home(), &perms).unwrap();
    assert_eq!(watch.next(), ctx.home().as_str());
}

fn a_relative_watch_tells_relative_paths(ctx: &Ctx) {
    let name = format!("watched-{}", ctx.front());
    let absolute = Path::domain(ctx.domid()).try_join(&name).unwrap();
    let mut watch = ctx.conn().watch_on(&Path::new(&name).unwrap());
    ctx.conn().write(&absolute.join("a"), "1").unwrap();
    assert_eq!(watch.next(), format!("{name}/a"));
    ctx.conn().rm(&absolute).unwrap();
    assert_eq!(watch.next(), name);
}

fn a_transaction_fires_watches_when_it_commits(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(ctx.home());
    let commit = ctx.conn().transaction(|tx| {
        tx.write(&ctx.node("a"), "1")?;
        watch.nothing(ctx.conn());
        Ok(())
    });
    commit.unwrap();
    assert_eq!(watch.next(), ctx.node("a").as_str());
}

fn a_transaction_that_is_given_up_fires_nothing(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(ctx.home());
    let outcome = ctx.conn().transaction(|tx| {
        tx.write(&ctx.node("a"), "1")?;
        tx.read(&ctx.node("missing"))
    });
    outcome.unwrap_err();
    watch.nothing(ctx.conn());
}

fn two_watches_of_one_node_do_not_share_their_events(ctx: &Ctx) {
    let mut first = ctx.conn().watch_on(ctx.home());
    let mut second = ctx.conn().watch_on(ctx.home());
    ctx.conn().write(ctx.home(), "1").unwrap();
    assert_eq!(first.next(), ctx.home().as_str());
    assert_eq!(second.next(), ctx.home().as_str());
    drop(second);
    ctx.conn().write(ctx.home(), "2").unwrap();
    assert_eq!(first.next(), ctx.home().as_str());
}

fn a_watch_that_was_dropped_can_be_had_again(ctx: &Ctx) {
    // More than a guest may have at a time.
    (0..200).for_each(|_| drop(ctx.conn().watch_on(ctx.home())));
}

fn hundreds_of_unread_events_stop_nobody(ctx: &Ctx) {
    let writer = ctx.dom0();
    let mut watch = ctx.conn().watch_on(ctx.home());
    (0..500_u32).for_each(|n| writer.write(&ctx.home().join(n), "").unwrap());
    let told: Vec<_> = (0..500).map(|_| watch.next()).collect();
    let expected: Vec<_> = (0..500_u32).map(|n| ctx.home().join(n).to_string()).collect();
    assert_eq!(told, expected);
    watch.nothing(ctx.conn());
}

fn a_watch_of_the_root_tells_of_everything(ctx: &Ctx) {
    let mut watch = ctx.conn().watch_on(&Path::ROOT);
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    // Others may change something, too.
    let told = (0..10_000).find(|_| watch.next() == ctx.node("a").as_str());
    assert!(told.is_some());
}

fn a_guest_is_told_of_what_it_may_read_only(ctx: &Ctx) {
    let (other, dom0) = (ctx.guest(), ctx.dom0());
    let node = other.home().join("a");
    let mut watch = ctx.conn().watch_on(&other.home());
    dom0.write(&node, "secret").unwrap();
    watch.nothing(ctx.conn());
    let perms = Perms::private(other.id()).allow(ctx.domid(), Access::Read);
    dom0.set_perms(&node, &perms).unwrap();
    assert_eq!(watch.next(), node.as_str());
    dom0.write(&node, "open").unwrap();
    assert_eq!(watch.next(), node.as_str());
}

fn a_guest_is_told_that_a_node_it_could_read_is_gone(ctx: &Ctx) {
    let other = ctx.guest();
    let node = other.home().join("a");
    ctx.dom0().write(&node, "1").unwrap();
    let perms = Perms::new(other.id(), Access::Read);
    ctx.dom0().set_perms(&node, &perms).unwrap();
    let mut watch = ctx.conn().watch_on(&node);
    ctx.dom0().rm(&node).unwrap();
    assert_eq!(watch.next(), node.as_str());
}

/// Of whatever may be listed; what the node has become it may not read.
fn a_guest_is_told_of_what_is_hidden_below_what_it_may_read(ctx: &Ctx) {
    let (other, dom0) = (ctx.guest(), ctx.dom0());
    let hidden = other.home().join("hidden");
    dom0.set_perms(&other.home(), &Perms::new(other.id(), Access::Read)).unwrap();
    dom0.write(&hidden, "1").unwrap();
    dom0.set_perms(&hidden, &Perms::private(other.id())).unwrap();
    let mut watch = ctx.conn().watch_on(&other.home());
    dom0.write(&hidden, "2").unwrap();
    assert_eq!(watch.next(), hidden.as_str());
    dom0.rm(&hidden).unwrap();
    assert_eq!(watch.next(), hidden.as_str());
    watch.nothing(ctx.conn());
}

fn the_same_watch_twice_is_refused(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let watch = ctx.payload("token\0");
    wire.ask(WATCH, watch.as_bytes()).unwrap();
    assert_eq!(wire.refusal(WATCH, watch.as_bytes()), "EEXIST");
}

fn a_node_is_watched_by_many_tokens(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.ask(WATCH, ctx.payload("one\0").as_bytes()).unwrap();
    wire.ask(WATCH, ctx.payload("two\0").as_bytes()).unwrap();
    wire.events();
    wire.ask(WRITE, ctx.payload("value").as_bytes()).unwrap();
    let mut events = wire.events();
    events.sort();
    assert_eq!(events, [ctx.payload("one\0"), ctx.payload("two\0")]);
}

fn a_watch_that_is_not_there_is_not_ended(ctx: &Ctx) {
    let mut wire = ctx.wire();
    assert_eq!(wire.refusal(UNWATCH, ctx.payload("token\0").as_bytes()), "ENOENT");
    wire.ask(WATCH, ctx.payload("token\0").as_bytes()).unwrap();
    assert_eq!(wire.refusal(UNWATCH, ctx.payload("other\0").as_bytes()), "ENOENT");
}

fn a_watch_that_was_ended_tells_nothing(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.ask(WATCH, ctx.payload("token\0").as_bytes()).unwrap();
    assert_eq!(wire.event(), ctx.payload("token\0"));
    wire.ask(UNWATCH, ctx.payload("token\0").as_bytes()).unwrap();
    wire.ask(WRITE, ctx.payload("value").as_bytes()).unwrap();
    assert_eq!(wire.events(), [""; 0]);
}

fn a_token_may_be_any_text(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.ask(WATCH, ctx.payload("/ a token\n%s\0").as_bytes()).unwrap();
    assert_eq!(wire.event(), ctx.payload("/ a token\n%s\0"));
}

/// In the C daemon events leave as the change is made, and the reply behind; in oxenstored it is
/// the other way round.
fn an_own_event_comes_before_the_reply_or_after(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.ask(WATCH, ctx.payload("token\0").as_bytes()).unwrap();
    assert_eq!(wire.event(), ctx.payload("token\0"));
    wire.send(WRITE, 7, 0, ctx.payload("value").as_bytes());
    let ids = [wire.receive().request, wire.receive().request];
    assert_eq!(ids, ctx.per(Per { c: [0, 7], ocaml: [7, 0] }));
}

fn two_writes_of_a_transaction_are_one_event_or_two(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.ask(WATCH, ctx.payload("token\0").as_bytes()).unwrap();
    wire.events();
    let tx = wire.start();
    wire.ask_in(tx, WRITE, ctx.payload("1").as_bytes()).unwrap();
    wire.ask_in(tx, WRITE, ctx.payload("2").as_bytes()).unwrap();
    wire.ask_in(tx, END, b"T\0").unwrap();
    assert_eq!(wire.events().len(), ctx.per(Per { c: 1, ocaml: 2 }));
}

/// oxenstored's reply does not even name the transaction (`maybe_ignore_transaction`).
fn a_watch_in_a_transaction_outlives_it(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let tx = wire.start();
    wire.send(WATCH, 7, tx, ctx.payload("token\0").as_bytes());
    let reply = wire.reply();
    assert_eq!((reply.op, reply.tx), ctx.per(Per { c: (WATCH, tx), ocaml: (WATCH, 0) }));
    wire.ask_in(tx, END, b"F\0").unwrap();
    wire.events();
    wire.ask(WRITE, ctx.payload("value").as_bytes()).unwrap();
    assert_eq!(wire.events(), [ctx.payload("token\0")]);
}

fn events_name_no_request(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.send(WATCH, 7, 0, ctx.payload("token\0").as_bytes());
    assert_eq!(wire.receive().request, 7);
    let event = wire.receive();
    assert_eq!((event.request, event.tx), (0, 0));
}

/// Xen 4.22 has it.
fn a_depth_is_known_to_ours_only(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let watched = wire.ask(WATCH, ctx.payload("token\x001\0").as_bytes()).map(drop);
    let unknown = || Err("EINVAL".to_owned());
    let expected = Per { c: unknown(), ocaml: unknown() };
    assert_eq!(watched, ctx.per_and_ours(expected, Ok(())));
    wire.events();
    let home = ctx.home();
    wire.ask(WRITE, format!("{home}/child\0value").as_bytes()).unwrap();
    wire.ask(WRITE, format!("{home}/child/grandchild\0value").as_bytes()).unwrap();
    let of_ours = vec![format!("{home}/child\0token\0")];
    assert_eq!(wire.events(), ctx.per_and_ours(Per { c: vec![], ocaml: vec![] }, of_ours));
}
