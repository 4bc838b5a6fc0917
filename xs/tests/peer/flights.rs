//! Many requests before the first reply.

use std::error::Error as _;
use std::time::Duration;

use xs::{Deadline, Kind, Path, Store, View, ask};

use crate::script::*;

static A: Path = Path::from_static("/a");
static B: Path = Path::from_static("/b");
static C: Path = Path::from_static("/c");

#[test]
fn all_of_a_flight_is_asked_before_the_first_reply_and_answered_in_its_order() {
    let values = against(
        |peer| {
            let asked = [peer.request(), peer.request(), peer.request()];
            let [first, second, third] = asked.map(|request| request.id);
            peer.send(READ, third, 0, b"3");
            peer.send(ERROR, second, 0, b"ENOENT\0");
            peer.send(READ, first, 0, b"1");
        },
        |client| client.read_each([&A, &B, &C]).unwrap(),
    );
    assert_eq!(values, [Some(b"1".to_vec()), None, Some(b"3".to_vec())]);
}

#[test]
fn one_that_fails_keeps_nothing_from_the_others() {
    let too_long = [b'x'; 4096];
    let results = against(
        |peer| {
            let first = peer.expect(WRITE, 0, b"/a\x001");
            let third = peer.expect(WRITE, 0, b"/c\x003");
            peer.send(ERROR, first, 0, b"ENOSPC\0");
            peer.send(WRITE, third, 0, b"OK\0");
        },
        |client| {
            client.batch([ask::write(&A, "1"), ask::write(&B, &too_long), ask::write(&C, "3")])
        },
    );
    let kinds: Vec<_> =
        results.iter().map(|result| result.as_ref().map_err(xs::Error::kind)).collect();
    assert_eq!(kinds, [Err(Kind::NoMemory), Err(Kind::Invalid), Ok(&())]);
    assert_eq!(results[1].as_ref().unwrap_err().to_string(), "write /b");
}

#[test]
fn a_flight_may_be_larger_than_what_fits_on_the_way() {
    const MANY: u32 = 1000;
    let value = [b'x'; 4000];
    let failed = against(
        |peer| {
            for _ in 0..MANY {
                let id = peer.request().id;
                peer.send(WRITE, id, 0, b"OK\0");
            }
        },
        |client| {
            let writes = (0..MANY).map(|_| ask::write(&A, &value));
            client.batch(writes).into_iter().filter(Result::is_err).count()
        },
    );
    assert_eq!(failed, 0);
}

#[test]
fn a_deadline_in_mid_flight_fails_what_is_unanswered_and_leaves_the_connection_usable() {
    let results = against(
        |peer| {
            let (first, second) = (peer.request().id, peer.request().id);
            peer.send(READ, first, 0, b"1");
            let next = peer.expect(READ, 0, b"/c\0");
            peer.send(READ, second, 0, b"late");
            peer.send(READ, next, 0, b"3");
        },
        |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(30));
            let results = hasty.batch([ask::read(&A), ask::read(&B)]);
            assert_eq!(client.read(&C).unwrap(), b"3");
            results
        },
    );
    assert_eq!(results[0].as_deref().unwrap(), b"1");
    assert_eq!(results[1].as_ref().unwrap_err().kind(), Kind::TimedOut);
}

#[test]
fn a_flight_after_the_deadline_sends_nothing() {
    against(Peer::expect_end, |client| {
        let late = client.with_deadline(Deadline::after(Duration::ZERO));
        assert_eq!(late.read_each([&A, &B]).unwrap_err().kind(), Kind::TimedOut);
    });
}

#[test]
fn a_daemon_that_dies_in_mid_flight_fails_all_that_is_unanswered() {
    let results = against(
        |peer| {
            let first = peer.request().id;
            peer.request();
            peer.send(READ, first, 0, b"1");
            peer.close();
        },
        |client| client.batch([ask::read(&A), ask::read(&B)]),
    );
    assert_eq!(results[0].as_deref().unwrap(), b"1");
    assert_eq!(results[1].as_ref().unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn a_flight_in_a_transaction_is_part_of_it() {
    against(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            let first = peer.expect(WRITE, 11, b"/a\x001");
            let second = peer.expect(WRITE, 11, b"/b\x002");
            peer.send(WRITE, first, 11, b"OK\0");
            peer.send(WRITE, second, 11, b"OK\0");
            peer.answer(END, 11, b"T\0", b"OK\0");
        },
        |client| {
            client.transaction(|tx| {
                tx.batch([ask::write(&A, "1"), ask::write(&B, "2")])
                    .into_iter()
                    .collect::<xs::Result<()>>()
            })
        },
    )
    .unwrap();
}

#[test]
fn a_subtree_takes_a_flight_for_each_level() {
    let tree = against(
        |peer| {
            peer.answer(READ, 0, b"/a\0", b"top");
            peer.answer(DIRECTORY, 0, b"/a\0", b"x\0y\0");
            let asked = [peer.request(), peer.request(), peer.request(), peer.request()];
            for request in asked {
                let reply: &[u8] = if request.op == READ { b"leaf" } else { b"" };
                peer.send(request.op, request.id, 0, reply);
            }
        },
        |client| client.subtree(&A).unwrap(),
    );
    let tree: Vec<_> = tree.iter().map(|(path, value)| (path.as_str(), &value[..])).collect();
    assert_eq!(tree, [("/a", &b"top"[..]), ("/a/x", b"leaf"), ("/a/y", b"leaf")]);
}

#[test]
fn a_question_without_bytes_is_followed_by_one_with() {
    let features = against(
        |peer| {
            let features = peer.expect(GET_FEATURE, 0, b"");
            let push = peer.expect(GET_DOMAIN_PATH, 0, b"0\0");
            peer.send(GET_FEATURE, features, 0, b"20\0");
            peer.send(GET_DOMAIN_PATH, push, 0, b"/local/domain/0\0");
        },
        |client| client.features().unwrap(),
    );
    assert!(features.contains(xs::Features::WATCH_DEPTH));
    assert_eq!(features.bits(), 20, "unknown bits are kept");
}

#[test]
fn a_reset_is_refused_while_a_watch_is_in_use() {
    against(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.answer(UNWATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.answer(RESET_WATCHES, 0, b"\0", b"OK\0");
        },
        |client| {
            let watch = client.watch(&A).unwrap();
            let error = client.reset_watches().unwrap_err();
            assert_eq!(error.kind(), Kind::Busy);
            let why = error.source().unwrap().to_string();
            assert_eq!(why, "this connection has watches that are in use");
            drop(watch);
            client.reset_watches().unwrap();
        },
    );
}
