//! Changes that are made together or not at all.

use xs::proto::Op;

use super::World;

#[test]
fn a_transaction_is_seen_at_its_end() {
    World::new().check(&[
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 1, Op::WRITE, "/a|1", &["dom0 OK|"]),
        ("dom0", 1, Op::READ, "/a|", &["dom0 1"]),
        ("dom0", 0, Op::READ, "/a|", &["dom0 ENOENT"]),
        ("dom0", 1, Op::TRANSACTION_END, "T|", &["dom0 OK|"]),
        ("dom0", 0, Op::READ, "/a|", &["dom0 1"]),
        ("dom0", 1, Op::READ, "/a|", &["dom0 ENOENT"]),
    ]);
}

#[test]
fn an_aborted_transaction_leaves_nothing() {
    World::new().check(&[
        ("dom0", 0, Op::WATCH, "/|t|", &["dom0 OK|", "dom0 event /|t|"]),
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 1, Op::WRITE, "/a|1", &["dom0 OK|"]),
        ("dom0", 1, Op::RM, "/tool|", &["dom0 OK|"]),
        ("dom0", 1, Op::TRANSACTION_END, "F|", &["dom0 OK|"]),
        ("dom0", 0, Op::DIRECTORY, "/|", &["dom0 tool|local|"]),
    ]);
}

#[test]
fn transactions_have_ids_of_their_connection() {
    World::new().check(&[
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 2|"]),
        ("tool", 0, Op::TRANSACTION_START, "|", &["tool 1|"]),
        ("dom0", 1, Op::TRANSACTION_START, "|", &["dom0 EBUSY"]),
        ("tool", 2, Op::READ, "/tool|", &["tool ENOENT"]),
        ("dom0", 0, Op::TRANSACTION_END, "T|", &["dom0 ENOENT"]),
        ("dom0", 9, Op::TRANSACTION_END, "T|", &["dom0 ENOENT"]),
        // It goes on.
        ("dom0", 1, Op::TRANSACTION_END, "?|", &["dom0 EINVAL"]),
        ("dom0", 1, Op::TRANSACTION_END, "T|", &["dom0 OK|"]),
    ]);
}

#[test]
fn what_was_read_must_not_have_changed() {
    World::new().check(&[
        ("dom0", 0, Op::WRITE, "/a|1", &["dom0 OK|"]),
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 1, Op::READ, "/a|", &["dom0 1"]),
        // Though it is the same value.
        ("tool", 0, Op::WRITE, "/a|1", &["tool OK|"]),
        ("dom0", 1, Op::TRANSACTION_END, "T|", &["dom0 EAGAIN"]),
        ("dom0", 1, Op::TRANSACTION_END, "T|", &["dom0 ENOENT"]),
    ]);
}

#[test]
fn what_is_written_was_read() {
    World::new().check(&[
        ("dom0", 0, Op::WRITE, "/a|1", &["dom0 OK|"]),
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 1, Op::WRITE, "/a|2", &["dom0 OK|"]),
        ("tool", 0, Op::WRITE, "/a|3", &["tool OK|"]),
        ("dom0", 1, Op::TRANSACTION_END, "T|", &["dom0 EAGAIN"]),
        ("dom0", 0, Op::READ, "/a|", &["dom0 3"]),
    ]);
}

#[test]
fn whoever_makes_a_node_changes_its_parent() {
    World::new().check(&[
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 1, Op::WRITE, "/tool/a|", &["dom0 OK|"]),
        ("tool", 0, Op::WRITE, "/tool/b|", &["tool OK|"]),
        ("dom0", 1, Op::TRANSACTION_END, "T|", &["dom0 EAGAIN"]),
        // A new value is no change of the parent.
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 2|"]),
        ("dom0", 2, Op::WRITE, "/tool/a|", &["dom0 OK|"]),
        ("tool", 0, Op::WRITE, "/tool/b|2", &["tool OK|"]),
        ("dom0", 2, Op::TRANSACTION_END, "T|", &["dom0 OK|"]),
    ]);
}

#[test]
fn what_was_missing_must_still_be() {
    World::new().check(&[
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 1, Op::READ, "/tool/a/b|", &["dom0 ENOENT"]),
        ("tool", 0, Op::WRITE, "/tool/a/b|", &["tool OK|"]),
        ("dom0", 1, Op::TRANSACTION_END, "T|", &["dom0 EAGAIN"]),
    ]);
}

#[test]
fn events_come_at_the_end_one_for_each_node() {
    World::new().check(&[
        ("tool", 0, Op::WATCH, "/a|t|", &["tool OK|", "tool event /a|t|"]),
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 1, Op::WRITE, "/a/b|1", &["dom0 OK|"]),
        ("dom0", 1, Op::WRITE, "/a/b|2", &["dom0 OK|"]),
        ("dom0", 1, Op::WRITE, "/a/c|1", &["dom0 OK|"]),
        ("dom0", 1, Op::WRITE, "/a/gone|1", &["dom0 OK|"]),
        ("dom0", 1, Op::RM, "/a/gone|", &["dom0 OK|"]),
        (
            "dom0",
            1,
            Op::TRANSACTION_END,
            "T|",
            &["dom0 OK|", "tool event /a/b|t|", "tool event /a/c|t|"],
        ),
    ]);
}

#[test]
fn a_removal_of_what_others_removed_fails() {
    World::new().check(&[
        ("dom0", 0, Op::WRITE, "/a/b|1", &["dom0 OK|"]),
        ("dom0", 0, Op::TRANSACTION_START, "|", &["dom0 1|"]),
        ("dom0", 1, Op::DIRECTORY, "/a|", &["dom0 b|"]),
        ("tool", 0, Op::RM, "/a/b|", &["tool OK|"]),
        ("dom0", 1, Op::RM, "/a|", &["dom0 EIO"]),
        ("dom0", 1, Op::TRANSACTION_END, "T|", &["dom0 EAGAIN"]),
    ]);
}

#[test]
fn a_reset_ends_transactions_and_watches() {
    World::new().check(&[
        ("1", 0, Op::WATCH, "a|t|", &["1 OK|", "1 event a|t|"]),
        ("1", 0, Op::TRANSACTION_START, "|", &["1 1|"]),
        ("1", 0, Op::RESET_WATCHES, "|", &["1 OK|"]),
        ("1", 1, Op::READ, "a|", &["1 ENOENT"]),
        ("1", 0, Op::WRITE, "a|", &["1 OK|"]),
        ("1", 0, Op::UNWATCH, "a|t|", &["1 ENOENT"]),
        ("1", 0, Op::TRANSACTION_START, "|", &["1 2|"]),
    ]);
}
