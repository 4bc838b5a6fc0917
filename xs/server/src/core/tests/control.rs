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

#[test]
fn the_report_counts_watches_as_they_come_and_go() {
    let mut world = World::new();
    world.check(&[
        ("dom0", 0, Op::WATCH, "/a|1|", &["dom0 OK|", "dom0 event /a|1|"]),
        ("1", 0, Op::WATCH, "/a|1|", &["1 OK|", "1 event /a|1|"]),
        ("dom0", 0, Op::CONTROL, "memreport|", &["dom0 nodes 8\nconnections 5\nwatches 2\n|"]),
        ("dom0", 0, Op::UNWATCH, "/a|1|", &["dom0 OK|"]),
        ("dom0", 0, Op::CONTROL, "memreport|", &["dom0 nodes 8\nconnections 5\nwatches 1\n|"]),
    ]);
}
