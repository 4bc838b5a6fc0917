//! How much a guest may use.

use xs::proto::Op;

use super::World;
use crate::quota::Quotas;

#[test]
fn a_guest_owns_so_many_nodes() {
    World::with(Quotas { nodes: 3, ..Quotas::default() }).check(&[
        ("1", 0, Op::MKDIR, "a/b/c|", &["1 ENOSPC"]),
        ("1", 0, Op::MKDIR, "a/b|", &["1 OK|"]),
        ("1", 0, Op::MKDIR, "c|", &["1 ENOSPC"]),
        ("1", 0, Op::WRITE, "a/b|1", &["1 OK|"]),
        ("1", 0, Op::RM, "a|", &["1 OK|"]),
        ("1", 0, Op::MKDIR, "c|", &["1 OK|"]),
        // Others may make more for it.
        ("dom0", 0, Op::MKDIR, "/local/domain/1/a/b/c/d|", &["dom0 OK|"]),
    ]);
}

#[test]
fn a_transaction_makes_one_node_less() {
    World::with(Quotas { nodes: 3, ..Quotas::default() }).check(&[
        ("1", 0, Op::TRANSACTION_START, "|", &["1 1|"]),
        ("1", 1, Op::MKDIR, "a/b|", &["1 OK|"]),
        ("1", 1, Op::TRANSACTION_END, "T|", &["1 ENOSPC"]),
        ("1", 0, Op::TRANSACTION_START, "|", &["1 2|"]),
        ("1", 2, Op::MKDIR, "a|", &["1 OK|"]),
        ("1", 2, Op::TRANSACTION_END, "T|", &["1 OK|"]),
    ]);
}

#[test]
fn a_guest_has_one_watch_and_one_transaction_more_than_so_many() {
    World::with(Quotas { watches: 1, transactions: 1, ..Quotas::default() }).check(&[
        ("1", 0, Op::WATCH, "a|t|", &["1 OK|", "1 event a|t|"]),
        ("1", 0, Op::WATCH, "b|t|", &["1 OK|", "1 event b|t|"]),
        ("1", 0, Op::WATCH, "c|t|", &["1 E2BIG"]),
        ("1", 0, Op::WATCH, "a|t|", &["1 EEXIST"]),
        ("1", 0, Op::TRANSACTION_START, "|", &["1 1|"]),
        ("1", 0, Op::TRANSACTION_START, "|", &["1 2|"]),
        ("1", 0, Op::TRANSACTION_START, "|", &["1 ENOSPC"]),
        ("1", 1, Op::TRANSACTION_END, "F|", &["1 OK|"]),
        ("1", 0, Op::TRANSACTION_START, "|", &["1 3|"]),
    ]);
}

#[test]
fn a_node_of_a_guest_is_so_large() {
    // 24 bytes and 8 for each permission, the value, and the names below with their NULs.
    World::with(Quotas { node_size: 40, ..Quotas::default() }).check(&[
        ("1", 0, Op::WRITE, "a|1234567", &["1 OK|"]),
        ("1", 0, Op::WRITE, "a|12345678", &["1 ENOSPC"]),
        ("1", 0, Op::READ, "a|", &["1 1234567"]),
        ("1", 0, Op::WRITE, "b/12345|", &["1 OK|"]),
        ("1", 0, Op::WRITE, "b/6|", &["1 ENOSPC"]),
        ("1", 0, Op::SET_PERMS, "a|n1|r2|", &["1 ENOSPC"]),
        ("dom0", 0, Op::WRITE, "/local/domain/1/a|12345678", &["dom0 OK|"]),
    ]);
}

#[test]
fn a_write_that_is_too_large_is_the_end_of_its_transaction() {
    World::with(Quotas { node_size: 40, ..Quotas::default() }).check(&[
        ("1", 0, Op::TRANSACTION_START, "|", &["1 1|"]),
        ("1", 1, Op::WRITE, "a|123456789", &["1 ENOSPC"]),
        ("1", 1, Op::WRITE, "a|1", &["1 OK|"]),
        ("1", 1, Op::TRANSACTION_END, "T|", &["1 ENOMEM"]),
        ("1", 0, Op::READ, "a|", &["1 ENOENT"]),
    ]);
}

#[test]
fn a_transaction_of_a_guest_touches_so_many_nodes() {
    World::with(Quotas { transaction_nodes: 2, ..Quotas::default() }).check(&[
        ("1", 0, Op::TRANSACTION_START, "|", &["1 1|"]),
        ("1", 1, Op::READ, "a|", &["1 ENOENT"]),
        ("1", 1, Op::READ, "b|", &["1 ENOSPC"]),
        ("1", 1, Op::TRANSACTION_END, "T|", &["1 ENOMEM"]),
    ]);
}

#[test]
fn a_node_of_a_guest_has_so_many_permissions() {
    World::with(Quotas { permissions: 2, ..Quotas::default() }).check(&[
        ("1", 0, Op::WRITE, "a|", &["1 OK|"]),
        ("1", 0, Op::SET_PERMS, "a|n1|r2|r3|", &["1 ENOSPC"]),
        ("1", 0, Op::SET_PERMS, "a|n1|r2|", &["1 OK|"]),
        ("dom0", 0, Op::SET_PERMS, "/tool|n0|r1|r2|", &["dom0 OK|"]),
    ]);
}

#[test]
fn a_guest_takes_so_much_memory() {
    let mut world = World::with(Quotas { memory: 600, ..Quotas::default() });
    let value = "x".repeat(400);
    world.check(&[
        ("1", 0, Op::WRITE, &format!("a|{value}"), &["1 OK|"]),
        ("1", 0, Op::WRITE, &format!("b|{value}"), &["1 ENOMEM"]),
        // In the place of what it has, it takes nothing more.
        ("1", 0, Op::WRITE, &format!("a|{value}"), &["1 OK|"]),
        ("1", 0, Op::WATCH, &format!("{}|t|", "y".repeat(200)), &["1 ENOMEM"]),
        ("2", 0, Op::WRITE, &format!("b|{value}"), &["2 OK|"]),
    ]);
}
