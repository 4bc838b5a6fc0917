//! Who is told of what.

use xs::proto::Op;

use super::World;

#[test]
fn a_watch_is_for_its_path_and_all_below() {
    World::new().check(&[
        ("tool", 0, Op::WATCH, "/a|t|", &["tool OK|", "tool event /a|t|"]),
        ("dom0", 0, Op::WRITE, "/a/b|", &["dom0 OK|", "tool event /a/b|t|"]),
        ("dom0", 0, Op::WRITE, "/ab|", &["dom0 OK|"]),
        ("dom0", 0, Op::SET_PERMS, "/a|n0|", &["dom0 OK|", "tool event /a|t|"]),
        ("tool", 0, Op::UNWATCH, "/a|t|", &["tool OK|"]),
        ("dom0", 0, Op::WRITE, "/a/b|", &["dom0 OK|"]),
    ]);
}

#[test]
fn a_watch_is_told_by_its_path_and_token() {
    World::new().check(&[
        ("dom0", 0, Op::WATCH, "/a|t|", &["dom0 OK|", "dom0 event /a|t|"]),
        ("dom0", 0, Op::WATCH, "/a|t|", &["dom0 EEXIST"]),
        ("dom0", 0, Op::WATCH, "/a|u|", &["dom0 OK|", "dom0 event /a|u|"]),
        ("dom0", 0, Op::UNWATCH, "/a|x|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::UNWATCH, "/b|t|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::WATCH, "/a/|t|", &["dom0 EINVAL"]),
        // Events come before the reply, those of a connection in the order of its watches.
        ("dom0", 0, Op::MKDIR, "/a|", &["dom0 event /a|t|", "dom0 event /a|u|", "dom0 OK|"]),
    ]);
}

#[test]
fn a_relative_watch_is_told_relative_paths() {
    World::new().check(&[
        ("1", 0, Op::WATCH, "a|t|", &["1 OK|", "1 event a|t|"]),
        ("1", 0, Op::WATCH, "/local/domain/1/a|t|", &["1 EEXIST"]),
        ("dom0", 0, Op::WRITE, "/local/domain/1/a/b|", &["dom0 OK|", "1 event a/b|t|"]),
    ]);
}

#[test]
fn the_same_event_is_told_once() {
    World::new().check(&[
        ("dom0", 0, Op::WATCH, "/a|t|", &["dom0 OK|", "dom0 event /a|t|"]),
        ("dom0", 0, Op::WATCH, "/|t|", &["dom0 OK|", "dom0 event /|t|"]),
        ("dom0", 0, Op::MKDIR, "/a|", &["dom0 event /a|t|", "dom0 OK|"]),
    ]);
}

#[test]
fn a_removal_is_told_from_the_leaves_up() {
    World::new().check(&[
        ("dom0", 0, Op::WRITE, "/a/b/c|", &["dom0 OK|"]),
        ("dom0", 0, Op::WRITE, "/a/d|", &["dom0 OK|"]),
        ("tool", 0, Op::WATCH, "/|root|", &["tool OK|", "tool event /|root|"]),
        ("tool", 0, Op::WATCH, "/a/d|d|", &["tool OK|", "tool event /a/d|d|"]),
        ("tool", 0, Op::WATCH, "/a/b/c|c|", &["tool OK|", "tool event /a/b/c|c|"]),
        // Those above learn of what was removed, not of what was below it.
        (
            "dom0",
            0,
            Op::RM,
            "/a|",
            &["dom0 OK|", "tool event /a/b/c|c|", "tool event /a/d|d|", "tool event /a|root|"],
        ),
    ]);
}

#[test]
fn who_may_read_neither_the_node_nor_its_parent_is_not_told() {
    World::new().check(&[
        ("1", 0, Op::WATCH, "/a|t|", &["1 OK|", "1 event /a|t|"]),
        ("dom0", 0, Op::WRITE, "/a/b/c|", &["dom0 OK|"]),
        ("dom0", 0, Op::SET_PERMS, "/a/b|n0|r1|", &["dom0 OK|", "1 event /a/b|t|"]),
        ("dom0", 0, Op::WRITE, "/a/b/c|", &["dom0 OK|", "1 event /a/b/c|t|"]),
        ("dom0", 0, Op::WRITE, "/a/b/d|", &["dom0 OK|", "1 event /a/b/d|t|"]),
        ("dom0", 0, Op::WRITE, "/a/c|", &["dom0 OK|"]),
        // That it may no longer read it, it is told.
        ("dom0", 0, Op::SET_PERMS, "/a/b|n0|", &["dom0 OK|", "1 event /a/b|t|"]),
        ("dom0", 0, Op::WRITE, "/a/b|", &["dom0 OK|"]),
    ]);
}

#[test]
fn special_watches_are_for_those_who_are_allowed() {
    World::new().check(&[
        ("1", 0, Op::WATCH, "@introduceDomain|t|", &["1 OK|", "1 event @introduceDomain|t|"]),
        ("2", 0, Op::WATCH, "@introduceDomain|t|", &["2 OK|", "2 event @introduceDomain|t|"]),
        ("dom0", 0, Op::SET_PERMS, "@introduceDomain|n0|r2|", &["dom0 OK|"]),
        ("dom0", 0, Op::RELEASE, "3|", &["dom0 OK|"]),
        ("dom0", 0, Op::INTRODUCE, "3|1|1|", &["dom0 OK|", "2 event @introduceDomain|t|"]),
    ]);
}

/// As from Xen 4.22.
#[test]
fn a_depth_limits_a_watch() {
    World::new().check(&[
        ("tool", 0, Op::WATCH, "/a|t|1|", &["tool OK|", "tool event /a|t|"]),
        ("dom0", 0, Op::WRITE, "/a/b/c|", &["dom0 OK|"]),
        ("dom0", 0, Op::WRITE, "/a/b|", &["dom0 OK|", "tool event /a/b|t|"]),
        ("tool", 0, Op::WATCH, "/a|u|-1|", &["tool EINVAL"]),
        ("tool", 0, Op::WATCH, "@releaseDomain|t|2|", &["tool EINVAL"]),
    ]);
}
