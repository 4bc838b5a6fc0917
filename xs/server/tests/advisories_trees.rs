//! The attacks of the advisories that leave a tree, or its accounts, wrong. See `advisories.rs`.

mod world;

use xs::proto::Op;
use xs_server::Life;

use world::{World, text};

/// XSA-414: a node that cannot be made leaves neither itself nor its parents.
#[test]
fn a_creation_that_fails_leaves_nothing() {
    let mut world = World::new();
    let mut seven = world.guest(7);
    let before = world.count(7, "nodes");
    let memory = world.count(7, "memory");
    for n in 0..50 {
        let answer = world.ask(&mut seven, Op::WRITE, format!("a/b/{n}\0{}", "x".repeat(2040)));
        assert_eq!(answer.error(), "ENOSPC");
    }
    assert_eq!(world.ask(&mut seven, Op::READ, "a\0").error(), "ENOENT");
    assert_eq!((world.count(7, "nodes"), world.count(7, "memory")), (before, memory));
}

/// XSA-415: nor does it in a transaction, which may be committed or not.
#[test]
fn a_creation_that_fails_in_a_transaction_leaves_no_orphan() {
    let mut world = World::new();
    let mut seven = world.guest(7);
    let before = world.count(7, "nodes");
    let tx = world.begin(&mut seven);
    let long = format!("a/b/c\0{}", "x".repeat(2040));
    assert_eq!(world.ask_in(&mut seven, tx, Op::WRITE, long).error(), "ENOSPC");
    world.ask_in(&mut seven, tx, Op::TRANSACTION_END, "T\0");
    for path in ["a/b/c", "a/b", "a"] {
        assert_eq!(world.ask(&mut seven, Op::READ, format!("{path}\0")).error(), "ENOENT");
    }
    assert_eq!(world.count(7, "nodes"), before);
    assert_eq!(world.dom0_does(Op::CONTROL, "check\0"), "OK|");
}

/// XSA-418: how deep a tree is costs no stack.
#[test]
fn a_deep_tree_comes_and_goes_on_a_small_stack() {
    let deep = || {
        let mut world = World::new();
        let mut seven = world.guest(7);
        let path = vec!["a"; 900].join("/");
        assert_eq!(world.ask(&mut seven, Op::WRITE, format!("{path}\0")).error(), "");
        assert_eq!(world.ask(&mut seven, Op::RM, "a\0").error(), "");
        let tx = world.begin(&mut seven);
        assert_eq!(world.ask_in(&mut seven, tx, Op::MKDIR, format!("{path}\0")).error(), "");
        assert_eq!(world.ask_in(&mut seven, tx, Op::TRANSACTION_END, "T\0").error(), "");
        assert_eq!(world.count(7, "nodes"), 901);
        world.becomes(7, None);
        assert_eq!(world.dom0_does(Op::DIRECTORY, "/local/domain\0"), "");
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(deep).unwrap().join().unwrap();
}

/// XSA-419: what a domain owned goes with it, also from the tree of another.
#[test]
fn two_guests_together_make_no_more_nodes_than_each_may() {
    let mut world = World::new();
    let mut seven = world.guest(7);
    world.guest(8);
    world.ask(&mut seven, Op::WRITE, "shared\0");
    for _ in 0..3 {
        world.becomes(8, None);
        let mut eight = world.guest(8);
        let open = world.ask(&mut seven, Op::SET_PERMS, "shared\0n7\0b8\0");
        assert_eq!(open.error(), "");
        for n in 0..300 {
            let path = format!("/local/domain/7/shared/{n}");
            assert_eq!(world.ask(&mut eight, Op::WRITE, format!("{path}\0")).error(), "");
        }
        assert_eq!(world.count(8, "nodes"), 301);
    }
    let before = world.dom0_does(Op::DIRECTORY, "/local/domain/7/shared\0").matches('|').count();
    world.becomes(8, Some(Life::Dying));
    let after = world.dom0_does(Op::DIRECTORY, "/local/domain/7/shared\0");
    assert_eq!((before, after.as_str()), (300, ""));
    assert_eq!(world.count(7, "nodes"), 2);
}

/// XSA-421: a node that comes and goes in one transaction is none.
#[test]
fn a_node_made_and_removed_in_a_transaction_leaves_nothing() {
    let mut world = World::new();
    let mut seven = world.guest(7);
    for _ in 0..20 {
        let tx = world.begin(&mut seven);
        for n in 0..10 {
            let path = format!("a/{n}\0");
            assert_eq!(world.ask_in(&mut seven, tx, Op::WRITE, &path).error(), "");
        }
        assert_eq!(world.ask_in(&mut seven, tx, Op::RM, "a/3\0").error(), "");
        assert_eq!(world.ask_in(&mut seven, tx, Op::RM, "a\0").error(), "");
        assert_eq!(world.ask_in(&mut seven, tx, Op::MKDIR, "b\0").error(), "");
        assert_eq!(world.ask_in(&mut seven, tx, Op::TRANSACTION_END, "T\0").error(), "");
    }
    assert_eq!(world.count(7, "nodes"), 2);
    assert_eq!(text(&world.ask(&mut seven, Op::DIRECTORY, "/local/domain/7\0").payload), "b|");
}

/// XSA-421: a commit that is refused changes nothing, not even in part.
#[test]
fn a_commit_over_the_quota_changes_nothing() {
    let mut world = World::new();
    let mut seven = world.guest(7);
    let trees = ["a", "b", "c", "d", "e", "f"];
    for tree in trees {
        world.ask(&mut seven, Op::MKDIR, format!("{tree}\0"));
    }
    let txs = [world.begin(&mut seven), world.begin(&mut seven)];
    for (tx, half) in txs.into_iter().zip(trees.chunks(3)) {
        for path in half.iter().flat_map(|tree| (0..190).map(move |n| format!("{tree}/{n}\0"))) {
            assert_eq!(world.ask_in(&mut seven, tx, Op::MKDIR, path).error(), "");
        }
    }
    assert_eq!(world.ask_in(&mut seven, txs[0], Op::TRANSACTION_END, "T\0").error(), "");
    assert_eq!(world.count(7, "nodes"), 577);
    assert_eq!(world.ask_in(&mut seven, txs[1], Op::TRANSACTION_END, "T\0").error(), "ENOSPC");
    assert_eq!(world.count(7, "nodes"), 577);
    let listed = |world: &mut World, tree| {
        world.dom0_does(Op::DIRECTORY, format!("/local/domain/7/{tree}\0")).matches('|').count()
    };
    assert_eq!(trees.map(|tree| listed(&mut world, tree)), [190, 190, 190, 0, 0, 0]);
}

/// XSA-440: counts below zero in passing are no reason to end.
#[test]
fn a_node_removed_while_a_transaction_removes_it_is_counted_once() {
    let mut world = World::new();
    let mut seven = world.guest(7);
    for n in 0..20 {
        world.ask(&mut seven, Op::WRITE, format!("a/{n}\0"));
    }
    let tx = world.begin(&mut seven);
    assert_eq!(world.ask_in(&mut seven, tx, Op::RM, "a\0").error(), "");
    assert_eq!(world.ask(&mut seven, Op::RM, "a\0").error(), "");
    let ended = world.ask_in(&mut seven, tx, Op::TRANSACTION_END, "T\0");
    assert_eq!(ended.error(), "EAGAIN");
    assert_eq!(world.count(7, "nodes"), 1);
}

/// XSA-483: a domain begins with nothing on its account, whoever had its number before.
#[test]
fn counts_end_with_the_domain() {
    let mut world = World::new();
    for _ in 0..3 {
        let mut seven = world.guest(7);
        assert_eq!((world.count(7, "nodes"), world.count(7, "watches")), (1, 0));
        for n in 0..50 {
            world.ask(&mut seven, Op::WRITE, format!("{n}\0"));
            world.ask(&mut seven, Op::WATCH, format!("{n}\0t\0"));
        }
        world.begin(&mut seven);
        world.becomes(7, None);
    }
    let mut seven = world.guest(7);
    let memory = world.count(7, "memory");
    assert!(memory < 200, "{memory} bytes");
    assert_eq!(world.ask(&mut seven, Op::WRITE, "n\0").error(), "");
}
