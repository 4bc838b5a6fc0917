//! Events, and waiting for what they announce.

use std::error::Error as _;
use std::time::{Duration, Instant};

use xs::{Deadline, Kind, Path, View, becomes, vanishes};

use crate::script::*;

const A: Path = Path::from_static("/a");

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn event(peer: &mut Peer, payload: &[u8]) {
    peer.send(EVENT, 0, 0, payload);
}

#[test]
fn a_dropped_watch_is_ended_with_its_path_first() {
    against(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
            peer.expect_end();
        },
        |client| drop(client.watch(&A).unwrap()),
    );
}

#[test]
fn events_before_and_after_the_acknowledgement_arrive() {
    against(
        |peer| {
            let id = peer.expect(WATCH, 0, b"/a\0xs1\0");
            event(peer, b"/a/1\0xs1\0");
            peer.send(WATCH, id, 0, b"OK\0");
            event(peer, b"/a/2\0xs1\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let mut watch = client.watch(&A).unwrap();
            assert_eq!(watch.wait(soon()).unwrap().path(), &A.join("1"));
            assert_eq!(watch.wait(soon()).unwrap().path(), &A.join("2"));
        },
    );
}

#[test]
fn a_subscriber_that_never_reads_stops_nobody_and_is_told_to_look_everywhere() {
    against(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            let id = peer.expect(READ, 0, b"/a\0");
            (0..1025).for_each(|n| event(peer, format!("/a/{n}\0xs1\0").as_bytes()));
            peer.send(READ, id, 0, b"1");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let mut watch = client.watch(&A).unwrap();
            assert_eq!(client.read(&A).unwrap(), b"1");
            let event = watch.wait(soon()).unwrap();
            assert_eq!((event.path(), event.is_merged()), (&A, true));
        },
    );
}

#[test]
fn a_refused_watch_is_an_error() {
    let error = against(
        |peer| {
            let id = peer.expect(WATCH, 0, b"/a\0xs1\0");
            peer.send(ERROR, id, 0, b"EQUOTA\0");
            peer.expect_end();
        },
        |client| client.watch(&A).unwrap_err(),
    );
    assert_eq!((error.kind(), error.to_string()), (Kind::NoMemory, "watch /a".into()));
}

#[test]
fn a_watch_of_a_dead_daemon_ends() {
    let error = against(
        |peer| peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0"),
        |client| client.watch(&A).unwrap().wait(soon()).unwrap_err(),
    );
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[test]
fn a_deadline_in_the_past_takes_the_event_that_has_come() {
    let (watching, then_send) = std::sync::mpsc::channel();
    let (sent, go_on) = std::sync::mpsc::channel();
    against(
        move |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            then_send.recv().unwrap();
            event(peer, b"/a\0xs1\0");
            sent.send(()).unwrap();
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let mut watch = client.watch(&A).unwrap();
            watching.send(()).unwrap();
            go_on.recv().unwrap();
            let passed = Deadline::after(Duration::ZERO);
            assert_eq!(watch.wait(passed).unwrap().path(), &A);
            assert_eq!(watch.wait(passed).unwrap_err().kind(), Kind::TimedOut);
        },
    );
}

#[test]
fn a_wait_with_a_deadline_in_the_past_asks_nothing_and_says_so() {
    let error = against(Peer::expect_end, |client| {
        client.wait(&becomes(A, "4"), Deadline::after(Duration::ZERO)).unwrap_err()
    });
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(
        error.source().unwrap().to_string(),
        "the deadline passed before the request could be sent"
    );
}

#[test]
fn what_is_true_already_needs_no_watch() {
    against(
        |peer| {
            peer.answer(READ, 0, b"/a\0", b"4");
            peer.expect_end();
        },
        |client| drop(client.wait(&becomes(A, "4"), soon()).unwrap()),
    );
}

#[test]
fn a_wait_looks_again_after_watching_and_after_each_event() {
    against(
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
        |client| drop(client.wait(&vanishes(A), soon()).unwrap()),
    );
}

#[test]
fn a_node_that_changes_without_end_does_not_put_the_deadline_off() {
    let start = Instant::now();
    let error = against(
        |peer| peer.change_without_end("/a"),
        |client| {
            let deadline = Deadline::after(Duration::from_millis(200));
            client.wait(&becomes(A, "4"), deadline).unwrap_err()
        },
    );
    assert_eq!(error.kind(), Kind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_wait_for_a_store_that_falls_silent_says_so_and_what_it_saw() {
    let (timed_out, go_on) = std::sync::mpsc::channel();
    let error = against(
        move |peer| {
            peer.answer(READ, 0, b"/a\0", b"2");
            peer.expect(WATCH, 0, b"/a\0xs1\0");
            go_on.recv().unwrap();
        },
        |client| {
            let deadline = Deadline::after(Duration::from_millis(200));
            let error = client.wait(&becomes(A, "4"), deadline).unwrap_err();
            timed_out.send(()).unwrap();
            error
        },
    );
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(error.to_string(), r#"wait until /a becomes "4""#);
    assert_eq!(
        error.source().unwrap().to_string(),
        r#"the store stopped answering; last seen: /a is "2""#
    );
}
