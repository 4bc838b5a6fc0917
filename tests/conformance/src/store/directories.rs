//! Directories: which children a node has.

use std::thread;

use xs::{Kind, ask};

use super::conn::Conn;
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![
            a_directory_lists_the_names_of_children,
            a_node_without_children_has_an_empty_directory,
            a_directory_does_not_list_grandchildren,
            every_verb_says_not_found_of_a_missing_node,
        ]),
        Fact::of_dom0(facts![
            a_directory_may_be_longer_than_a_packet,
            a_long_directory_that_changes_meanwhile_is_listed_once,
        ]),
        Fact::of_guests(facts![a_long_directory_reaches_a_guest_from_the_c_daemon_alone]),
    ]
    .concat()
}

fn a_directory_lists_the_names_of_children(ctx: &Ctx) {
    ctx.conn().mkdir(&ctx.node("b/c")).unwrap();
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    assert_eq!(sorted(ctx.conn(), ctx), ["a", "b"]);
}

fn a_node_without_children_has_an_empty_directory(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    assert_eq!(ctx.conn().directory(&ctx.node("a")).unwrap(), [""; 0]);
}

fn a_directory_does_not_list_grandchildren(ctx: &Ctx) {
    ctx.conn().mkdir(&ctx.node("a/b/c")).unwrap();
    assert_eq!(ctx.conn().directory(ctx.home()).unwrap(), ["a"]);
    assert_eq!(ctx.conn().directory(&ctx.node("a")).unwrap(), ["b"]);
}

fn every_verb_says_not_found_of_a_missing_node(ctx: &Ctx) {
    use xs::{ErrorCode, Perms};

    let missing = ctx.node("no/such");
    let error = ctx.conn().read(&missing).unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::Enoent));
    assert_eq!(error.path(), Some(&missing));
    assert_eq!(ctx.conn().directory(&missing).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(ctx.conn().subtree(&missing).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(ctx.conn().perms(&missing).unwrap_err().kind(), Kind::NotFound);
    let perms = Perms::private(ctx.domid());
    assert_eq!(ctx.conn().set_perms(&missing, &perms).unwrap_err().kind(), Kind::NotFound);
}

/// The C daemon sends it in parts, oxenstored at once in a packet that is longer than packets are.
fn a_directory_may_be_longer_than_a_packet(ctx: &Ctx) {
    fill(ctx.conn(), ctx);
    let expected: Vec<_> = (0..CHILDREN).map(|n| (FIRST + n).to_string()).collect();
    assert_eq!(sorted(ctx.conn(), ctx), expected);
}

fn a_long_directory_that_changes_meanwhile_is_listed_once(ctx: &Ctx) {
    fill(ctx.conn(), ctx);
    let other = ctx.dom0();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Each change may have a list in two parts begin anew, which the client does 100 times.
            (0..45).for_each(|_| {
                other.mkdir(&ctx.node("changing")).unwrap();
                other.rm(&ctx.node("changing")).unwrap();
            });
        });
        let lists: Vec<_> = (0..20).map(|_| sorted(ctx.conn(), ctx)).collect();
        lists.into_iter().for_each(|mut names| {
            names.retain(|name| name != "changing");
            let expected: Vec<_> = (0..CHILDREN).map(|n| (FIRST + n).to_string()).collect();
            assert_eq!(names, expected);
        });
    });
}

/// oxenstored has no `DIRECTORY_PART` and sends a guest no packet over 4096 bytes
/// (`Connection.send_reply`, tools/ocaml/xenstored/connection.ml).
fn a_long_directory_reaches_a_guest_from_the_c_daemon_alone(ctx: &Ctx) {
    fill(&ctx.dom0(), ctx);
    let outcome = ctx.conn().directory(ctx.home());
    let outcome = outcome.map(|names| names.len()).map_err(|error| error.kind());
    let expected = Per { c: Ok(CHILDREN as usize), ocaml: Err(Kind::Invalid) };
    assert_eq!(outcome, ctx.per(expected));
}

/// Together over 4096 bytes.
fn fill(conn: &Conn, ctx: &Ctx) {
    let nodes: Vec<_> = (0..CHILDREN).map(|n| ctx.home().join(FIRST + n)).collect();
    let made = conn.batch(nodes.iter().map(ask::mkdir).collect());
    made.into_iter().for_each(|made| made.unwrap());
}

fn sorted(conn: &Conn, ctx: &Ctx) -> Vec<String> {
    let names = conn.directory(ctx.home()).unwrap();
    let mut names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

const CHILDREN: u32 = 600;
const FIRST: u32 = 1_000_000_000;
