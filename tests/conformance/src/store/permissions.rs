//! Permissions: who may do what with a node.

use xs::{Access, Kind, Path, Perms};

use super::guest::Guest;
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_dom0(facts![
            permissions_are_kept_in_order,
            a_node_inherits_the_permissions_of_its_parent,
            a_node_that_exists_keeps_its_permissions_when_written,
            dom0_may_do_everything_with_any_node,
            what_dom0_makes_below_a_guests_node_is_the_guests,
            an_owner_that_does_not_exist,
        ]),
        Fact::of_guests(facts![
            a_guest_owns_what_it_makes,
            what_a_guest_makes_below_anothers_node_is_its_own_in_the_c_daemon,
            a_guest_reads_what_others_may_read,
            a_guest_reads_what_it_is_listed_for,
            a_guest_that_may_write_may_not_read,
            a_guest_that_may_read_may_not_write,
            the_own_entry_counts_and_not_the_one_for_others,
            an_owner_may_do_everything_whatever_is_listed,
            a_guest_shares_its_node_with_another,
            a_guest_cannot_give_its_node_away,
            a_guest_that_may_write_a_node_may_not_change_its_permissions,
            a_guest_cannot_make_nodes_where_it_may_not_write,
            a_guest_removes_nothing_that_it_may_not_write,
            a_guest_removes_its_node_from_where_it_may_not_write,
            a_missing_node_outside_its_home,
            a_missing_node_where_the_guest_may_read,
            a_guest_lists_what_it_may_read,
            removing_a_subtree_takes_nodes_of_others_too,
        ]),
    ]
    .concat()
}

fn permissions_are_kept_in_order(ctx: &Ctx) {
    // The C xenstored wants the owner to be a domain that exists, the others not.
    let (reader, writer) = (ctx.nobody(), ctx.nobody());
    let perms = Perms::new(ctx.domid(), Access::Write)
        .allow(writer, Access::Read)
        .allow(reader, Access::Both);
    ctx.conn().set_perms(ctx.home(), &perms).unwrap();
    assert_eq!(ctx.conn().perms(ctx.home()).unwrap(), perms);
}

fn a_node_inherits_the_permissions_of_its_parent(ctx: &Ctx) {
    let perms = Perms::private(ctx.domid()).allow(ctx.nobody(), Access::Read);
    ctx.conn().set_perms(ctx.home(), &perms).unwrap();
    ctx.conn().write(&ctx.node("a/b"), "1").unwrap();
    ctx.conn().mkdir(&ctx.node("c")).unwrap();
    assert_eq!(ctx.conn().perms(&ctx.node("a")).unwrap(), perms);
    assert_eq!(ctx.conn().perms(&ctx.node("a/b")).unwrap(), perms);
    assert_eq!(ctx.conn().perms(&ctx.node("c")).unwrap(), perms);
}

fn a_node_that_exists_keeps_its_permissions_when_written(ctx: &Ctx) {
    let perms = Perms::new(ctx.domid(), Access::Read);
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    ctx.conn().set_perms(&ctx.node("a"), &perms).unwrap();
    ctx.conn().write(&ctx.node("a"), "2").unwrap();
    ctx.conn().mkdir(&ctx.node("a")).unwrap();
    assert_eq!(ctx.conn().perms(&ctx.node("a")).unwrap(), perms);
}

fn dom0_may_do_everything_with_any_node(ctx: &Ctx) {
    let perms = Perms::private(ctx.domid()).allow(ctx.domid(), Access::None);
    ctx.conn().set_perms(ctx.home(), &perms).unwrap();
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap(), "1");
    assert_eq!(ctx.conn().perms(ctx.home()).unwrap(), perms);
}

fn what_dom0_makes_below_a_guests_node_is_the_guests(ctx: &Ctx) {
    let anybody = Perms::new(ctx.domid(), Access::Both).allow(ctx.nobody(), Access::Read);
    ctx.conn().set_perms(ctx.home(), &anybody).unwrap();
    ctx.conn().write(&ctx.node("a"), "").unwrap();
    assert_eq!(ctx.conn().perms(&ctx.node("a")).unwrap(), anybody);
}

/// `do_set_perms` of the C daemon asks whether the domain of each owner is known
/// (`tools/xenstore/xenstored_core.c`); oxenstored does not.
fn an_owner_that_does_not_exist(ctx: &Ctx) {
    let outcome = ctx.conn().set_perms(ctx.home(), &Perms::private(ctx.nobody()));
    let outcome = outcome.map_err(|error| error.kind());
    assert_eq!(outcome, ctx.per(Per { c: Err(Kind::NotFound), ocaml: Ok(()) }));
}

fn a_guest_owns_what_it_makes(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a/b"), "1").unwrap();
    let own = Perms::private(ctx.domid());
    assert_eq!(ctx.conn().perms(&ctx.node("a")).unwrap(), own);
    assert_eq!(ctx.conn().perms(&ctx.node("a/b")).unwrap(), own);
}

/// Else everything is inherited. oxenstored inherits the owner, too (`Store.path_write`).
fn what_a_guest_makes_below_anothers_node_is_its_own_in_the_c_daemon(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::private(me.other).allow(me.guest, Access::Write));
    ctx.conn().write(&shared.node.join("a"), "1").unwrap();
    let owner = ctx.per(Per { c: ctx.domid(), ocaml: shared.other.id() });
    let inherited = Perms::private(owner).allow(ctx.domid(), Access::Write);
    assert_eq!(ctx.dom0().perms(&shared.node.join("a")).unwrap(), inherited);
}

fn a_guest_reads_what_others_may_read(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::new(me.other, Access::Read));
    assert_eq!(ctx.conn().read_str(&shared.node).unwrap(), "theirs");
}

fn a_guest_reads_what_it_is_listed_for(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| {
        Perms::private(me.other).allow(me.nobody, Access::None).allow(me.guest, Access::Read)
    });
    assert_eq!(ctx.conn().read_str(&shared.node).unwrap(), "theirs");
    assert_eq!(ctx.conn().perms(&shared.node).unwrap().owner(), shared.other.id());
}

fn a_guest_that_may_write_may_not_read(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::private(me.other).allow(me.guest, Access::Write));
    ctx.conn().write(&shared.node, "mine").unwrap();
    assert_eq!(ctx.conn().read(&shared.node).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().directory(&shared.node).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().perms(&shared.node).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.dom0().read_str(&shared.node).unwrap(), "mine");
}

fn a_guest_that_may_read_may_not_write(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::private(me.other).allow(me.guest, Access::Read));
    assert_eq!(ctx.conn().write(&shared.node, "mine").unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().mkdir(&shared.node.join("a")).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().rm(&shared.node).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().read_str(&shared.node).unwrap(), "theirs");
}

fn the_own_entry_counts_and_not_the_one_for_others(ctx: &Ctx) {
    let shared =
        Shared::with(ctx, |me| Perms::new(me.other, Access::Both).allow(me.guest, Access::None));
    assert_eq!(ctx.conn().read(&shared.node).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().write(&shared.node, "mine").unwrap_err().kind(), Kind::Denied);
}

fn an_owner_may_do_everything_whatever_is_listed(ctx: &Ctx) {
    let perms = Perms::private(ctx.domid()).allow(ctx.domid(), Access::None);
    ctx.conn().set_perms(ctx.home(), &perms).unwrap();
    ctx.conn().write(ctx.home(), "1").unwrap();
    assert_eq!(ctx.conn().read_str(ctx.home()).unwrap(), "1");
}

fn a_guest_shares_its_node_with_another(ctx: &Ctx) {
    let other = ctx.guest();
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    assert_eq!(other.conn().read(&ctx.node("a")).unwrap_err().kind(), Kind::Denied);
    let perms = Perms::private(ctx.domid()).allow(other.id(), Access::Read);
    ctx.conn().set_perms(&ctx.node("a"), &perms).unwrap();
    assert_eq!(other.conn().read_str(&ctx.node("a")).unwrap(), "1");
}

fn a_guest_cannot_give_its_node_away(ctx: &Ctx) {
    let other = ctx.guest();
    let error = ctx.conn().set_perms(ctx.home(), &Perms::private(other.id())).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(error.code().unwrap().name(), ctx.per(Per { c: "EPERM", ocaml: "EACCES" }));
}

fn a_guest_that_may_write_a_node_may_not_change_its_permissions(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::new(me.other, Access::Both));
    let perms = Perms::new(shared.other.id(), Access::Read);
    assert_eq!(ctx.conn().set_perms(&shared.node, &perms).unwrap_err().kind(), Kind::Denied);
}

fn a_guest_cannot_make_nodes_where_it_may_not_write(ctx: &Ctx) {
    let outside = Path::from_static("/conformance-outside");
    assert_eq!(ctx.conn().write(&outside, "1").unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.conn().mkdir(&outside.join("a/b")).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.dom0().read_opt(&outside).unwrap(), None);
}

fn a_guest_removes_nothing_that_it_may_not_write(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::new(me.other, Access::Read));
    assert_eq!(ctx.conn().rm(&shared.node).unwrap_err().kind(), Kind::Denied);
    assert_eq!(ctx.dom0().read_str(&shared.node).unwrap(), "theirs");
}

/// To write the node is enough, in both daemons.
fn a_guest_removes_its_node_from_where_it_may_not_write(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::private(me.other).allow(me.guest, Access::Write));
    ctx.conn().rm(&shared.node).unwrap();
    assert_eq!(ctx.dom0().read_opt(&shared.node).unwrap(), None);
}

/// The C daemon does not tell whoever may not read the parent whether there is such a node
/// (`errno_from_parents`, `tools/xenstore/xenstored_core.c`).
fn a_missing_node_outside_its_home(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::private(me.other));
    let missing = shared.node.join("missing");
    let expected = ctx.per(Per { c: Kind::Denied, ocaml: Kind::NotFound });
    assert_eq!(ctx.conn().read(&missing).unwrap_err().kind(), expected);
    assert_eq!(ctx.conn().directory(&missing).unwrap_err().kind(), expected);
}

fn a_missing_node_where_the_guest_may_read(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::new(me.other, Access::Read));
    let missing = shared.node.join("no/such");
    assert_eq!(ctx.conn().read(&missing).unwrap_err().kind(), Kind::NotFound);
}

fn a_guest_lists_what_it_may_read(ctx: &Ctx) {
    let shared = Shared::with(ctx, |me| Perms::new(me.other, Access::Read));
    ctx.dom0().mkdir(&shared.node.join("secret")).unwrap();
    let secret = Perms::private(shared.other.id());
    ctx.dom0().set_perms(&shared.node.join("secret"), &secret).unwrap();
    assert_eq!(ctx.conn().directory(&shared.node).unwrap(), ["secret"]);
    let inside = ctx.conn().read(&shared.node.join("secret"));
    assert_eq!(inside.unwrap_err().kind(), Kind::Denied);
}

/// Whose nodes are below does not matter to who may remove the top.
fn removing_a_subtree_takes_nodes_of_others_too(ctx: &Ctx) {
    let other = ctx.guest();
    ctx.dom0().write(&ctx.node("theirs"), "1").unwrap();
    ctx.dom0().set_perms(&ctx.node("theirs"), &Perms::private(other.id())).unwrap();
    ctx.conn().rm(ctx.home()).unwrap();
    assert_eq!(ctx.dom0().read_opt(&ctx.node("theirs")).unwrap(), None);
}

/// A node of another guest's.
struct Shared {
    other: Guest,
    node: Path,
}

/// Who may be named in its permissions.
struct Parties {
    guest: store_daemons::DomId,
    other: store_daemons::DomId,
    nobody: store_daemons::DomId,
}

impl Shared {
    fn with(ctx: &Ctx, perms: impl Fn(Parties) -> Perms) -> Self {
        let other = ctx.guest();
        let node = other.home().join("shared");
        let parties = Parties { guest: ctx.domid(), other: other.id(), nobody: ctx.nobody() };
        ctx.dom0().write(&node, "theirs").unwrap();
        ctx.dom0().set_perms(&node, &perms(parties)).unwrap();
        Self { other, node }
    }
}
