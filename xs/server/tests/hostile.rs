//! Whoever is connected does what it likes: the others are served all the same.

mod world;

use xs::proto::Op;
use xs_server::Quotas;

use world::{Wire as _, World, packet, text};

const MANY: usize = 10_000;

#[test]
fn bytes_that_come_one_by_one_are_requests_all_the_same() {
    let mut world = World::new();
    let mut peer = world.connect();
    for byte in packet(Op::WRITE, 1, 0, b"/a\0value") {
        peer.send(&[byte]);
        world.settle();
    }
    peer.take();
    assert_eq!(peer.arrived.pop_front().map(|packet| packet.op), Some(Op::WRITE));
    assert_eq!(world.dom0_does(Op::READ, "/a\0"), "value");
}

#[test]
fn a_packet_cut_anywhere_is_the_same_packet() {
    let mut world = World::new();
    let mut peer = world.connect();
    let both = [packet(Op::WRITE, 1, 0, b"/a\0value"), packet(Op::READ, 2, 0, b"/a\0")].concat();
    for cut in 0..both.len() {
        peer.send(&both[..cut]);
        world.settle();
        peer.send(&both[cut..]);
        world.settle();
        peer.take();
        let answers: Vec<_> = peer.arrived.drain(..).map(|packet| text(&packet.payload)).collect();
        assert_eq!(answers, ["OK|", "value"], "cut at {cut}");
    }
}

#[test]
fn ten_thousand_requests_at_once_are_answered_in_order() {
    let mut world = World::new();
    let mut peer = world.connect();
    let mut rest: Vec<u8> = (0..10_000).flat_map(|n| packet(Op::READ, n, 0, b"/tool\0")).collect();
    while !rest.is_empty() {
        let sent = peer.wire.put(&rest);
        rest.drain(..sent);
        world.settle();
        peer.take();
    }
    assert!(peer.arrived.iter().map(|packet| packet.request).eq(0..10_000));
}

#[test]
fn who_does_not_read_is_not_heard_and_goes_on_when_it_reads() {
    let mut world = World::new();
    world.dom0_does(Op::WRITE, [&b"/big\0"[..], &[b'x'; 4000]].concat());
    let mut peer = world.connect();
    // 2.4 MB of answers: more than the kernel and the server keep for it.
    let mut rest = packet(Op::READ, 1, 0, b"/big\0").repeat(600);
    rest.extend(packet(Op::WRITE, 2, 0, b"/late\0"));
    while !rest.is_empty() {
        let sent = peer.wire.put(&rest);
        rest.drain(..sent);
        world.settle();
    }
    assert!(!world.dom0_does(Op::DIRECTORY, "/\0").contains("late"));
    for _ in 0..100 {
        peer.take();
        world.settle();
    }
    assert_eq!(peer.arrived.len(), 601);
    assert!(world.dom0_does(Op::DIRECTORY, "/\0").contains("late"));
}

#[test]
fn a_connection_that_ends_its_side_is_answered_first() {
    let mut world = World::new();
    world.dom0_does(Op::WRITE, [&b"/big\0"[..], &[b'x'; 4000]].concat());
    let mut peer = world.connect();
    let before = world.server.connections();
    peer.send(&packet(Op::READ, 1, 0, b"/big\0").repeat(500));
    peer.send(b"half a hea");
    peer.wire.shutdown(std::net::Shutdown::Write).unwrap();
    for _ in 0..100 {
        world.settle();
        peer.take();
    }
    assert_eq!((peer.arrived.len(), peer.ended), (500, true));
    assert_eq!(world.server.connections(), before - 1);
}

#[test]
fn what_was_sent_before_the_end_is_carried_out() {
    let mut world = World::new();
    let mut peer = world.connect();
    peer.send(&packet(Op::WRITE, 1, 0, b"/a\0last words"));
    drop(peer);
    world.settle();
    assert_eq!(world.dom0_does(Op::READ, "/a\0"), "last words");
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn a_connection_that_is_paused_and_goes_is_forgotten() {
    let mut world = World::new();
    world.dom0_does(Op::WRITE, [&b"/big\0"[..], &[b'x'; 4000]].concat());
    let mut peer = world.connect();
    while peer.wire.put(&packet(Op::READ, 1, 0, b"/big\0").repeat(100)) > 0 {
        world.settle();
    }
    drop(peer);
    world.settle();
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn one_that_floods_does_not_keep_others_waiting() {
    let mut world = World::new();
    let mut flood = world.connect();
    let mut quiet = world.connect();
    let requests = packet(Op::READ, 1, 0, b"/tool\0").repeat(4000);
    assert!(flood.wire.put(&requests) > 32 * 1024);
    quiet.send(&packet(Op::READ, 1, 0, b"/tool\0"));
    world.turn();
    quiet.take();
    flood.take();
    assert_eq!(quiet.arrived.len(), 1);
    assert!(flood.arrived.len() < 1000, "{} were carried out at once", flood.arrived.len());
    world.settle();
}

#[test]
fn a_packet_that_is_too_long_ends_the_connection() {
    let mut world = World::new();
    let mut peer = world.connect();
    let header = [2_u32, 1, 0, 4097].map(u32::to_ne_bytes).concat();
    peer.send(&[packet(Op::READ, 1, 0, b"/tool\0"), header].concat());
    world.settle();
    peer.take();
    assert!(peer.ended);
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn every_length_that_a_header_can_have_ends_it_or_waits() {
    let mut world = World::new();
    for len in [4096, 4097, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        let mut peer = world.connect();
        peer.send(&[2_u32, 1, 0, len].map(u32::to_ne_bytes).concat());
        world.settle();
        peer.take();
        assert_eq!(peer.ended, len > 4096, "{len}");
    }
}

#[test]
fn events_that_nobody_reads_end_a_connection_before_memory_does() {
    let mut world = World::new();
    let mut peer = world.connect();
    let token = "t".repeat(3000);
    for n in 0..100 {
        let answer = world.ask(&mut peer, Op::WATCH, format!("/\0{n}{token}\0"));
        assert_eq!(answer.op, Op::WATCH);
    }
    world.events(&mut peer);
    for n in 0..400 {
        world.dom0_does(Op::WRITE, format!("/a/{n}\0"));
    }
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn events_of_a_guest_that_does_not_read_stay_within_its_quota() {
    let mut quotas = Quotas::default();
    quotas.set("memory", 100_000);
    let mut world = World::with(quotas);
    let mut guest = world.guest(7);
    for n in 0..10 {
        let answer = world.ask(&mut guest, Op::WATCH, format!("/local/domain/7\0{n}\0"));
        assert_eq!(answer.op, Op::WATCH);
    }
    world.events(&mut guest);
    for n in 0..MANY {
        world.dom0_does(Op::WRITE, format!("/local/domain/7/{}\0", n % 1000));
    }
    let events = world.events(&mut guest).len();
    assert!((1000..4000).contains(&events), "{events} events were kept");
    // And it is served as before.
    assert_eq!(world.ask(&mut guest, Op::READ, "name\0").error(), "ENOENT");
}

#[test]
fn identical_events_that_wait_are_one() {
    let mut world = World::new();
    let mut guest = world.guest(7);
    world.ask(&mut guest, Op::WATCH, "/local/domain/7\0t\0");
    world.events(&mut guest);
    // Fills the ring, so that the rest has to wait.
    for n in 0..100 {
        world.dom0_does(Op::WRITE, format!("/local/domain/7/{n}\0"));
    }
    for _ in 0..100 {
        world.dom0_does(Op::WRITE, "/local/domain/7/same\0");
    }
    let events = world.events(&mut guest);
    let same = events.iter().filter(|event| *event == "/local/domain/7/same|t|").count();
    assert_eq!((events.len(), same), (101, 1));
}

#[test]
fn a_guest_over_its_quota_goes_on_when_others_make_room() {
    let mut quotas = Quotas::default();
    quotas.set("memory", 20_000);
    let mut world = World::with(quotas);
    let mut guest = world.guest(7);
    for n in 0..10 {
        world.dom0_does(Op::WRITE, format!("/gift/{n}\0{}", "x".repeat(1500)));
        world.dom0_does(Op::SET_PERMS, format!("/gift/{n}\0n7\0"));
    }
    world.dom0_does(Op::SET_QUOTA, ["7", "memory", "10000", ""].join("\0"));
    guest.send(&packet(Op::READ, 1, 0, b"name\0"));
    world.settle();
    guest.take();
    assert_eq!(guest.arrived.len(), 0);
    world.dom0_does(Op::RM, "/gift\0");
    world.settle();
    guest.take();
    assert_eq!(guest.arrived.len(), 1);
}

#[test]
fn a_guest_that_rings_without_end_does_not_keep_others_waiting() {
    let mut world = World::new();
    let guest = world.guest(7);
    for _ in 0..1000 {
        guest.wire.bell.strike().unwrap();
        world.turn();
    }
    assert!(world.settle() < 5);
}

#[test]
fn a_server_with_nothing_to_do_rests() {
    let mut world = World::new();
    let mut quiet = world.connect();
    let mut watching = world.guest(7);
    world.ask(&mut watching, Op::WATCH, "/local/domain/7\0t\0");
    assert_eq!(world.ask(&mut quiet, Op::READ, "/tool\0").op, Op::READ);
    assert!(world.settle() < 5);
    assert!(!world::is_ready(&world.server));
}
