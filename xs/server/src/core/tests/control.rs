//! Commands to the daemon.

use super::World;
use xs::proto::{MAX_PAYLOAD, Op};

#[test]
fn a_sound_store_is_found_sound() {
    let mut world = World::new();
    world.check(&[
        ("dom0", 0, Op::WRITE, "/a/b|v", &["dom0 OK|"]),
        ("dom0", 0, Op::CONTROL, "check|", &["dom0 OK|"]),
        ("1", 0, Op::CONTROL, "check|", &["1 EACCES"]),
        ("dom0", 0, Op::CONTROL, "check|more|", &["dom0 EINVAL"]),
    ]);
}

#[test]
fn a_node_that_got_lost_is_found() {
    let mut world = World::new();
    world.ask("dom0", 0, Op::WRITE, "/a/b|v");
    world.core.take_from_store("/a/b").unwrap();
    let found = world.ask("dom0", 0, Op::CONTROL, "check|");
    let [report] = &found[..] else { panic!("{found:?}") };
    assert!(report.starts_with("dom0 /a/b is listed and missing\ndomain 0 counts"), "{report}");
}

#[test]
fn what_is_found_is_cut_where_a_reply_ends() {
    let mut world = World::new();
    for number in 100..999 {
        world.ask("dom0", 0, Op::WRITE, &format!("/a/{number}|"));
        world.core.take_from_store(&format!("/a/{number}")).unwrap();
    }
    let found = world.ask("dom0", 0, Op::CONTROL, "check|");
    let [report] = &found[..] else { panic!("{found:?}") };
    let line = "/a/100 is listed and missing\n".len();
    // As many whole lines as there is room for before the NUL.
    let most = (MAX_PAYLOAD - 1) / line * line + 1;
    assert_eq!(report.strip_prefix("dom0 ").map(str::len), Some(most));
}
