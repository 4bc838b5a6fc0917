//! Domains come and go.

use xs::proto::Op;

use super::World;
use crate::machine::Life;

const WATCHED: &str = "@releaseDomain|t|";
const TOLD: [&str; 2] = ["tool OK|", "tool event @releaseDomain|t|"];

#[test]
fn a_domain_is_introduced_once() {
    let mut world = World::new();
    world.live(4, Some(Life::Alive));
    world.check(&[
        (
            "tool",
            0,
            Op::WATCH,
            "@introduceDomain|t|",
            &["tool OK|", "tool event @introduceDomain|t|"],
        ),
        ("dom0", 0, Op::IS_DOMAIN_INTRODUCED, "4|", &["dom0 F|"]),
        ("dom0", 0, Op::INTRODUCE, "4|1|1|", &["dom0 OK|", "tool event @introduceDomain|t|"]),
        ("dom0", 0, Op::IS_DOMAIN_INTRODUCED, "4|", &["dom0 T|"]),
        ("dom0", 0, Op::IS_DOMAIN_INTRODUCED, "0|", &["dom0 T|"]),
        ("dom0", 0, Op::IS_DOMAIN_INTRODUCED, "32752|", &["dom0 T|"]),
        ("dom0", 0, Op::INTRODUCE, "4|1|1|", &["dom0 OK|"]),
        ("dom0", 0, Op::INTRODUCE, "5|1|1|", &["dom0 EINVAL"]),
    ]);
}

#[test]
fn a_domain_that_is_introduced_again_begins_anew() {
    World::new().check(&[
        ("1", 0, Op::WATCH, "a|t|", &["1 OK|", "1 event a|t|"]),
        ("1", 0, Op::TRANSACTION_START, "|", &["1 1|"]),
        ("dom0", 0, Op::INTRODUCE, "1|1|1|", &["dom0 OK|"]),
        ("1", 1, Op::READ, "a|", &["1 ENOENT"]),
        ("1", 0, Op::WRITE, "a|", &["1 OK|"]),
    ]);
}

#[test]
fn a_released_domain_takes_its_nodes_with_it() {
    World::new().check(&[
        ("tool", 0, Op::WATCH, WATCHED, &TOLD),
        ("tool", 0, Op::WATCH, "/local|l|", &["tool OK|", "tool event /local|l|"]),
        (
            "dom0",
            0,
            Op::RELEASE,
            "1|",
            &["dom0 OK|", "tool event /local/domain/1|l|", "tool event @releaseDomain|t|"],
        ),
        ("dom0", 0, Op::DIRECTORY, "/local/domain|", &["dom0 2|3|"]),
        ("dom0", 0, Op::IS_DOMAIN_INTRODUCED, "1|", &["dom0 F|"]),
        ("dom0", 0, Op::RELEASE, "1|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::RELEASE, "0|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::RELEASE, "x|", &["dom0 EINVAL"]),
    ]);
}

#[test]
fn a_shutdown_is_told_once_until_it_is_resumed() {
    let mut world = World::new();
    let told = ["tool event @releaseDomain|t|"];
    world.check(&[("tool", 0, Op::WATCH, WATCHED, &TOLD)]);
    assert_eq!(world.live(1, Some(Life::Shutdown)), told);
    assert_eq!(world.live(1, Some(Life::Shutdown)), [""; 0]);
    world.check(&[
        ("dom0", 0, Op::RESUME, "1|", &["dom0 OK|"]),
        ("dom0", 0, Op::RESUME, "9|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::RESUME, "0|", &["dom0 EINVAL"]),
    ]);
    assert_eq!(world.live(1, Some(Life::Shutdown)), told);
    assert_eq!(world.live(1, Some(Life::Dying)), told);
    assert_eq!(world.live(1, None), [""; 0]);
}

#[test]
fn the_root_of_a_domain_that_died_is_domain_0s() {
    let mut world = World::new();
    world.check(&[("dom0", 0, Op::SET_PERMS, "/|b1|", &["dom0 OK|"])]);
    world.live(1, None);
    world.check(&[("dom0", 0, Op::GET_PERMS, "/|", &["dom0 b0|"])]);
}
