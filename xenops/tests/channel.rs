//! Channels between two ends in this process, on a domain 0 in memory and an embedded store.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

#[path = "../src/channel/fake.rs"]
mod fake;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fake::Machine;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use xen_types::Bytes;
use xenops::channel::{Channel, Offer};
use xenops::{Deadline, DomId, Kind};
use xs::{Client, Path, Store as _, View as _};
use xs_server::{Alone, Core, Quotas, Running, Server};

const PATH: Path = Path::from_static("/local/domain/0/data/test");

struct Place {
    machine: Arc<Machine>,
    store: Client,
    _daemon: Running,
}

impl Place {
    fn new() -> Self {
        let daemon = Server::new(Core::new(Box::new(Alone), Quotas::default())).unwrap();
        let daemon = daemon.spawn().unwrap();
        let store = Client::from_stream(daemon.connect().unwrap()).unwrap();
        store.write(&Path::from_static("/local/domain/0/domid"), "0").unwrap();
        Self { machine: Machine::new(), store, _daemon: daemon }
    }

    fn offer(&self) -> Channel {
        self.make(&Offer::new(PATH, DomId::DOM0))
    }

    fn make(&self, offer: &Offer) -> Channel {
        let shares = self.machine.shares();
        offer.make(&self.store, &shares, self.machine.events(), soon()).unwrap()
    }

    fn connect(&self, deadline: Deadline) -> xenops::Result<Channel> {
        let (grants, events) = (self.machine.grants(), self.machine.events());
        Channel::connect(&self.store, &grants, events, &PATH, DomId::DOM0, deadline)
    }

    fn ends(&self) -> (Channel, Channel) {
        (self.offer(), self.connect(soon()).unwrap())
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(50))
}

fn kind<T: std::fmt::Debug>(done: xenops::Result<T>) -> Kind {
    done.unwrap_err().kind()
}

#[test]
fn a_megabyte_goes_both_ways_between_two_threads() {
    let place = Place::new();
    let (mut server, mut client) = place.ends();
    let all: Vec<u8> = (0..1_u32 << 20).map(|n| (n ^ (n >> 8)) as u8).collect();
    let deadline = soon();
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            let mut buffer = [0; 700];
            let mut left = all.len();
            while left > 0 {
                let count = server.read(&mut buffer, deadline).unwrap();
                server.write_all(&buffer[..count], deadline).unwrap();
                left -= count;
            }
        });
        let mut back = vec![0; all.len()];
        for (sent, received) in all.chunks(1000).zip(back.chunks_mut(1000)) {
            client.write_all(sent, deadline).unwrap();
            client.read_exact(received, deadline).unwrap();
        }
        assert!(back == all, "what came back is something else");
        echo.join().unwrap();
    });
}

#[test]
fn large_rings_take_pages_of_their_own_and_give_them_back() {
    let place = Place::new();
    let offer = Offer::new(PATH, DomId::DOM0).with_rings(Bytes(16 << 10), Bytes(5000));
    let mut server = place.make(&offer);
    let mut client = place.connect(soon()).unwrap();
    assert_eq!(place.machine.in_use(), (1 + 4 + 2, 3, 2));
    let all = vec![9; 16 << 10];
    assert_eq!(client.try_write(&all).unwrap(), Some(16 << 10));
    let mut back = vec![0; 16 << 10];
    server.read_exact(&mut back, soon()).unwrap();
    assert_eq!(back, all);
    client.close(soon()).unwrap();
    server.close(soon()).unwrap();
    assert_eq!(place.machine.in_use(), (0, 0, 0));
}

#[test]
fn the_offer_stands_in_the_store_for_the_peer_alone_and_goes_with_its_guard() {
    let place = Place::new();
    let guest = DomId::new(9).unwrap();
    let server = place.make(&Offer::new(PATH, guest));
    let (page, port) = (PATH.join("ring-ref"), PATH.join("event-channel"));
    assert_eq!(place.store.read_str(&page).unwrap(), "100");
    assert_eq!(place.store.read_str(&port).unwrap(), "1");
    assert_eq!(place.store.perms(&page).unwrap().to_string(), "n0,r9");
    assert_eq!(place.store.perms(&port).unwrap().to_string(), "n0,r9");
    drop(server);
    assert_eq!(place.store.read_opt(&PATH).unwrap(), None);
    assert_eq!(place.machine.in_use(), (0, 0, 0));
}

#[test]
fn what_stood_below_the_path_before_stays() {
    let place = Place::new();
    let other = PATH.join("other");
    place.store.write(&other, "1").unwrap();
    place.offer().close(soon()).unwrap();
    assert_eq!(place.store.directory(&PATH).unwrap().len(), 1);
    place.store.rm(&other).unwrap();
    drop(place.offer());
    assert!(place.store.directory(&PATH).unwrap().is_empty(), "somebody else made the folder");
}

#[test]
fn an_offer_that_was_replaced_does_not_withdraw_the_next_one() {
    let place = Place::new();
    let first = place.offer();
    let mut second = place.offer();
    drop(first);
    place.connect(soon()).unwrap().write_all(b"x", soon()).unwrap();
    assert_eq!(second.read(&mut [0], soon()).unwrap(), 1);
}

#[test]
fn what_the_server_wrote_before_it_went_is_read_before_its_end_is_seen() {
    let place = Place::new();
    let (mut server, mut client) = place.ends();
    server.write_all(b"last words", soon()).unwrap();
    drop(server);
    assert_eq!(kind(client.try_write(b"x")), Kind::Gone);
    assert!(!client.is_open().unwrap());
    let mut read = [0; 10];
    client.read_exact(&mut read, soon()).unwrap();
    assert_eq!(&read, b"last words");
    let error = client.read(&mut read, soon()).unwrap_err();
    assert_eq!(error.kind(), Kind::Gone);
    assert_eq!(error.to_string(), "read from channel /local/domain/0/data/test");
    assert_eq!(error.cause().to_string(), "the other end has gone");
}

#[test]
fn a_server_that_waits_is_woken_when_its_client_goes() {
    let place = Place::new();
    let (mut server, mut client) = place.ends();
    server.wait_connected(soon()).unwrap();
    client.write_all(b"bye", soon()).unwrap();
    let mut read = [0; 3];
    server.read_exact(&mut read, soon()).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| kind(server.read(&mut [0], soon())));
        thread::sleep(Duration::from_millis(20)); // most likely asleep by now
        drop(client);
        assert_eq!(waiting.join().unwrap(), Kind::Gone);
    });
    assert_eq!(kind(server.write(b"x", soon())), Kind::Gone);
    assert_eq!(kind(server.wait_connected(soon())), Kind::Gone);
}

#[test]
fn the_server_may_write_before_its_client_is_there() {
    let place = Place::new();
    let mut server = place.offer();
    assert_eq!(kind(server.wait_connected(shortly())), Kind::TimedOut);
    server.write_all(b"welcome", soon()).unwrap();
    let mut read = [0; 7];
    place.connect(soon()).unwrap().read_exact(&mut read, soon()).unwrap();
    assert_eq!(&read, b"welcome");
}

#[test]
fn a_client_waits_for_the_offer() {
    let place = Place::new();
    assert_eq!(kind(place.connect(shortly())), Kind::TimedOut);
    thread::scope(|scope| {
        let connecting = scope.spawn(|| place.connect(soon()));
        thread::sleep(Duration::from_millis(20)); // most likely waiting by now
        let mut server = place.offer();
        let _client = connecting.join().unwrap().unwrap();
        server.wait_connected(soon()).unwrap();
    });
}

#[test]
fn an_offer_of_the_dead_is_left_for_the_next_one() {
    let place = Place::new();
    place.store.write(&PATH.join("ring-ref"), "4000").unwrap();
    place.store.write(&PATH.join("event-channel"), "4000").unwrap();
    assert_eq!(kind(place.connect(shortly())), Kind::Invalid);
    thread::scope(|scope| {
        let connecting = scope.spawn(|| place.connect(soon()));
        thread::sleep(Duration::from_millis(20)); // most likely waiting by now
        let mut server = place.offer();
        let _client = connecting.join().unwrap().unwrap();
        server.wait_connected(soon()).unwrap();
    });
    place.store.write(&PATH.join("ring-ref"), "+1").unwrap();
    place.store.write(&PATH.join("event-channel"), "1").unwrap();
    assert_eq!(kind(place.connect(soon())), Kind::Invalid);
}

#[test]
fn a_second_client_does_not_disturb_the_first() {
    let place = Place::new();
    let (mut server, mut client) = place.ends();
    assert_eq!(kind(place.connect(shortly())), Kind::Busy);
    client.write_all(b"x", soon()).unwrap();
    assert_eq!(server.read(&mut [0], soon()).unwrap(), 1);
    assert!(server.is_open().unwrap());
}

#[test]
fn a_wait_that_ends_at_its_deadline_says_for_what() {
    let place = Place::new();
    let (mut server, mut client) = place.ends();
    let error = client.read(&mut [0], shortly()).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(
        error.cause().to_string(),
        "waited for bytes to read, last seen: the queue is empty"
    );
    let error = server.write_all(&[0; 5000], shortly()).unwrap_err();
    assert_eq!(error.cause().to_string(), "waited for room to write, last seen: the queue is full");
    assert_eq!(server.read(&mut [], shortly()).unwrap(), 0);
}

#[test]
fn a_foreign_loop_is_told_by_the_descriptor() {
    let place = Place::new();
    let (mut server, mut client) = place.ends();
    let readable = |channel: &Channel| {
        let fd = channel.as_fd();
        let mut files = [PollFd::new(&fd, PollFlags::IN)];
        poll(&mut files, Some(&Timespec::default())).unwrap() == 1
    };
    server.acknowledge().unwrap(); // the client has come
    assert_eq!(server.try_read(&mut [0; 10]).unwrap(), None);
    assert!(!readable(&server));
    client.write_all(b"abc", soon()).unwrap();
    assert!(readable(&server));
    server.acknowledge().unwrap();
    assert!(!readable(&server));
    assert_eq!(server.try_read(&mut [0; 10]).unwrap(), Some(3));
    client.write_all(b"d", soon()).unwrap();
    assert!(readable(&server), "it gave fewer bytes than asked for");
    server.acknowledge().unwrap();
    drop(client);
    assert!(readable(&server));
}

#[test]
fn rings_that_are_too_large_are_invalid_and_leave_nothing() {
    let place = Place::new();
    let offer = Offer::new(PATH, DomId::DOM0).with_rings(Bytes(1 << 21), Bytes(1));
    let shares = place.machine.shares();
    let made = offer.make(&place.store, &shares, place.machine.events(), soon());
    assert_eq!(kind(made), Kind::Invalid);
    let offer = Offer::new(PATH, DomId::DOM0).with_rings(Bytes(1 << 20), Bytes(1));
    let made = offer.make(&place.store, &shares, place.machine.events(), soon());
    assert_eq!(kind(made), Kind::NoMemory);
    assert_eq!(place.machine.in_use(), (0, 0, 0));
    assert_eq!(place.store.read_opt(&PATH).unwrap(), None);
}
