//! The attacks of Xen's security advisories on its two xenstoreds, each tried here.
//!
//! Rings are tried in `ring.rs` (XSA-38), lengths of packets in `hostile.rs` (XSA-72).
//!
//! Not here is XSA-416 (requests whose temporary memory stays): what a request needs in passing has
//! an owner that ends with it. XSA-420 (a length that the daemon takes for a negative number, 31 bits
//! to OCaml) is tried with sockets in `hostile.rs` as well.

mod world;

use std::time::Duration;

use xs::proto::Op;
use xs_server::{Life, Quotas};

use world::{Guest, Peer, Wire as _, World, packet, text};

const ENOUGH: usize = 5000;

fn two_guests() -> (World, Peer<Guest>, Peer<Guest>) {
    let mut world = World::new();
    let (seven, eight) = (world.guest(7), world.guest(8));
    (world, seven, eight)
}

/// XSA-115: who may not read a node is not told of it either.
#[test]
fn events_go_to_those_who_may_read() {
    let (mut world, mut seven, mut eight) = two_guests();
    for guest in [&mut seven, &mut eight] {
        assert_eq!(world.ask(guest, Op::WATCH, "/local\0t\0").error(), "");
        world.events(guest);
    }
    world.ask(&mut eight, Op::WRITE, "secret\0value");
    world.ask(&mut eight, Op::RM, "secret\0");
    assert_eq!(world.events(&mut seven), [""; 0]);
    let own = "/local/domain/8/secret|t|";
    assert_eq!(world.events(&mut eight), [own, own]);
}

/// XSA-115: nor is it told who else is on this host, unless that was granted to it.
#[test]
fn special_watches_are_for_the_privileged_and_those_they_name() {
    let (mut world, mut seven, mut eight) = two_guests();
    for guest in [&mut seven, &mut eight] {
        world.ask(guest, Op::WATCH, "@introduceDomain\0in\0");
        world.ask(guest, Op::WATCH, "@releaseDomain\0out\0");
        world.events(guest);
    }
    world.dom0_does(Op::SET_PERMS, "@releaseDomain\0n0\0r8\0");
    world.guest(9);
    world.becomes(9, None);
    assert_eq!(world.events(&mut seven), [""; 0]);
    assert_eq!(world.events(&mut eight), ["@releaseDomain|out|"]);
    assert_eq!(world.ask(&mut seven, Op::IS_DOMAIN_INTRODUCED, "8\0").error(), "EACCES");
    let granted = world.ask(&mut seven, Op::SET_PERMS, "@releaseDomain\0n0\0r7\0");
    assert_eq!(granted.op, Op::ERROR);
}

/// XSA-115: a transaction that does not exist does not matter to a watch.
#[test]
fn watches_are_outside_of_transactions() {
    let (mut world, mut seven, _) = two_guests();
    assert_eq!(world.ask_in(&mut seven, 99, Op::WATCH, "n\0t\0").error(), "");
    assert_eq!(world.ask_in(&mut seven, 98, Op::UNWATCH, "n\0t\0").error(), "");
}

/// XSA-206: a guest that writes without end does not keep others from committing.
#[test]
fn a_guest_that_writes_without_end_is_slowed_down_while_others_have_transactions() {
    let (mut world, mut seven, mut eight) = two_guests();
    let write = packet(Op::WRITE, 1, 0, b"n\0");
    let writes = |world: &mut World, guest: &mut Peer<Guest>| {
        let mut written = 0;
        while written < ENOUGH && guest.wire.put(&write) == write.len() {
            written += 1;
            world.settle();
            guest.take();
        }
        written
    };
    // Nobody minds as long as there is no transaction.
    assert_eq!(writes(&mut world, &mut seven), ENOUGH);
    let tx = world.begin(&mut eight);
    let written = writes(&mut world, &mut seven);
    assert!((100..ENOUGH).contains(&written), "{written} writes");
    // The other is heard, and its own transaction does not count against it.
    assert_eq!(world.ask_in(&mut eight, tx, Op::WRITE, "n\0").error(), "");
    assert_eq!(world.ask_in(&mut eight, tx, Op::TRANSACTION_END, "T\0").error(), "");
    // What is left is carried out in time, without anybody's doing.
    let arrived = seven.arrived.len();
    assert!((0..5).any(|_| {
        world.server.turn(Some(Duration::from_secs(2))).unwrap();
        seven.take();
        seven.arrived.len() > arrived
    }));
}

/// XSA-233: a domain and the one that runs its device model go at the same moment.
#[test]
fn a_domain_and_its_device_model_end_together() {
    let (mut world, mut seven, mut eight) = two_guests();
    world.dom0_does(Op::SET_TARGET, ["8\0", "7\0"].concat());
    assert_eq!(world.ask(&mut seven, Op::WRITE, "n\0x").error(), "");
    let theirs = world.ask(&mut eight, Op::WATCH, "/local/domain/7/n\0t\0");
    assert_eq!(theirs.error(), "");
    world.end_together([7, 8]);
    assert_eq!(world.dom0_does(Op::IS_DOMAIN_INTRODUCED, "7\0"), "F|");
    assert_eq!(world.dom0_does(Op::IS_DOMAIN_INTRODUCED, "8\0"), "F|");
    assert_eq!(world.server.connections(), 1);
    let mut eight = world.guest(8);
    assert_eq!(world.ask(&mut eight, Op::WRITE, "/local/domain/7/n\0x").error(), "EACCES");
}

/// XSA-322: a new domain with the number of an old one has none of its rights.
#[test]
fn rights_end_with_the_domain() {
    let (mut world, _seven, _) = two_guests();
    world.dom0_does(Op::WRITE, "/secret\0value");
    world.dom0_does(Op::SET_PERMS, "/secret\0n0\0b7\0");
    world.becomes(7, None);
    let mut again = world.guest(7);
    assert_eq!(world.ask(&mut again, Op::READ, "/secret\0").error(), "EACCES");
    assert_eq!(world.ask(&mut again, Op::WRITE, "/secret\0mine").error(), "EACCES");
}

/// XSA-417: nor has it them when somebody writes the node again.
#[test]
fn rights_that_ended_do_not_come_back_with_a_write() {
    let (mut world, _seven, _) = two_guests();
    world.dom0_does(Op::WRITE, "/secret\0value");
    world.dom0_does(Op::SET_PERMS, "/secret\0n0\0r7\0");
    world.becomes(7, None);
    let mut again = world.guest(7);
    world.dom0_does(Op::WRITE, "/secret\0new value");
    world.dom0_does(Op::WRITE, "/secret/below\0");
    assert_eq!(world.ask(&mut again, Op::READ, "/secret\0").error(), "EACCES");
    assert_eq!(world.ask(&mut again, Op::READ, "/secret/below\0").error(), "EACCES");
    world.dom0_does(Op::SET_PERMS, "/secret\0n0\0r7\0");
    assert_eq!(text(&world.ask(&mut again, Op::READ, "/secret\0").payload), "new value");
}

/// XSA-323: no path is longer than paths may be, whatever it is for.
#[test]
fn long_paths_are_refused_everywhere() {
    let (mut world, mut seven, _) = two_guests();
    let long = "x".repeat(2100);
    for (op, payload) in [
        (Op::READ, format!("{long}\0")),
        (Op::WRITE, format!("{long}\0")),
        (Op::MKDIR, format!("/{long}\0")),
        (Op::RM, format!("{long}\0")),
        (Op::DIRECTORY, format!("/local/domain/7/{long}\0")),
        (Op::GET_PERMS, format!("{long}\0")),
        (Op::SET_PERMS, format!("{long}\0n7\0")),
        (Op::WATCH, format!("{long}\0t\0")),
        (Op::WATCH, format!("@{long}\0t\0")),
    ] {
        assert_eq!(world.ask(&mut seven, op, &payload).error(), "EINVAL", "{op}");
    }
}

/// XSA-324: an event that is too long for a packet is not sent.
#[test]
fn events_longer_than_a_packet_are_dropped() {
    let (mut world, mut seven, _) = two_guests();
    let token = "t".repeat(4070);
    assert_eq!(world.ask(&mut seven, Op::WATCH, format!("n\0{token}\0")).error(), "");
    world.events(&mut seven);
    let below = format!("n/{}", "x".repeat(100));
    assert_eq!(world.ask(&mut seven, Op::WRITE, format!("{below}\0")).error(), "");
    let events = world.events(&mut seven);
    assert!(events.iter().all(|event| event.len() <= 4096));
    assert_eq!(world.ask(&mut seven, Op::READ, format!("{below}\0")).error(), "");
}

/// XSA-325: a guest that breaks the rules is a domain until it is none.
#[test]
fn a_domain_is_released_when_it_goes_and_not_when_it_misbehaves() {
    let (mut world, mut seven, _) = two_guests();
    let mut watcher = world.connect();
    world.ask(&mut watcher, Op::WATCH, "@releaseDomain\0t\0");
    world.events(&mut watcher);
    seven.send(&[2_u32, 1, 0, u32::MAX].map(u32::to_ne_bytes).concat());
    assert_eq!(world.events(&mut watcher), [""; 0]);
    assert_eq!(world.dom0_does(Op::IS_DOMAIN_INTRODUCED, "7\0"), "T|");
    world.becomes(7, Some(Life::Dying));
    assert_eq!(world.events(&mut watcher), ["@releaseDomain|t|"]);
    assert_eq!(world.dom0_does(Op::IS_DOMAIN_INTRODUCED, "7\0"), "F|");
}

/// XSA-326: a guest that asks and does not read is not heard any more.
#[test]
fn answers_that_nobody_reads_are_bounded() {
    let (mut world, mut seven, _) = two_guests();
    world.ask(&mut seven, Op::WRITE, format!("n\0{}", "x".repeat(1900)));
    let read = packet(Op::READ, 1, 0, b"n\0");
    let asked = (0..ENOUGH)
        .take_while(|_| {
            world.settle();
            seven.wire.put(&read) == read.len()
        })
        .count();
    assert!(asked < 200, "{asked} requests were taken");
}

/// XSA-326: what a guest keeps in transactions is its memory.
#[test]
fn what_transactions_hold_is_bounded() {
    let mut quotas = Quotas::default();
    quotas.set("memory", 100_000);
    let mut world = World::with(quotas);
    let mut seven = world.guest(7);
    let txs: Vec<u32> = (0..8).map(|_| world.begin(&mut seven)).collect();
    let value = &"x".repeat(1500);
    let writes = txs.iter().flat_map(|tx| (0..100).map(move |n| (*tx, format!("{n}\0{value}"))));
    let kept = writes
        .map(|(tx, payload)| packet(Op::WRITE, 1, tx, payload.as_bytes()))
        .take_while(|write| {
            let mut rest = &write[..];
            for _ in 0..10 {
                let put = seven.wire.put(rest);
                rest = &rest[put..];
                world.settle();
                seven.take();
            }
            seven.arrived.pop_back().is_some_and(|answer| answer.op == Op::WRITE)
        })
        .count();
    assert!((20..100).contains(&kept), "{kept} writes were kept");
    assert!(world.count(7, "memory") < 110_000);
}

/// XSA-330: watches that were reset are gone, and can be set again.
#[test]
fn watches_can_be_reset_again_and_again() {
    let (mut world, mut seven, _) = two_guests();
    for _ in 0..5 {
        for n in 0..100 {
            assert_eq!(world.ask(&mut seven, Op::WATCH, format!("n\0{n}\0")).error(), "");
        }
        assert_eq!(world.ask(&mut seven, Op::RESET_WATCHES, "\0").error(), "");
        assert_eq!(world.count(7, "watches"), 0);
    }
    world.events(&mut seven);
    world.ask(&mut seven, Op::WRITE, "n\0");
    assert_eq!(world.events(&mut seven), [""; 0]);
}

/// XSA-352: a guest gives nothing of its own to others.
#[test]
fn only_domain_0_changes_owners() {
    let (mut world, mut seven, _) = two_guests();
    assert_eq!(world.ask(&mut seven, Op::WRITE, "n\0").error(), "");
    assert_eq!(world.ask(&mut seven, Op::SET_PERMS, "n\0b8\0").error(), "EPERM");
    assert_eq!(world.ask(&mut seven, Op::SET_PERMS, "n\0b0\0").error(), "EPERM");
    assert_eq!(world.ask(&mut seven, Op::SET_PERMS, "n\0n7\0b8\0").error(), "");
}

/// XSA-353: the root has permissions, too.
#[test]
fn the_root_is_not_for_guests() {
    let (mut world, mut seven, _) = two_guests();
    for (op, payload) in [
        (Op::WRITE, "/\0mine"),
        (Op::SET_PERMS, "/\0b7\0"),
        (Op::RM, "/\0"),
        (Op::WRITE, "/mine\0"),
        (Op::MKDIR, "/mine\0"),
        (Op::DIRECTORY, "/\0"),
    ] {
        assert_eq!(world.ask(&mut seven, op, payload).error(), "EACCES", "{op} {payload:?}");
    }
    assert_eq!(world.dom0_does(Op::DIRECTORY, "/\0"), "tool|local|");
}

/// XSA-481: a path that ends in a slash, such as that of no domain, is no path and no more.
#[test]
fn the_home_of_no_domain_is_an_invalid_path() {
    let (mut world, mut seven, mut eight) = two_guests();
    for (op, payload) in [
        (Op::READ, "/local/domain/\0"),
        (Op::WRITE, "/local/domain/\0x"),
        (Op::DIRECTORY, "/local/domain/\0"),
        (Op::WATCH, "/local/domain/\0t\0"),
        (Op::GET_PERMS, "/local/domain/\0"),
    ] {
        assert_eq!(world.ask(&mut seven, op, payload).error(), "EINVAL", "{op}");
    }
    assert_eq!(world.ask(&mut seven, Op::WRITE, "n\0x").error(), "");
    assert_eq!(world.ask(&mut eight, Op::WRITE, "n\0x").error(), "");
}

/// XSA-484: a reset ends transactions, also the one that it is sent in.
#[test]
fn a_reset_in_a_transaction_ends_it() {
    let (mut world, mut seven, mut eight) = two_guests();
    let (tx, other) = (world.begin(&mut seven), world.begin(&mut seven));
    world.ask_in(&mut seven, tx, Op::WRITE, "n\0x");
    assert_eq!(world.ask_in(&mut seven, tx, Op::RESET_WATCHES, "\0").error(), "");
    assert_eq!(world.count(7, "transactions"), 0);
    for gone in [tx, other] {
        let ended = world.ask_in(&mut seven, gone, Op::TRANSACTION_END, "T\0");
        assert_eq!(ended.error(), "ENOENT");
    }
    assert_eq!(world.ask(&mut seven, Op::READ, "n\0").error(), "ENOENT");
    assert_eq!(world.ask(&mut eight, Op::WRITE, "n\0x").error(), "");
}

/// XSA-425: a guest that is released and introduced again, as a soft reset does, while it asks.
#[test]
fn a_release_in_the_midst_of_a_request_ends_one_connection() {
    let (mut world, mut seven, mut eight) = two_guests();
    world.begin(&mut seven);
    let request = packet(Op::WRITE, 1, 0, b"n\0x");
    seven.send(&request[..17]);
    world.settle();
    assert_eq!(world.server.connections(), 3);
    world.dom0_does(Op::RELEASE, "7\0");
    assert_eq!(world.server.connections(), 2);
    assert_eq!(world.dom0_does(Op::IS_DOMAIN_INTRODUCED, "7\0"), "F|");
    assert_eq!(world.ask(&mut eight, Op::WRITE, "n\0x").error(), "");
    world.introduce(7);
    assert_eq!((world.count(7, "transactions"), world.count(7, "nodes")), (0, 0));
    world.dom0_does(Op::WRITE, "/local/domain/7\0");
    world.dom0_does(Op::SET_PERMS, "/local/domain/7\0n7\0");
    assert_eq!(world.ask(&mut seven, Op::WRITE, "n\0x").error(), "");
}
