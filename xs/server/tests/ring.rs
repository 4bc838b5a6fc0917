//! The store's side of a ring: with guests that keep its rules, and with others.

mod world;

use std::sync::atomic::Ordering;

use xen_types::DomId;
use xs::proto::Op;
use xs::{Client, Deadline, Features, Path, Store as _, View as _};
use xs_server::Life;

use world::guest::{REPLIES_CONSUMED, REPLIES_PRODUCED, REQUESTS_CONSUMED, REQUESTS_PRODUCED};
use world::{Guest, Peer, World, packet, text};

const FEATURES: usize = 2064;
const STATE: usize = 2068;
const ERROR: usize = 2072;

const RECONNECT: u32 = 1;
const COMMUNICATION: u32 = 1;
const INDICES: u32 = 2;
const PROTOCOL: u32 = 3;

/// A guest that watches its home, and what it says about its ring afterwards.
fn watching(world: &mut World) -> Peer<Guest> {
    let mut guest = world.guest(7);
    world.ask(&mut guest, Op::WATCH, "/local/domain/7\0t\0");
    assert_eq!(world.events(&mut guest), ["/local/domain/7|t|"]);
    guest
}

#[test]
fn an_introduced_domain_finds_an_empty_ring_and_what_is_offered() {
    let mut world = World::new();
    let guest = world.guest(7);
    let word = |offset| guest.wire.page.get(offset);
    let indices = [REQUESTS_CONSUMED, REQUESTS_PRODUCED, REPLIES_CONSUMED, REPLIES_PRODUCED];
    assert_eq!(indices.map(word), [0; 4]);
    let offered = Features::RECONNECTION | Features::ERROR | Features::WATCH_DEPTH;
    assert_eq!([FEATURES, STATE, ERROR].map(word), [offered.bits(), 0, 0]);
    assert!(world::is_ready(&xs_server::Bell::fd(&guest.wire.bell)));
}

#[test]
fn packets_longer_than_the_ring_pass_both_ways() {
    let mut world = World::new();
    let mut guest = world.guest(7);
    let value = "v".repeat(1900);
    let answer = world.ask(&mut guest, Op::WRITE, format!("long\0{value}"));
    assert_eq!(answer.error(), "");
    assert_eq!(text(&world.ask(&mut guest, Op::READ, "long\0").payload), value);
}

#[test]
fn indices_may_wrap() {
    let mut world = World::new();
    let mut guest = world.guest(7);
    // Some of these packets lie across the end of the queue.
    for n in 0..500 {
        let answer = world.ask(&mut guest, Op::WRITE, format!("n\0{n}"));
        assert_eq!(answer.error(), "");
        assert_eq!(text(&world.ask(&mut guest, Op::READ, "n\0").payload), n.to_string());
    }
    assert!(guest.wire.page.get(REQUESTS_CONSUMED) > 10 * 1024);
}

#[test]
fn indices_that_cannot_be_end_the_connection_and_say_why() {
    for (offset, value) in [
        (REQUESTS_PRODUCED, 1025),
        (REQUESTS_PRODUCED, u32::MAX),
        (REQUESTS_CONSUMED, 1),
        (REQUESTS_CONSUMED, u32::MAX - 5000),
        (REPLIES_PRODUCED, 1 << 31),
        (REPLIES_CONSUMED, 1 << 31),
        // These would be possible, had the guest any business to change them.
        (REQUESTS_CONSUMED, u32::MAX - 99),
        (REPLIES_PRODUCED, 100),
    ] {
        let mut world = World::new();
        let mut guest = world.guest(7);
        world.ask(&mut guest, Op::WATCH, "/local/domain/7\0t\0");
        let word = guest.wire.page.word(offset);
        word.fetch_add(value, Ordering::SeqCst);
        guest.wire.bell.strike().unwrap();
        world.settle();
        // What it is told finds the other queue out.
        world.dom0_does(Op::WRITE, "/local/domain/7/x\0");
        world.settle();
        assert_eq!(guest.wire.page.get(ERROR), INDICES, "{value} more at {offset}");
        assert_eq!(world.server.connections(), 1);
    }
}

#[test]
fn a_packet_that_is_too_long_ends_the_connection_and_says_why() {
    let mut world = World::new();
    let mut guest = watching(&mut world);
    guest.send(&[2_u32, 1, 0, 4097].map(u32::to_ne_bytes).concat());
    world.settle();
    assert_eq!(guest.wire.page.get(ERROR), PROTOCOL);
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn an_event_channel_that_fails_ends_the_connection_and_says_why() {
    let mut world = World::new();
    let mut guest = watching(&mut world);
    guest.send(&packet(Op::READ, 1, 0, b"name\0"));
    guest.wire.bell.tear();
    world.settle();
    assert_eq!(guest.wire.page.get(ERROR), COMMUNICATION);
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn a_domain_whose_connection_ended_is_introduced_again() {
    let mut world = World::new();
    let mut guest = watching(&mut world);
    guest.wire.set(REQUESTS_PRODUCED, 5000);
    world.settle();
    assert_eq!(guest.wire.page.get(ERROR), INDICES);
    assert_eq!(world.dom0_does(Op::IS_DOMAIN_INTRODUCED, "7\0"), "T|");
    world.introduce(7);
    assert_eq!(guest.wire.page.get(ERROR), 0);
    assert_eq!(world.ask(&mut guest, Op::WRITE, "n\0value").error(), "");
    // Its watch went with the connection.
    assert_eq!(world.events(&mut guest), [""; 0]);
}

#[test]
fn introducing_it_twice_begins_anew() {
    let mut world = World::new();
    let mut guest = watching(&mut world);
    guest.send(b"half a hea");
    world.settle();
    world.introduce(7);
    assert_eq!(world.ask(&mut guest, Op::WRITE, "n\0value").error(), "");
    assert_eq!(world.events(&mut guest), [""; 0]);
    assert_eq!(world.server.connections(), 2);
}

#[test]
fn a_guest_begins_anew_by_the_state() {
    let mut world = World::new();
    let mut guest = watching(&mut world);
    let started = world.ask(&mut guest, Op::TRANSACTION_START, "\0");
    assert_eq!(text(&started.payload), "1|");
    // It goes in the middle of a packet, with events unread.
    for n in 0..100 {
        world.dom0_does(Op::WRITE, format!("/local/domain/7/{n}\0"));
    }
    guest.send(b"half a hea");
    world.settle();
    guest.wire.set(STATE, RECONNECT);
    world.settle();
    assert_eq!(guest.wire.page.get(STATE), 0);
    let mut again = Peer::new(guest.wire.clone());
    assert_eq!(world.ask(&mut again, Op::WRITE, "n\0value").error(), "");
    assert_eq!(world.events(&mut again), [""; 0]);
    assert_eq!(world.ask_in(&mut again, 1, Op::READ, "n\0").error(), "ENOENT");
}

#[test]
fn a_guest_that_only_asks_to_begin_anew_does_not_keep_others_waiting() {
    let mut world = World::new();
    let guest = world.guest(7);
    for _ in 0..1000 {
        guest.wire.set(STATE, RECONNECT);
        world.turn();
    }
    assert!(world.settle() < 5);
    assert_eq!(world.dom0_does(Op::READ, "/tool\0"), "");
}

#[test]
fn a_domain_that_goes_takes_its_connection_along() {
    let mut world = World::new();
    let guest = watching(&mut world);
    assert_eq!(world.server.connections(), 2);
    world.becomes(7, Some(Life::Shutdown));
    assert_eq!(world.server.connections(), 2);
    world.becomes(7, None);
    assert_eq!(world.server.connections(), 1);
    // Nobody looks at its ring any more.
    guest.wire.set(REQUESTS_PRODUCED, 5000);
    world.settle();
    assert_eq!(guest.wire.page.get(ERROR), 0);
}

#[test]
fn our_own_client_is_a_guest_over_it() {
    let mut world = World::new();
    let guest = world.guest(7);
    let running = world.server.spawn().unwrap();
    let client = Client::over_ring(guest.wire.shared(), guest.wire.bell.clone()).unwrap();
    let home = Path::domain(DomId::new(7).unwrap());
    let name = home.join("name");
    client.write(&name, "alpha").unwrap();
    let mut watch = client.watch(&home).unwrap();
    let soon = || Deadline::after(std::time::Duration::from_secs(20));
    assert_eq!(watch.wait(soon()).unwrap().path(), &home);
    let dom0 = Client::from_stream(running.connect().unwrap()).unwrap();
    dom0.write(&name, "beta").unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), &name);
    assert_eq!(client.read(&name).unwrap(), b"beta");
    let paths = vec![name; 300];
    assert!(client.read_each(&paths).unwrap().into_iter().all(|value| value.is_some()));
    drop(watch);
    xs::ring::reconnect(&guest.wire.shared(), &guest.wire.bell, soon()).unwrap();
    let again = Client::over_ring(guest.wire.shared(), guest.wire.bell.clone()).unwrap();
    assert_eq!(again.read(&home.join("name")).unwrap(), b"beta");
    running.stop().unwrap();
}
