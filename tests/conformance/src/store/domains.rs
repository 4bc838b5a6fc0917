//! Domains: those that the store is connected to.

use store_daemons::DomId;
use xs::{Kind, Path, Perms};

use super::fact::Facts as _;
use super::wire::{
    DOMAIN_PATH, INTRODUCE, RELEASE, RESET_WATCHES, RESTRICT, WATCH, WRITE, Wire, packet,
};
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![the_home_of_a_domain_is_known_before_the_domain]),
        Fact::of_dom0(facts![
            the_store_knows_the_control_domain,
            a_domain_that_is_unknown_is_neither_released_nor_resumed,
            the_control_command_is_answered,
            features_and_quotas_can_be_asked_of_ours_only,
        ]),
        Fact::of_dom0(facts![nobody_is_restricted]).by_hand(),
        Fact::of_guests(facts![
            a_domain_is_known_from_introduction_to_release,
            a_domain_can_be_introduced_again,
            a_domain_that_does_not_exist_is_not_introduced,
            the_nodes_of_a_domain_go_with_its_release,
            a_released_domain_can_be_introduced_anew,
            a_guest_may_not_ask_whether_a_domain_is_known,
            a_guest_may_not_manage_domains,
            a_guest_may_not_give_commands,
            a_domain_has_the_rights_of_its_target,
            a_target_has_to_be_known_to_the_c_daemon,
            resetting_is_refused_while_watches_are_in_use,
        ]),
        Fact::of_guests(facts![
            resetting_ends_watches_and_transactions,
            releases_and_introductions_may_come_at_once,
        ])
        .by_hand(),
    ]
    .concat()
}

fn the_home_of_a_domain_is_known_before_the_domain(ctx: &Ctx) {
    let nobody = ctx.nobody();
    assert_eq!(ctx.conn().domain_path(DomId::DOM0).unwrap(), Path::domain(DomId::DOM0));
    assert_eq!(ctx.conn().domain_path(nobody).unwrap(), Path::domain(nobody));
}

fn the_store_knows_the_control_domain(ctx: &Ctx) {
    assert!(ctx.conn().is_introduced(DomId::DOM0).unwrap());
    assert!(!ctx.conn().is_introduced(ctx.nobody()).unwrap());
}

fn a_domain_that_is_unknown_is_neither_released_nor_resumed(ctx: &Ctx) {
    let expected = ctx.per(Per { c: Kind::NotFound, ocaml: Kind::Invalid });
    assert_eq!(ctx.conn().release(ctx.nobody()).unwrap_err().kind(), expected);
    assert_eq!(ctx.conn().resume(ctx.nobody()).unwrap_err().kind(), expected);
}

fn the_control_command_is_answered(ctx: &Ctx) {
    assert_eq!(ctx.conn().control(&["print", "hello"]).unwrap(), "OK");
}

/// Xen 4.21 has `GET_FEATURE`, 4.22 `GET_QUOTA`.
fn features_and_quotas_can_be_asked_of_ours_only(ctx: &Ctx) {
    let name = |error: xs::Error| error.code().unwrap().name().to_owned();
    let unknown = Per { c: "ENOSYS", ocaml: "ENOSYS" };
    let features = ctx.conn().features().map_or_else(name, |features| format!("{features:?}"));
    assert_eq!(features, ctx.per_and_ours(unknown, "Features(ERROR | WATCH_DEPTH)"));
    let quotas = ctx.conn().quotas().map_or_else(name, |names| names.join(" "));
    let of_ours =
        "nodes watches transactions node-size permissions transaction-nodes path-max memory";
    assert_eq!(quotas, ctx.per_and_ours(unknown, of_ours));
}

fn nobody_is_restricted(ctx: &Ctx) {
    assert_eq!(ctx.wire().refusal(RESTRICT, b"7\0"), "ENOSYS");
}

fn a_domain_is_known_from_introduction_to_release(ctx: &Ctx) {
    let (guest, dom0) = (ctx.guest(), ctx.dom0());
    assert!(dom0.is_introduced(guest.id()).unwrap());
    dom0.release(guest.id()).unwrap();
    assert!(!dom0.is_introduced(guest.id()).unwrap());
}

fn a_domain_can_be_introduced_again(ctx: &Ctx) {
    let domain = ctx.me().domain();
    ctx.dom0().introduce(domain.id(), domain.gfn(), domain.port()).unwrap();
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
}

fn a_domain_that_does_not_exist_is_not_introduced(ctx: &Ctx) {
    let domain = ctx.me().domain();
    let outcome = ctx.dom0().introduce(ctx.nobody(), domain.gfn(), domain.port());
    assert_eq!(outcome.unwrap_err().kind(), Kind::Invalid);
}

fn a_released_domain_can_be_introduced_anew(ctx: &Ctx) {
    let (me, dom0) = (ctx.me(), ctx.dom0());
    dom0.release(me.id()).unwrap();
    dom0.introduce(me.id(), me.domain().gfn(), me.domain().port()).unwrap();
    assert!(dom0.is_introduced(me.id()).unwrap());
}

/// And with its death (XSA-322): the next domain of the id must not have them.
fn the_nodes_of_a_domain_go_with_its_release(ctx: &Ctx) {
    let (other, dom0) = (ctx.guest(), ctx.dom0());
    let theirs = other.home().join("of-mine");
    dom0.write(&theirs, "1").unwrap();
    dom0.set_perms(&theirs, &Perms::private(ctx.domid())).unwrap();
    dom0.release(ctx.domid()).unwrap();
    assert_eq!(dom0.read_opt(ctx.home()).unwrap(), None);
    assert_eq!(dom0.read_opt(&theirs).unwrap(), None);
    assert_eq!(dom0.read_opt(&other.home()).unwrap(), Some(vec![]));
}

fn a_guest_may_not_ask_whether_a_domain_is_known(ctx: &Ctx) {
    assert_eq!(ctx.conn().is_introduced(ctx.domid()).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().is_introduced(DomId::DOM0).unwrap_err().kind(), Kind::Denied);
}

fn a_guest_may_not_manage_domains(ctx: &Ctx) {
    let other = ctx.guest();
    let (id, domain) = (other.id(), other.domain());
    let introduced = ctx.conn().introduce(id, domain.gfn(), domain.port());
    assert_eq!(introduced.unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().release(id).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().resume(id).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().set_target(ctx.domid(), id).unwrap_err().kind(), Kind::Denied);
    assert!(ctx.dom0().is_introduced(id).unwrap());
}

/// oxenstored says OK to a guest, and does nothing (`do_debug`, tools/ocaml/xenstored/process.ml).
fn a_guest_may_not_give_commands(ctx: &Ctx) {
    let outcome = ctx.conn().control(&["quota", "0"]).map_err(|error| error.kind());
    assert_eq!(outcome, ctx.per(Per { c: Err(Kind::Denied), ocaml: Ok("OK".into()) }));
}

fn a_domain_has_the_rights_of_its_target(ctx: &Ctx) {
    let target = ctx.guest();
    let node = target.home().join("a");
    target.conn().write(&node, "1").unwrap();
    assert_eq!(ctx.conn().read(&node).unwrap_err().kind(), Kind::Denied);
    ctx.dom0().set_target(ctx.domid(), target.id()).unwrap();
    assert_eq!(ctx.conn().read_str(&node).unwrap(), "1");
    ctx.conn().write(&node, "2").unwrap();
    assert_eq!(target.conn().read_str(&node).unwrap(), "2");
    // Not the other way round.
    assert_eq!(target.conn().read(ctx.home()).unwrap_err().kind(), Kind::Denied);
    // Before its target: after it, the C daemon of 4.17 crashes some time later.
    ctx.dom0().release(ctx.domid()).unwrap();
}

fn a_target_has_to_be_known_to_the_c_daemon(ctx: &Ctx) {
    let outcome = ctx.dom0().set_target(ctx.domid(), ctx.nobody()).map_err(|error| error.kind());
    assert_eq!(outcome, ctx.per(Per { c: Err(Kind::NotFound), ocaml: Ok(()) }));
}

fn resetting_is_refused_while_watches_are_in_use(ctx: &Ctx) {
    let watch = ctx.conn().watch_on(ctx.home());
    assert_eq!(ctx.conn().reset_watches().unwrap_err().kind(), Kind::Busy);
    drop(watch);
    ctx.conn().reset_watches().unwrap();
}

fn resetting_ends_watches_and_transactions(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.ask(WATCH, ctx.payload("token\0").as_bytes()).unwrap();
    let tx = wire.start();
    wire.events();
    wire.ask(RESET_WATCHES, b"\0").unwrap();
    wire.ask(WRITE, ctx.payload("value").as_bytes()).unwrap();
    assert_eq!(wire.events(), [""; 0]);
    let refused = wire.ask_in(tx, WRITE, ctx.payload("value").as_bytes()).unwrap_err();
    assert_eq!(refused, ctx.per(Per { c: "ENOENT", ocaml: "EIO" }));
}

/// In one write, so that a daemon may read all of them before it does anything about the first.
fn releases_and_introductions_may_come_at_once(ctx: &Ctx) {
    let domain = ctx.me().domain();
    let release = packet(RELEASE, 1, 0, format!("{}\0", domain.id()).as_bytes());
    let introduce = packet(INTRODUCE, 2, 0, &domain.introduction());
    let mut dom0 = Wire::connect(&ctx.socket());
    dom0.send_raw(&[release, introduce].concat().repeat(2)).unwrap();
    let ops = [(); 4].map(|()| dom0.reply().op);
    assert_eq!(ops, [RELEASE, INTRODUCE, RELEASE, INTRODUCE]);
    assert_eq!(ctx.wire().ask(DOMAIN_PATH, b"0\0").unwrap(), b"/local/domain/0\0");
}
