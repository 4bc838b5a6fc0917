//! Events, and waiting for what they announce.

use std::error::Error as _;
use std::sync::mpsc;
use std::time::Duration;

use xs::tokio::View as _;
use xs::{Deadline, Kind, becomes, vanishes};

use crate::script::*;
use crate::stage::*;

fn event(peer: &mut Peer, payload: &[u8]) {
    peer.send(EVENT, 0, 0, payload);
}

#[test]
fn a_dropped_watch_is_ended_with_its_path_first() {
    facing(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
            peer.expect_end();
        },
        async |client| drop(client.watch(&A).await.unwrap()),
    );
}

#[test]
fn events_before_and_after_the_acknowledgement_arrive() {
    facing(
        |peer| {
            let id = peer.expect(WATCH, 0, b"/a\0xs1\0");
            event(peer, b"/a/1\0xs1\0");
            peer.send(WATCH, id, 0, b"OK\0");
            event(peer, b"/a/2\0xs1\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        async |client| {
            let mut watch = client.watch(&A).await.unwrap();
            assert_eq!(watch.wait(soon()).await.unwrap().path(), &A.join("1"));
            assert_eq!(watch.wait(soon()).await.unwrap().path(), &A.join("2"));
        },
    );
}

#[test]
fn a_subscriber_that_never_reads_stops_nobody_and_is_told_to_look_everywhere() {
    facing(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            let id = peer.expect(READ, 0, b"/a\0");
            (0..1025).for_each(|n| event(peer, format!("/a/{n}\0xs1\0").as_bytes()));
            peer.send(READ, id, 0, b"1");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        async |client| {
            let mut watch = client.watch(&A).await.unwrap();
            assert_eq!(client.read(&A).await.unwrap(), b"1");
            let event = watch.wait(soon()).await.unwrap();
            assert_eq!((event.path(), event.is_merged()), (&A, true));
        },
    );
}

#[test]
fn a_wait_that_is_polled_once_and_left_alone_stops_nobody_and_loses_no_event() {
    facing(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            let left = peer.expect(READ, 0, b"/b\0");
            let id = peer.expect(READ, 0, b"/a\0");
            event(peer, b"/a/1\0xs1\0");
            peer.send(READ, left, 0, b"left");
            peer.send(READ, id, 0, b"1");
            peer.answer(READ, 0, b"/a\0", b"2");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        async |client| {
            let mut watch = client.watch(&A).await.unwrap();
            let mut waiting = Box::pin(watch.wait(soon()));
            let mut reading = Box::pin(client.read(&B));
            assert!(poll_once(&mut waiting).await.is_none());
            assert!(poll_once(&mut reading).await.is_none());
            assert_eq!(client.read(&A).await.unwrap(), b"1");
            assert_eq!(client.with_deadline(soon()).read(&A).await.unwrap(), b"2");
            drop(waiting); // though it has been woken for the event
            assert_eq!(watch.wait(soon()).await.unwrap().path(), &A.join("1"));
            assert_eq!(reading.await.unwrap(), b"left");
        },
    );
}

#[test]
fn a_refused_watch_is_an_error() {
    let error = facing(
        |peer| {
            let id = peer.expect(WATCH, 0, b"/a\0xs1\0");
            peer.send(ERROR, id, 0, b"EQUOTA\0");
            peer.expect_end();
        },
        async |client| client.watch(&A).await.unwrap_err(),
    );
    assert_eq!((error.kind(), error.to_string()), (Kind::NoMemory, "watch /a".into()));
}

#[test]
fn a_watch_of_a_dead_daemon_ends() {
    let error = facing(
        |peer| peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0"),
        async |client| client.watch(&A).await.unwrap().wait(soon()).await.unwrap_err(),
    );
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[test]
fn a_deadline_in_the_past_takes_the_event_that_has_come() {
    let (watching, then_send) = mpsc::channel();
    let (sent, go_on) = mpsc::channel();
    facing(
        move |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            then_send.recv().unwrap();
            event(peer, b"/a\0xs1\0");
            sent.send(()).unwrap();
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        async |client| {
            let mut watch = client.watch(&A).await.unwrap();
            assert_eq!(watch.try_next().unwrap(), None);
            watching.send(()).unwrap();
            go_on.recv().unwrap();
            let passed = Deadline::after(Duration::ZERO);
            assert_eq!(watch.wait(passed).await.unwrap().path(), &A);
            assert_eq!(watch.wait(passed).await.unwrap_err().kind(), Kind::TimedOut);
        },
    );
}

#[test]
fn an_event_that_has_come_is_taken_without_waiting() {
    let (watching, then_send) = mpsc::channel();
    let (sent, go_on) = mpsc::channel();
    facing(
        move |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            then_send.recv().unwrap();
            event(peer, b"/a\0xs1\0");
            sent.send(()).unwrap();
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        async |client| {
            let mut watch = client.watch(&A).await.unwrap();
            assert_eq!(watch.try_next().unwrap(), None);
            watching.send(()).unwrap();
            go_on.recv().unwrap();
            assert_eq!(watch.try_next().unwrap().unwrap().path(), &A);
        },
    );
}

#[test]
fn what_is_true_already_needs_no_watch() {
    facing(
        |peer| {
            peer.answer(READ, 0, b"/a\0", b"4");
            peer.expect_end();
        },
        async |client| drop(client.wait(&becomes(A.clone(), "4"), soon()).await.unwrap()),
    );
}

#[test]
fn a_wait_looks_again_after_watching_and_after_each_event() {
    facing(
        |peer| {
            peer.answer(READ, 0, b"/a\0", b"1");
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.answer(READ, 0, b"/a\0", b"2");
            event(peer, b"/a\0xs1\0");
            peer.answer(READ, 0, b"/a\0", b"3");
            event(peer, b"/a\0xs1\0");
            let gone = peer.expect(READ, 0, b"/a\0");
            peer.send(ERROR, gone, 0, b"ENOENT\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
            peer.expect_end();
        },
        async |client| drop(client.wait(&vanishes(A.clone()), soon()).await.unwrap()),
    );
}

#[test]
fn a_wait_for_a_store_that_falls_silent_says_so_and_what_it_saw() {
    let error = facing(
        move |peer| {
            peer.answer(READ, 0, b"/a\0", b"2");
            peer.expect(WATCH, 0, b"/a\0xs1\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        async |client| client.wait(&becomes(A.clone(), "4"), after_millis(200)).await.unwrap_err(),
    );
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(error.to_string(), r#"wait until /a becomes "4""#);
    assert_eq!(
        error.source().unwrap().to_string(),
        r#"the store stopped answering; last seen: /a is "2""#
    );
}

#[test]
fn a_look_watches_what_it_read_and_runs_again_until_it_finds() {
    facing(
        |peer| {
            peer.answer(READ, 0, b"/a\0", b"1");
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.answer(READ, 0, b"/a\0", b"/b");
            peer.answer(READ, 0, b"/b\0", b"no");
            peer.answer(WATCH, 0, b"/b\0xs2\0", b"OK\0");
            peer.answer(READ, 0, b"/a\0", b"/b");
            peer.answer(READ, 0, b"/b\0", b"no");
            event(peer, b"/b\0xs2\0");
            peer.answer(READ, 0, b"/a\0", b"/b");
            peer.answer(READ, 0, b"/b\0", b"yes");
            let (first, second) = (peer.request(), peer.request());
            assert_eq!((first.op, second.op), (UNWATCH, UNWATCH));
        },
        async |client| {
            let found = client.until("what /a names to say yes", soon(), async |look| {
                if look.read(&A).await? != b"/b" {
                    return Ok(None);
                }
                Ok((look.read(&B).await? == b"yes").then_some(7))
            });
            assert_eq!(found.await.unwrap(), 7);
        },
    );
}

#[test]
fn a_look_that_reads_nothing_is_refused() {
    let error = facing(Peer::expect_end, async |client| {
        let found = client.until("nothing", soon(), async |_| Ok(None::<()>));
        found.await.unwrap_err()
    });
    assert_eq!((error.kind(), error.to_string()), (Kind::Invalid, "wait for nothing".into()));
}
