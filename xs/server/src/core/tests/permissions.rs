//! Who may do what.

use xs::proto::Op;

use super::World;
use crate::machine::Life;

#[test]
fn a_guest_may_what_it_is_allowed_to() {
    World::new().check(&[
        ("dom0", 0, Op::WRITE, "/r|1", &["dom0 OK|"]),
        ("dom0", 0, Op::SET_PERMS, "/r|r0|", &["dom0 OK|"]),
        ("1", 0, Op::READ, "/r|", &["1 1"]),
        ("1", 0, Op::GET_PERMS, "/r|", &["1 r0|"]),
        ("1", 0, Op::WRITE, "/r|2", &["1 EACCES"]),
        ("1", 0, Op::RM, "/r|", &["1 EACCES"]),
        ("1", 0, Op::SET_PERMS, "/r|r1|", &["1 EACCES"]),
        ("dom0", 0, Op::SET_PERMS, "/r|w0|", &["dom0 OK|"]),
        ("1", 0, Op::READ, "/r|", &["1 EACCES"]),
        ("1", 0, Op::WRITE, "/r|2", &["1 OK|"]),
        ("1", 0, Op::MKDIR, "/r/a|", &["1 OK|"]),
    ]);
}

#[test]
fn the_first_entry_of_a_guest_counts_before_the_default() {
    World::new().check(&[
        ("dom0", 0, Op::WRITE, "/a|1", &["dom0 OK|"]),
        ("dom0", 0, Op::SET_PERMS, "/a|b0|n1|b1|r2|", &["dom0 OK|"]),
        ("1", 0, Op::READ, "/a|", &["1 EACCES"]),
        ("2", 0, Op::READ, "/a|", &["2 1"]),
        ("2", 0, Op::WRITE, "/a|2", &["2 EACCES"]),
        ("3", 0, Op::WRITE, "/a|3", &["3 OK|"]),
    ]);
}

#[test]
fn an_owner_may_all_but_give_it_away() {
    World::new().check(&[
        ("1", 0, Op::WRITE, "a|1", &["1 OK|"]),
        ("1", 0, Op::GET_PERMS, "a|", &["1 n1|"]),
        ("1", 0, Op::SET_PERMS, "a|n1|r2|", &["1 OK|"]),
        ("2", 0, Op::READ, "/local/domain/1/a|", &["2 1"]),
        ("1", 0, Op::SET_PERMS, "a|n2|", &["1 EPERM"]),
        ("dom0", 0, Op::SET_PERMS, "/local/domain/1/a|n2|", &["dom0 OK|"]),
        ("1", 0, Op::READ, "a|", &["1 EACCES"]),
    ]);
}

#[test]
fn nobody_learns_what_is_missing_who_may_not_read_its_parent() {
    World::new().check(&[
        ("1", 0, Op::READ, "/local/domain/2/a|", &["1 EACCES"]),
        ("1", 0, Op::READ, "/local/domain/1/a|", &["1 ENOENT"]),
        ("1", 0, Op::READ, "/nothing/here|", &["1 EACCES"]),
        ("1", 0, Op::WRITE, "/nothing|", &["1 EACCES"]),
        ("1", 0, Op::RM, "/nothing|", &["1 EACCES"]),
        ("1", 0, Op::SET_PERMS, "/nothing|n1|", &["1 EACCES"]),
        ("dom0", 0, Op::SET_PERMS, "/|r0|", &["dom0 OK|"]),
        ("1", 0, Op::READ, "/nothing/here|", &["1 ENOENT"]),
        ("1", 0, Op::WRITE, "/nothing|", &["1 EACCES"]),
    ]);
}

#[test]
fn a_node_is_made_with_the_permissions_of_its_parent() {
    World::new().check(&[
        ("dom0", 0, Op::MKDIR, "/p|", &["dom0 OK|"]),
        ("dom0", 0, Op::SET_PERMS, "/p|b2|r3|", &["dom0 OK|"]),
        // Whose it is: the guest's that makes it, but of what dom0 makes the parent's owner's.
        ("1", 0, Op::MKDIR, "/p/a/b|", &["1 OK|"]),
        ("dom0", 0, Op::GET_PERMS, "/p/a|", &["dom0 b1|r3|"]),
        ("dom0", 0, Op::GET_PERMS, "/p/a/b|", &["dom0 b1|r3|"]),
        ("dom0", 0, Op::MKDIR, "/p/c|", &["dom0 OK|"]),
        ("dom0", 0, Op::GET_PERMS, "/p/c|", &["dom0 b2|r3|"]),
    ]);
}

#[test]
fn entries_are_a_letter_and_a_number() {
    World::new().check(&[
        ("dom0", 0, Op::SET_PERMS, "/tool|x0|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::SET_PERMS, "/tool|r|", &["dom0 EINVAL"]),
        ("dom0", 0, Op::SET_PERMS, "/tool|r0 |", &["dom0 EINVAL"]),
        ("dom0", 0, Op::SET_PERMS, "/tool|n0|r0x1|w02|b-1|", &["dom0 OK|"]),
        ("dom0", 0, Op::GET_PERMS, "/tool|", &["dom0 n0|r1|w2|b-1|"]),
        // An owner must exist.
        ("dom0", 0, Op::SET_PERMS, "/tool|n9|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::SET_PERMS, "/tool|n0|r9|", &["dom0 OK|"]),
    ]);
}

#[test]
fn an_entry_is_not_for_the_next_domain_of_its_id() {
    let mut world = World::new();
    world.check(&[
        ("dom0", 0, Op::WRITE, "/a/b|1", &["dom0 OK|"]),
        ("dom0", 0, Op::SET_PERMS, "/a|n0|b1|r9|", &["dom0 OK|"]),
        ("1", 0, Op::MKDIR, "/a/c|", &["1 OK|"]),
        ("dom0", 0, Op::SET_PERMS, "/a/b|n0|b1|", &["dom0 OK|"]),
    ]);
    world.live(1, None);
    world.live(1, Some(Life::Alive));
    world.live(9, Some(Life::Alive));
    world.check(&[
        ("dom0", 0, Op::INTRODUCE, "1|1|1|", &["dom0 OK|"]),
        // What it owned is gone; the entry for it is there, and means nobody.
        ("dom0", 0, Op::DIRECTORY, "/a|", &["dom0 b|"]),
        ("dom0", 0, Op::GET_PERMS, "/a/b|", &["dom0 n0|b1|"]),
        ("1", 0, Op::READ, "/a/b|", &["1 EACCES"]),
        // Nor do changes, or what is made below, bring it back.
        ("dom0", 0, Op::WRITE, "/a/b|2", &["dom0 OK|"]),
        ("1", 0, Op::READ, "/a/b|", &["1 EACCES"]),
        ("dom0", 0, Op::WRITE, "/a/b/new|2", &["dom0 OK|"]),
        ("1", 0, Op::READ, "/a/b/new|", &["1 EACCES"]),
        ("dom0", 0, Op::SET_PERMS, "/a/b|n0|b1|", &["dom0 OK|"]),
        ("1", 0, Op::READ, "/a/b|", &["1 2"]),
    ]);
}

#[test]
fn a_domain_has_the_rights_of_its_target() {
    World::new().check(&[
        ("2", 0, Op::WRITE, "a|1", &["2 OK|"]),
        ("dom0", 0, Op::SET_TARGET, "1|2|", &["dom0 OK|"]),
        ("1", 0, Op::READ, "/local/domain/2/a|", &["1 1"]),
        ("2", 0, Op::READ, "/local/domain/1|", &["2 EACCES"]),
        ("dom0", 0, Op::SET_TARGET, "1|9|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::SET_TARGET, "9|1|", &["dom0 ENOENT"]),
        ("dom0", 0, Op::SET_TARGET, "1|", &["dom0 EINVAL"]),
    ]);
}

#[test]
fn some_is_for_the_privileged_only() {
    World::new().check(&[
        ("1", 0, Op::CONTROL, "help|", &["1 EACCES"]),
        ("1", 0, Op::INTRODUCE, "2|1|1|", &["1 EACCES"]),
        ("1", 0, Op::RELEASE, "2|", &["1 EACCES"]),
        ("1", 0, Op::RESUME, "2|", &["1 EACCES"]),
        ("1", 0, Op::SET_TARGET, "1|2|", &["1 EACCES"]),
        ("1", 0, Op::IS_DOMAIN_INTRODUCED, "1|", &["1 EACCES"]),
        ("1", 0, Op::GET_DOMAIN_PATH, "7|", &["1 /local/domain/7|"]),
        ("1", 0, Op::SET_PERMS, "@releaseDomain|n1|", &["1 EACCES"]),
        ("dom0", 0, Op::SET_PERMS, "@other|n0|", &["dom0 EINVAL"]),
    ]);
}
