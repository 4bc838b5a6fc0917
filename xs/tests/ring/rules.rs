//! The rules of the ring, kept and broken, with a store that the test plays.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use xs::ring::{Bell as _, Page as _, features, reconnect};
use xs::{Client, Deadline, Error, Features, Kind, Path, Store as _, View};

use crate::memory::*;

const A: Path = Path::from_static("/a");

/// Ten bytes before the indices wrap, in the middle of the queues' ends.
const ALMOST_WRAPPED: u32 = u32::MAX - 9;

fn cause(error: &Error) -> String {
    error.source().unwrap().to_string()
}

fn briefly() -> Deadline {
    Deadline::after(Duration::from_millis(150))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// A different value of any length for each number.
fn value(n: usize) -> Vec<u8> {
    let mut value = n.to_string().into_bytes();
    value.resize(1 + n * 37 % 3000, b'.');
    value
}

#[test]
fn a_request_and_its_reply_pass_the_ring() {
    let script = |store: &mut Store| {
        let request = store.request();
        assert_eq!((request.op, request.payload.as_slice()), (READ, &b"/a\0"[..]));
        store.send(READ, request.id, b"one");
    };
    let read = against(0, script, |client| client.read(&A).unwrap());
    assert_eq!(read, b"one");
}

#[test]
fn indices_wrap_in_the_middle_of_packets() {
    let client_reads = |client: Client| (client.read(&A).unwrap(), client.read(&A).unwrap());
    let read = against(ALMOST_WRAPPED, |store| store.echo(2), client_reads);
    assert_eq!(read, (b"/a\0".to_vec(), b"/a\0".to_vec()));
}

#[test]
fn bytes_may_come_and_go_one_by_one() {
    let script = |store: &mut Store| {
        store.chunk = 1;
        store.echo(3);
    };
    let paths = [A; 3];
    let read = against(ALMOST_WRAPPED, script, |client| client.read_each(&paths).unwrap());
    assert_eq!(read, vec![Some(b"/a\0".to_vec()); 3]);
}

#[test]
fn packets_may_be_longer_than_the_ring() {
    let long = [b'x'; 3000];
    let script = move |store: &mut Store| {
        store.chunk = 100;
        let write = store.request();
        assert_eq!((write.op, write.payload), (WRITE, [&b"/a\0"[..], &long].concat()));
        store.send(WRITE, write.id, b"OK\0");
        let read = store.request();
        store.send(READ, read.id, &long);
    };
    against(ALMOST_WRAPPED, script, |client| {
        client.write(&A, long).unwrap();
        assert_eq!(client.read(&A).unwrap(), long);
    });
}

#[test]
fn a_flight_waits_for_room_in_the_ring() {
    let script = |store: &mut Store| {
        store.until("the ring is full", |store| store.requested() == 1024);
        store.echo(100);
    };
    let paths = vec![A; 100];
    let read = against(0, script, |client| client.read_each(&paths).unwrap());
    assert_eq!(read, vec![Some(b"/a\0".to_vec()); 100]);
}

#[test]
fn many_threads_share_a_ring() {
    let script = |store: &mut Store| {
        store.chunk = 61;
        store.echo(8 * 40);
    };
    against(ALMOST_WRAPPED, script, |client| {
        thread::scope(|scope| {
            for n in 0..8 {
                let (client, path) = (&client, Path::new(format!("/{n}")).unwrap());
                let asked = format!("{path}\0");
                scope.spawn(move || {
                    for _ in 0..40 {
                        assert_eq!(client.read(&path).unwrap(), asked.as_bytes());
                    }
                });
            }
        });
    });
}

#[test]
fn values_of_all_lengths_arrive_as_they_were_sent() {
    let script = |store: &mut Store| {
        for n in 0..150 {
            store.chunk = 1 + n * 53 % 1024;
            let write = store.request();
            assert_eq!(write.payload, [b"/a\0", &value(n)[..]].concat());
            store.send(WRITE, write.id, b"OK\0");
            let read = store.request();
            store.send(READ, read.id, &value(n + 1000));
        }
    };
    against(ALMOST_WRAPPED, script, |client| {
        for n in 0..150 {
            client.write(&A, value(n)).unwrap();
            assert_eq!(client.read(&A).unwrap(), value(n + 1000));
        }
    });
}

#[test]
fn an_event_reaches_its_watch() {
    let script = |store: &mut Store| {
        let watch = store.request();
        assert_eq!(watch.op, WATCH);
        store.send(WATCH, watch.id, b"OK\0");
        let token = watch.payload.splitn(2, |byte| *byte == 0).nth(1).unwrap();
        store.send(EVENT, 0, &[b"/a/b\0", token].concat());
    };
    against(0, script, |client| {
        let mut watch = client.watch(&A).unwrap();
        assert_eq!(watch.wait(soon()).unwrap().path().as_str(), "/a/b");
    });
}

#[test]
fn a_foreign_event_loop_sees_when_the_store_rings() {
    let go = AtomicBool::new(false);
    let (page, bell, store) = ring(0);
    let client = Client::over_ring(page, bell).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let watch = store.request();
            store.send(WATCH, watch.id, b"OK\0");
            while !go.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            store.send(EVENT, 0, &[&b"/a\0"[..], &watch.payload[3..]].concat());
        });
        let mut watch = client.watch(&A).unwrap();
        while watch.try_next().unwrap().is_some() {}
        let ready = |limit: Duration| {
            let fd = watch.pollable().unwrap();
            let mut fds =
                [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut fds, Some(&limit.try_into().unwrap())).unwrap()
        };
        assert_eq!(ready(Duration::from_millis(50)), 0);
        go.store(true, Ordering::SeqCst);
        assert_eq!(ready(Duration::from_secs(20)), 1);
        assert_eq!(watch.wait(soon()).unwrap().path(), &A);
    });
}

#[test]
fn a_silent_store_costs_until_the_deadline_and_the_ring_goes_on() {
    let script = |store: &mut Store| {
        let late = store.request();
        let next = store.request();
        store.send(READ, late.id, b"late");
        store.send(READ, next.id, b"next");
    };
    against(0, script, |client| {
        let start = Instant::now();
        let error = client.with_deadline(briefly()).read(&A).unwrap_err();
        assert_eq!(error.kind(), Kind::TimedOut);
        assert!((150..10_000).contains(&start.elapsed().as_millis()));
        assert_eq!(client.read(&A).unwrap(), b"next");
    });
}

#[test]
fn a_store_that_takes_nothing_costs_until_the_deadline_and_the_ring_goes_on() {
    let (page, bell, store) = ring(0);
    let client = Client::over_ring(page, bell).unwrap();
    let paths = vec![A; 100];
    let error = client.with_deadline(briefly()).read_each(&paths).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(store.requested(), 1024);
    // There is no room for another, and it is not kept for later.
    let error = client.with_deadline(briefly()).read(&Path::from_static("/b")).unwrap_err();
    assert_eq!(cause(&error), "the deadline passed before the request could be sent");
    thread::scope(|scope| {
        scope.spawn(|| store.echo(101));
        assert_eq!(client.read(&Path::from_static("/c")).unwrap(), b"/c\0");
    });
}

#[test]
fn a_store_that_produces_too_much_ends_the_connection() {
    let script = |store: &mut Store| {
        store.request();
        store.set(REPLIES_PRODUCED, 1025);
    };
    against(0, script, |client| {
        let error = client.read(&A).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        let why = "a ring of 1024 bytes cannot have consumed 0 and produced 1025";
        assert_eq!(cause(&error), format!("the connection was ended: {why}"));
        let next = client.read(&A).unwrap_err();
        assert_eq!(cause(&next), cause(&error));
    });
}

#[test]
fn a_store_that_consumes_what_was_never_produced_ends_the_connection() {
    let (page, bell, store) = ring(7);
    let client = Client::over_ring(page, bell).unwrap();
    store.set(REQUESTS_CONSUMED, 8);
    let error = client.read(&A).unwrap_err();
    assert!(cause(&error).ends_with("cannot have consumed 8 and produced 7"), "{error:?}");
}

#[test]
fn a_ring_that_is_set_back_under_a_client_ends_the_connection() {
    let script = |store: &mut Store| {
        store.echo(1);
        store.request();
        store.page.store(REPLIES_PRODUCED, 0);
        store.set(REPLIES_CONSUMED, 0);
    };
    against(0, script, |client| {
        assert!(client.read(&A).is_ok());
        let error = client.read(&A).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        let why = "the connection was ended: somebody else has set the ring back";
        assert_eq!(cause(&error), why);
    });
}

#[test]
fn a_store_that_gives_up_says_why() {
    let script = |store: &mut Store| {
        store.request();
        store.page.store(FEATURES, 2);
        store.set(ERROR, 3);
    };
    against(0, script, |client| {
        let error = client.read(&A).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert_eq!(cause(&error), "the store has given up on the ring: a packet was too long");
    });
}

#[test]
fn the_error_field_of_a_store_without_that_feature_means_nothing() {
    let script = |store: &mut Store| {
        store.page.store(FEATURES, 1);
        store.until("there is a request", |store| store.requested() > 0);
        store.page.store(ERROR, 3);
        store.have_the_guest_look();
        store.echo(1);
    };
    against(0, script, |client| assert!(client.read(&A).is_ok()));
}

#[test]
fn a_bell_that_fails_ends_the_connection() {
    let (page, bell, _store) = ring(0);
    let client = Client::over_ring(page, bell.clone()).unwrap();
    bell.tear();
    assert_eq!(client.read(&A).unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn threads_that_wait_learn_that_the_connection_has_ended() {
    let script = |store: &mut Store| {
        (0..8).for_each(|_| drop(store.request()));
        store.set(REPLIES_PRODUCED, 5000);
    };
    against(0, script, |client| {
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(client.read(&A).unwrap_err().kind(), Kind::Unavailable));
            }
        });
        assert!(start.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn who_finds_the_end_rouses_who_waits() {
    let (page, bell, store) = ring(0);
    let client = Client::over_ring(page, bell).unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| store.echo(1));
        let mut watch = client.watch(&A).unwrap();
        let waiter = scope.spawn(move || watch.wait(soon()).unwrap_err().kind());
        store.have_the_guest_look();
        // Without a ring: only who sends finds out.
        store.page.store(REQUESTS_CONSUMED, 5000);
        assert_eq!(client.read(&A).unwrap_err().kind(), Kind::Unavailable);
        assert_eq!(waiter.join().unwrap(), Kind::Unavailable);
    });
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn features_that_are_not_known_are_kept() {
    let (page, ..) = ring(0);
    page.store(FEATURES, 0x11);
    assert!(features(&page).contains(Features::RECONNECTION));
    assert_eq!(features(&page).bits(), 0x11);
}

#[test]
fn reconnecting_waits_until_the_store_has_begun_anew() {
    let (page, bell, store) = ring(500);
    page.store(FEATURES, 1);
    thread::scope(|scope| {
        scope.spawn(|| {
            store.until("the guest asks", |store| store.word(STATE) == 1);
            for offset in (REQUESTS_CONSUMED..=REPLIES_PRODUCED).step_by(4) {
                store.page.store(offset, 0);
            }
            store.set(STATE, 0);
            store.echo(1);
        });
        reconnect(&page, &bell, soon()).unwrap();
        assert!(Client::over_ring(page, bell).unwrap().read(&A).is_ok());
    });
}

#[test]
fn reconnecting_is_not_tried_where_it_is_not_offered() {
    let (page, bell, _store) = ring(0);
    page.store(FEATURES, 2);
    let error = reconnect(&page, &bell, soon()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.to_string(), "reconnect the ring to the store");
    assert_eq!(page.load(STATE), 0);
}

#[test]
fn what_somebody_else_asked_for_is_waited_for_whatever_else_is_in_the_page() {
    let (page, bell, store) = ring(0);
    page.store(STATE, 1);
    assert_eq!(reconnect(&page, &bell, briefly()).unwrap_err().kind(), Kind::TimedOut);
    thread::scope(|scope| {
        scope.spawn(|| {
            store.channel.ring().unwrap(); // for no reason
            store.set(STATE, 0);
        });
        reconnect(&page, &bell, soon()).unwrap();
    });
}
