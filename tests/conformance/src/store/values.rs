//! Values: written, read, made, removed.

use xs::{Kind, Path};

use super::conn::Conn;
use super::{Ctx, Fact, facts};

pub(super) fn facts() -> Vec<Fact> {
    Fact::of_anyone(facts![
        what_is_written_is_read,
        an_empty_value_is_not_a_missing_one,
        a_value_is_replaced_as_a_whole,
        a_node_that_is_written_has_its_parents_made,
        a_node_that_is_made_has_an_empty_value,
        making_a_node_that_exists_keeps_its_value,
        writing_a_node_keeps_what_is_below,
        removing_takes_everything_below,
        removing_keeps_the_parent_and_its_other_children,
        removing_what_is_missing_fails_only_without_its_parent,
        a_removed_node_can_be_made_again,
        a_relative_path_starts_at_the_home_of_the_domain,
        a_name_may_have_every_character_that_paths_have,
        a_value_that_is_no_text_is_refused_as_text,
        many_values_are_read_in_one_flight,
        a_subtree_is_read_as_a_whole,
    ])
}

fn what_is_written_is_read(ctx: &Ctx) {
    let value: Vec<u8> = (0..=255).collect();
    ctx.conn().write(&ctx.node("bytes"), &value).unwrap();
    assert_eq!(ctx.conn().read(&ctx.node("bytes")).unwrap(), value);
}

fn an_empty_value_is_not_a_missing_one(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("here"), "").unwrap();
    assert_eq!(ctx.conn().read_opt(&ctx.node("here")).unwrap(), Some(vec![]));
    assert_eq!(ctx.conn().read_opt(&ctx.node("gone")).unwrap(), None);
}

fn a_value_is_replaced_as_a_whole(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "a long value").unwrap();
    ctx.conn().write(&ctx.node("a"), "short").unwrap();
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap(), "short");
}

fn a_node_that_is_written_has_its_parents_made(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a/b/c"), "1").unwrap();
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap(), "");
    assert_eq!(ctx.conn().read_str(&ctx.node("a/b")).unwrap(), "");
}

fn a_node_that_is_made_has_an_empty_value(ctx: &Ctx) {
    ctx.conn().mkdir(&ctx.node("a/b")).unwrap();
    assert_eq!(ctx.conn().read_opt(&ctx.node("a/b")).unwrap(), Some(vec![]));
}

fn making_a_node_that_exists_keeps_its_value(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    ctx.conn().mkdir(&ctx.node("a")).unwrap();
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap(), "1");
}

fn writing_a_node_keeps_what_is_below(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a/b"), "1").unwrap();
    ctx.conn().write(&ctx.node("a"), "2").unwrap();
    assert_eq!(ctx.conn().read_str(&ctx.node("a/b")).unwrap(), "1");
}

fn removing_takes_everything_below(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a/b/c"), "1").unwrap();
    ctx.conn().rm(&ctx.node("a")).unwrap();
    assert_eq!(ctx.conn().read_opt(&ctx.node("a/b/c")).unwrap(), None);
    assert_eq!(ctx.conn().read_opt(&ctx.node("a")).unwrap(), None);
}

fn removing_keeps_the_parent_and_its_other_children(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a/b"), "1").unwrap();
    ctx.conn().write(&ctx.node("a/bc"), "2").unwrap();
    ctx.conn().rm(&ctx.node("a/b")).unwrap();
    assert_eq!(ctx.conn().directory(&ctx.node("a")).unwrap(), ["bc"]);
    assert_eq!(ctx.conn().read_str(&ctx.node("a/bc")).unwrap(), "2");
}

fn removing_what_is_missing_fails_only_without_its_parent(ctx: &Ctx) {
    ctx.conn().rm(&ctx.node("a")).unwrap();
    let orphan = ctx.node("a/b/c");
    assert_eq!(ctx.conn().rm(&orphan).unwrap_err().kind(), Kind::NotFound);
    ctx.conn().rm_if_exists(&orphan).unwrap();
}

fn a_removed_node_can_be_made_again(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a/b"), "1").unwrap();
    ctx.conn().rm(&ctx.node("a")).unwrap();
    ctx.conn().write(&ctx.node("a"), "2").unwrap();
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap(), "2");
    assert_eq!(ctx.conn().directory(&ctx.node("a")).unwrap(), [""; 0]);
}

fn a_relative_path_starts_at_the_home_of_the_domain(ctx: &Ctx) {
    let name = format!("relative-{}", ctx.front());
    let (relative, absolute) = (Path::new(&name).unwrap(), Path::domain(ctx.domid()));
    let absolute = absolute.try_join(&name).unwrap();
    ctx.conn().write(&relative.join("a"), "1").unwrap();
    assert_eq!(ctx.conn().read_str(&absolute.join("a")).unwrap(), "1");
    ctx.conn().rm(&relative).unwrap();
    assert_eq!(ctx.conn().read_opt(&absolute).unwrap(), None);
}

fn a_name_may_have_every_character_that_paths_have(ctx: &Ctx) {
    let name = "-0123456789@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
    ctx.conn().write(&ctx.node(name), "1").unwrap();
    assert_eq!(ctx.conn().directory(ctx.home()).unwrap(), [name]);
    assert_eq!(ctx.conn().read_str(&ctx.node(name)).unwrap(), "1");
}

fn a_value_that_is_no_text_is_refused_as_text(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), b"\xff").unwrap();
    assert_eq!(ctx.conn().read_str(&ctx.node("a")).unwrap_err().kind(), Kind::Invalid);
}

fn many_values_are_read_in_one_flight(ctx: &Ctx) {
    ctx.conn().write(&ctx.node("a"), "1").unwrap();
    ctx.conn().write(&ctx.node("c"), "3").unwrap();
    let nodes = [ctx.node("a"), ctx.node("b"), ctx.node("c")];
    let values = ctx.conn().read_each(&nodes).unwrap();
    assert_eq!(values, [Some(b"1".to_vec()), None, Some(b"3".to_vec())]);
}

fn a_subtree_is_read_as_a_whole(ctx: &Ctx) {
    let fill = |conn: &Conn| {
        conn.write(&ctx.node("top"), "0")?;
        conn.write(&ctx.node("top/a"), "1")?;
        conn.write(&ctx.node("top/b/c"), "2")?;
        conn.write(&ctx.node("topmost"), "not below")
    };
    fill(ctx.conn()).unwrap();
    let tree = ctx.conn().subtree(&ctx.node("top")).unwrap();
    let tree: Vec<_> = tree.into_iter().collect();
    let expected = [("top", "0"), ("top/a", "1"), ("top/b", ""), ("top/b/c", "2")];
    assert_eq!(tree, expected.map(|(name, value)| (ctx.node(name), value.into())));
}
