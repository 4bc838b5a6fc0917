//! Errors: what the daemons say of requests that make no sense.

use super::fact::Facts as _;
use super::wire::{
    CONTROL, DIRECTORY, DIRECTORY_PART, DOMAIN_PATH, ERROR, GET_PERMS, INTRODUCE, MKDIR, READ,
    RELEASE, RM, SET_PERMS, UNWATCH, WATCH, WRITE,
};
use super::{Ctx, Fact, Per, facts};

pub(super) fn facts() -> Vec<Fact> {
    [
        Fact::of_anyone(facts![
            a_path_has_no_other_characters,
            a_path_has_no_empty_segment,
            a_path_does_not_end_in_a_slash,
            an_empty_path_is_refused,
            a_request_without_arguments_is_refused,
            permissions_have_a_letter_and_a_number,
            permissions_have_at_least_one_entry,
            a_domain_that_is_no_number_is_domain_0,
            an_unknown_operation_is_refused,
            the_part_of_a_directory_is_for_the_c_daemon,
        ])
        .by_hand(),
        Fact::of_dom0(facts![a_command_that_is_unknown_is_refused_by_the_c_daemon]).by_hand(),
        Fact::of_dom0(facts![
            the_root_is_removed_in_oxenstored_only,
            releasing_dom0_breaks_oxenstored,
            a_read_of_two_paths_is_refused_or_ends_the_c_daemon,
        ])
        .by_hand()
        .alone(),
        Fact::of_dom0(facts![the_client_does_not_remove_the_root]).alone(),
    ]
    .concat()
}

fn a_path_has_no_other_characters(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let home = ctx.home();
    let refused = ["a b", "a.b", "a:b", "a+b", "\u{e4}"]
        .map(|name| wire.refusal(WRITE, format!("{home}/{name}\0value").as_bytes()));
    assert_eq!(refused, ["EINVAL"; 5]);
}

fn a_path_has_no_empty_segment(ctx: &Ctx) {
    let path = format!("{}//a\0", ctx.home());
    assert_eq!(ctx.wire().refusal(MKDIR, path.as_bytes()), "EINVAL");
}

fn a_path_does_not_end_in_a_slash(ctx: &Ctx) {
    let path = format!("{}/\0", ctx.home());
    assert_eq!(ctx.wire().refusal(READ, path.as_bytes()), "EINVAL");
}

fn an_empty_path_is_refused(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let refused = [READ, DIRECTORY, MKDIR, RM].map(|op| wire.refusal(op, b"\0"));
    assert_eq!(refused, ["EINVAL"; 4]);
}

fn a_request_without_arguments_is_refused(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let refused = [WRITE, GET_PERMS, SET_PERMS, WATCH, UNWATCH].map(|op| wire.refusal(op, b"\0"));
    assert_eq!(refused, ["EINVAL"; 5]);
}

/// The C daemon of 4.17 says what `errno` happens to be, and if that is 0 it says nothing, and ends
/// by an assertion (`consider_message`). That of 4.20 says EINVAL.
fn a_read_of_two_paths_is_refused_or_ends_the_c_daemon(ctx: &Ctx) {
    let mut wire = ctx.wire();
    wire.send(READ, 1, 0, ctx.payload("more\0").as_bytes());
    let answer = wire.try_receive().map(|reply| reply.op).ok();
    let possible: Per<&[_]> = Per { c: &[Some(ERROR), None], ocaml: &[Some(ERROR)] };
    let possible = ctx.per_and_ours(possible, &[Some(ERROR)]);
    assert!(possible.contains(&answer), "{answer:?}");
}

fn permissions_have_a_letter_and_a_number(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let refused = ["x0", "r", "0", "rr"]
        .map(|entry| wire.refusal(SET_PERMS, ctx.payload(&format!("{entry}\0")).as_bytes()));
    assert_eq!(refused, ["EINVAL"; 4]);
}

fn permissions_have_at_least_one_entry(ctx: &Ctx) {
    assert_eq!(ctx.wire().refusal(SET_PERMS, ctx.payload("").as_bytes()), "EINVAL");
}

fn a_domain_that_is_no_number_is_domain_0(ctx: &Ctx) {
    assert_eq!(ctx.wire().ask(DOMAIN_PATH, b"seven\0").unwrap(), b"/local/domain/0\0");
}

fn an_unknown_operation_is_refused(ctx: &Ctx) {
    let refused = ctx.wire().refusal(77, b"/\0");
    assert_eq!(refused, "ENOSYS");
}

fn the_part_of_a_directory_is_for_the_c_daemon(ctx: &Ctx) {
    let outcome = ctx.wire().ask(DIRECTORY_PART, ctx.payload("0\0").as_bytes());
    // A generation, and the empty name that says it is the end.
    let outcome = outcome.map(|part| part.ends_with(b"\0\0"));
    let expected = Per { c: Ok(true), ocaml: Err("ENOSYS".to_owned()) };
    assert_eq!(outcome, ctx.per(expected));
}

/// oxenstored says OK to all that it does not know.
fn a_command_that_is_unknown_is_refused_by_the_c_daemon(ctx: &Ctx) {
    let outcome = ctx.wire().ask(CONTROL, b"no-such-command\0");
    let expected = Per { c: Err("EINVAL".to_owned()), ocaml: Ok(b"OK\0".to_vec()) };
    assert_eq!(outcome, ctx.per(expected));
}

/// oxenstored forgets dom0 before it finds that there is no ring, and introduces nobody any more
/// (observed on 4.17).
fn releasing_dom0_breaks_oxenstored(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let refused = wire.refusal(RELEASE, b"0\0");
    assert_eq!(refused, ctx.per(Per { c: "EINVAL", ocaml: "ENOENT" }));
    let domain = ctx.daemon().add_domain(ctx.nobody()).unwrap();
    let outcome = wire.ask(INTRODUCE, &domain.introduction()).map(drop);
    assert_eq!(outcome, ctx.per(Per { c: Ok(()), ocaml: Err("EINVAL".to_owned()) }));
}

/// The end of the whole store (observed on oxenstored 4.17).
fn the_root_is_removed_in_oxenstored_only(ctx: &Ctx) {
    let mut wire = ctx.wire();
    let outcome = wire.ask(RM, b"/\0").map(drop);
    assert_eq!(outcome, ctx.per(Per { c: Err("EINVAL".to_owned()), ocaml: Ok(()) }));
    let home = wire.ask(READ, ctx.payload("").as_bytes());
    let expected = Per { c: Ok(vec![]), ocaml: Err("ENOENT".to_owned()) };
    assert_eq!(home, ctx.per(expected));
}

fn the_client_does_not_remove_the_root(ctx: &Ctx) {
    let root = xs::Path::ROOT;
    assert_eq!(ctx.conn().rm(&root).unwrap_err().kind(), xs::Kind::Invalid);
    assert_eq!(ctx.conn().rm_if_exists(&root).unwrap_err().kind(), xs::Kind::Invalid);
    assert_eq!(ctx.conn().read_opt(ctx.home()).unwrap(), Some(vec![]));
}
