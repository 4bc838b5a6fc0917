//! Values and trees.

use xs::proto::Op;

use super::World;

#[test]
fn a_write_makes_the_parents() {
    World::new().check(&[
        ("dom0", 0, Op::WRITE, "/a/b/c|value", &["dom0 OK|"]),
        ("dom0", 0, Op::READ, "/a/b/c|", &["dom0 value"]),
        ("dom0", 0, Op::READ, "/a/b|", &["dom0 "]),
        ("dom0", 0, Op::DIRECTORY, "/a|", &["dom0 b|"]),
        ("dom0", 0, Op::WRITE, "/a/b|", &["dom0 OK|"]),
        ("dom0", 0, Op::WRITE, "/a/a|x|y", &["dom0 OK|"]),
        ("dom0", 0, Op::READ, "/a/a|", &["dom0 x|y"]),
        // In the order in which they came.
        ("dom0", 0, Op::DIRECTORY, "/a|", &["dom0 b|a|"]),
        ("dom0", 0, Op::DIRECTORY, "/a/a|", &["dom0 "]),
    ]);
}

#[test]
fn what_is_missing_is_not_found() {
    World::new().check(&[
        ("dom0", 0, Op::READ, "/a|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::DIRECTORY, "/a|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::DIRECTORY_PART, "/a|0|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::GET_PERMS, "/a|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::SET_PERMS, "/a|n0|", &["dom0 ENOENT"]),
        // It is as good as removed, but not if its parent is missing.
        ("dom0", 0, Op::RM, "/a|", &["dom0 OK|"]),
        ("dom0", 0, Op::RM, "/a/b|", &["dom0 ENOENT"]),
    ]);
}

#[test]
fn a_directory_is_made_once() {
    World::new().check(&[
        ("dom0", 0, Op::WATCH, "/a|t|", &["dom0 OK|", "dom0 event /a|t|"]),
        ("dom0", 0, Op::MKDIR, "/a|", &["dom0 event /a|t|", "dom0 OK|"]),
        ("dom0", 0, Op::WRITE, "/a|1", &["dom0 event /a|t|", "dom0 OK|"]),
        ("dom0", 0, Op::MKDIR, "/a|", &["dom0 OK|"]),
        ("dom0", 0, Op::READ, "/a|", &["dom0 1"]),
    ]);
}

#[test]
fn a_removal_takes_all_below() {
    World::new().check(&[
        ("dom0", 0, Op::WRITE, "/a/b/c|1", &["dom0 OK|"]),
        ("dom0", 0, Op::RM, "/a|", &["dom0 OK|"]),
        ("dom0", 0, Op::READ, "/a/b/c|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::DIRECTORY, "/|", &["dom0 tool|local|"]),
        ("dom0", 0, Op::RM, "/|", &["dom0 EINVAL"]),
        ("1", 0, Op::RM, "/|", &["1 EACCES"]),
    ]);
}

#[test]
fn a_relative_path_is_below_the_home() {
    World::new().check(&[
        ("1", 0, Op::WRITE, "a/b|1", &["1 OK|"]),
        ("dom0", 0, Op::READ, "/local/domain/1/a/b|", &["dom0 1"]),
        ("dom0", 0, Op::WRITE, "a|0", &["dom0 OK|"]),
        ("dom0", 0, Op::READ, "/local/domain/0/a|", &["dom0 0"]),
    ]);
}

#[test]
fn paths_have_a_form() {
    let long = |start: &str, len| format!("{start}{}|", "x".repeat(len));
    World::new().check(&[
        ("dom0", 0, Op::READ, "|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, "/a/|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, "//a|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, "/a b|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, "/é|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, "@releaseDomain|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, "/a-_@Z9|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::READ, &long("/", 2047), &["dom0 ENOENT"]),
        ("dom0", 0, Op::READ, &long("/", 2048), &["dom0 EINVAL"]),
        // Below a home, what follows the home counts.
        ("dom0", 0, Op::READ, &long("/local/domain/1/", 2048), &["dom0 ENOENT"]),
        ("dom0", 0, Op::READ, &long("/local/domain/1/", 2049), &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, &long("", 2048), &["dom0 ENOENT"]),
    ]);
}

#[test]
fn payloads_have_a_form() {
    World::new().check(&[
        ("dom0", 0, Op::READ, "/", &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, "/|/|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::READ, "", &["dom0 EINVAL"]),
        ("dom0", 0, Op::WRITE, "/a", &["dom0 EINVAL"]),
        ("dom0", 0, Op::DIRECTORY_PART, "/|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::WATCH, "/a|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::UNWATCH, "/a|t|u|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::SET_PERMS, "/a|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::TRANSACTION_END, "X|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::INTRODUCE, "1|1|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::INTRODUCE, "1|1|0|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::WATCH_EVENT, "|", &["dom0 ENOSYS"]),
        ("dom0", 0, Op(20), "|", &["dom0 ENOSYS"]),
        ("dom0", 0, Op(u32::MAX), "|", &["dom0 ENOSYS"]),
    ]);
}

#[test]
fn a_long_directory_comes_in_parts() {
    let mut world = World::new();
    let name = |letter: &str| letter.repeat(1500);
    for letter in ["a", "b", "c"] {
        let path = format!("/d/{}|", name(letter));
        assert_eq!(world.ask("dom0", 0, Op::MKDIR, &path), ["dom0 OK|"]);
    }
    assert_eq!(world.ask("dom0", 0, Op::DIRECTORY, "/d|"), ["dom0 E2BIG"]);
    let names = |sent: Vec<String>| sent[0].split_once('|').unwrap().1.to_owned();
    let first = world.ask("dom0", 0, Op::DIRECTORY_PART, "/d|0|");
    assert_eq!(names(first), format!("{}|{}|", name("a"), name("b")));
    let last = world.ask("dom0", 0, Op::DIRECTORY_PART, "/d|3002|");
    assert_eq!(names(last), format!("{}||", name("c")));
    let behind = world.ask("dom0", 0, Op::DIRECTORY_PART, "/d|4503|");
    assert_eq!(names(behind), "|");
    let within = world.ask("dom0", 0, Op::DIRECTORY_PART, "/d|4500|");
    assert_eq!(names(within), "cc||");
}
