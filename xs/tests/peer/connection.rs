//! Requests, replies, and everything that can go wrong between them.

use std::error::Error as _;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use xs::{Deadline, Kind, Path, Store, View};

use crate::script::*;

const A: Path = Path::from_static("/a");
const B: Path = Path::from_static("/b");

fn after_millis(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

#[test]
fn a_refusal_names_what_was_asked_and_what_was_said() {
    let error = against(
        |peer| {
            let id = peer.expect(DIRECTORY, 0, b"/a\0");
            peer.send(ERROR, id, 0, b"EACCES\0");
        },
        |client| client.directory(&A).unwrap_err(),
    );
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(error.to_string(), "list /a");
    assert_eq!(error.source().unwrap().to_string(), "permission denied (EACCES)");
}

#[test]
fn replies_in_the_wrong_order_reach_the_right_threads() {
    against(
        |peer| {
            let (first, second) = (peer.request(), peer.request());
            peer.send(READ, second.id, 0, &second.payload);
            peer.send(READ, first.id, 0, &first.payload);
        },
        |client| {
            thread::scope(|scope| {
                let other = scope.spawn(|| client.read(&B).unwrap());
                assert_eq!(client.read(&A).unwrap(), b"/a\0");
                assert_eq!(other.join().unwrap(), b"/b\0");
            });
        },
    );
}

#[test]
fn threads_that_ask_again_as_soon_as_they_are_answered_are_all_answered() {
    let answers = against(
        |peer| {
            while let Some(request) = peer.next() {
                peer.send(READ, request.id, 0, &request.payload);
            }
        },
        |client| {
            let ask = |client: &xs::Client, node: &Path| {
                (0..500)
                    .filter(|_| client.read(node).unwrap() == format!("{node}\0").as_bytes())
                    .count()
            };
            let nodes: Vec<_> = (0..16_u32).map(|n| A.join(n)).collect();
            thread::scope(|scope| {
                let threads: Vec<_> =
                    nodes.iter().map(|node| scope.spawn(|| ask(&client, node))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
            })
        },
    );
    assert_eq!(answers, 16 * 500);
}

#[test]
fn a_reply_in_single_bytes_is_a_reply() {
    let value = against(
        |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            packet(READ, id, 0, b"value").iter().for_each(|byte| peer.bytes(&[*byte]));
        },
        |client| client.read(&A).unwrap(),
    );
    assert_eq!(value, b"value");
}

#[test]
fn silence_ends_by_the_request_timeout_and_the_late_reply_is_swallowed() {
    let (timed_out, go_on) = mpsc::channel();
    against(
        move |peer| {
            let late = peer.expect(READ, 0, b"/a\0");
            go_on.recv().unwrap();
            let next = peer.expect(READ, 0, b"/b\0");
            peer.send(READ, late, 0, b"late");
            peer.send(READ, next, 0, b"next");
        },
        |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(30));
            let error = hasty.read(&A).unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
            assert_eq!(error.source().unwrap().to_string(), "no answer before the deadline");
            timed_out.send(()).unwrap();
            assert_eq!(client.read(&B).unwrap(), b"next");
        },
    );
}

#[test]
fn a_deadline_that_passes_in_mid_reply_leaves_the_connection_usable() {
    let (timed_out, go_on) = mpsc::channel();
    against(
        move |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            let reply = packet(READ, id, 0, b"late");
            peer.bytes(&reply[..18]);
            go_on.recv().unwrap();
            peer.bytes(&reply[18..]);
            peer.answer(READ, 0, b"/b\0", b"next");
        },
        |client| {
            let error = client.with_deadline(after_millis(30)).read(&A).unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
            timed_out.send(()).unwrap();
            assert_eq!(client.read(&B).unwrap(), b"next");
        },
    );
}

#[test]
fn a_deadline_is_never_early_and_not_the_request_timeout() {
    let (timed_out, go_on) = mpsc::channel();
    against(
        move |peer| {
            peer.expect(READ, 0, b"/a\0");
            go_on.recv().unwrap();
        },
        |client| {
            let start = Instant::now();
            let error = client.with_deadline(after_millis(150)).read(&A).unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
            assert!(start.elapsed() >= Duration::from_millis(150));
            assert!(start.elapsed() < Duration::from_secs(10));
            timed_out.send(()).unwrap();
        },
    );
}

#[test]
fn a_deadline_in_the_past_sends_nothing() {
    against(Peer::expect_end, |client| {
        let error = client.with_deadline(after_millis(0)).read(&A).unwrap_err();
        assert_eq!(error.kind(), Kind::TimedOut);
    });
}

#[test]
fn a_reader_whose_deadline_passes_leaves_the_reading_to_another() {
    let (reading, then_ask) = mpsc::channel();
    let (timed_out, go_on) = mpsc::channel();
    against(
        move |peer| {
            peer.expect(READ, 0, b"/a\0");
            reading.send(()).unwrap();
            let id = peer.expect(READ, 0, b"/b\0");
            assert!(go_on.try_recv().is_err(), "both must be waiting, or this shows nothing");
            go_on.recv().unwrap();
            peer.send(READ, id, 0, b"1");
        },
        |client| {
            let hasty = client.with_request_timeout(Duration::from_secs(1));
            thread::scope(|scope| {
                scope.spawn(move || {
                    assert_eq!(hasty.read(&A).unwrap_err().kind(), Kind::TimedOut);
                    timed_out.send(()).unwrap();
                });
                then_ask.recv().unwrap();
                let start = Instant::now();
                assert_eq!(client.read(&B).unwrap(), b"1");
                assert!(start.elapsed() < Duration::from_secs(10), "not by its own last look");
            });
        },
    );
}

#[test]
fn a_daemon_that_stops_reading_finds_whole_requests_when_it_reads_again() {
    let value = [b'x'; 4000];
    let (stuck, go_on) = mpsc::channel();
    against(
        move |peer| {
            let sent: usize = go_on.recv().unwrap();
            (0..sent).for_each(|_| {
                let id = peer.expect(WRITE, 0, &[b"/a\0", &value[..]].concat());
                peer.send(WRITE, id, 0, b"OK\0");
            });
            peer.answer(READ, 0, b"/b\0", b"still in step");
        },
        |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(1));
            let attempts = (0..1000).map(|_| hasty.write(&A, value).unwrap_err());
            let sent = attempts
                .take_while(|error| {
                    assert_eq!(error.kind(), Kind::TimedOut);
                    !error.source().unwrap().to_string().contains("could be sent")
                })
                .count();
            assert!((1..1000).contains(&sent), "{sent}");
            stuck.send(sent).unwrap();
            assert_eq!(client.read(&B).unwrap(), b"still in step");
        },
    );
}

#[test]
fn what_found_no_room_is_sent_once_there_is_room_while_somebody_waits() {
    let value = [b'x'; 4000];
    let (stuck, go_on) = mpsc::channel();
    against(
        move |peer| {
            peer.answer(WATCH, 0, b"/b\0xs1\0", b"OK\0");
            let sent: usize = go_on.recv().unwrap();
            // All of it arrives, the last one in two pieces, though nothing is said meanwhile.
            (0..sent).for_each(|_| {
                peer.expect(WRITE, 0, &[b"/a\0", &value[..]].concat());
            });
            peer.send(EVENT, 0, 0, b"/b\0xs1\0");
            peer.expect(UNWATCH, 0, b"/b\0xs1\0");
        },
        |client| {
            let mut watch = client.watch(&B).unwrap();
            let hasty = client.with_request_timeout(Duration::from_millis(1));
            let attempts = (0..1000).map(|_| hasty.write(&A, value).unwrap_err());
            let sent = attempts
                .take_while(|error| !error.source().unwrap().to_string().contains("could be sent"))
                .count();
            assert!((1..1000).contains(&sent), "{sent}");
            stuck.send(sent).unwrap();
            watch.wait(after_millis(60_000)).unwrap();
        },
    );
}

#[test]
fn a_daemon_that_never_answers_loses_its_connection() {
    let error = against(
        |peer| (0..5000).for_each(|_| drop(peer.next())),
        |client| {
            let hasty = client.with_request_timeout(Duration::ZERO);
            let mut errors = std::iter::repeat_with(|| hasty.read(&A).unwrap_err());
            errors.find(|error| error.kind() != Kind::TimedOut).unwrap()
        },
    );
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(
        error.source().unwrap().to_string(),
        "the connection was ended: the daemon leaves too many requests unanswered"
    );
}

#[test]
fn a_daemon_that_talks_before_it_listens_is_heard() {
    let value = [b'x'; 4000];
    against(
        |peer| {
            let flood = packet(EVENT, 0, 0, b"/nobody\0asked\0").repeat(12_000);
            peer.bytes(&flood); // far more than the socket holds
            (0..64).for_each(|_| {
                let request = peer.request();
                peer.send(WRITE, request.id, 0, b"OK\0");
            });
        },
        |client| {
            thread::scope(|scope| {
                (0..64).for_each(|_| drop(scope.spawn(|| client.write(&A, value).unwrap())));
            });
        },
    );
}

#[test]
fn a_daemon_that_dies_fails_everybody_who_waits_and_who_comes_later() {
    let kinds = against(
        |peer| {
            (0..32).for_each(|_| drop(peer.request()));
            peer.close();
        },
        |client| {
            let kinds: Vec<_> = thread::scope(|scope| {
                let ask = || client.read(&A).unwrap_err().kind();
                let threads: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(client.read(&A).unwrap_err().kind(), Kind::Unavailable);
            kinds
        },
    );
    assert_eq!(kinds, [Kind::Unavailable; 32]);
}

#[test]
fn a_daemon_that_dies_in_mid_reply_has_not_answered() {
    let error = against(
        |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            peer.bytes(&packet(READ, id, 0, b"value")[..18]);
            peer.close();
        },
        |client| client.read(&A).unwrap_err(),
    );
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.source().unwrap().to_string(), "the daemon closed the connection");
}

#[test]
fn a_payload_over_the_limit_ends_the_connection() {
    let error = against(
        |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            peer.bytes(&packet(READ, id, 0, &[b'x'; 4097])[..16]);
            peer.expect_end();
        },
        |client| {
            let error = client.read(&A).unwrap_err();
            assert_eq!(client.read(&B).unwrap_err().kind(), Kind::Unavailable);
            error
        },
    );
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(
        error.source().unwrap().to_string(),
        "the connection was ended: READ announces a payload of 4097 bytes, over the limit of 4096"
    );
}

#[test]
fn a_directory_over_the_limit_is_read_whole() {
    let names = against(
        |peer| {
            peer.answer(DIRECTORY, 0, b"/a\0", &b"name\0".repeat(20_000));
            peer.answer(READ, 0, b"/b\0", b"still in step");
        },
        |client| {
            let names = client.directory(&A).unwrap();
            assert_eq!(client.read(&B).unwrap(), b"still in step");
            names
        },
    );
    assert_eq!(names.len(), 20_000);
}

#[test]
fn a_directory_in_parts_is_read_whole() {
    let names = against(
        |peer| {
            let id = peer.expect(DIRECTORY, 0, b"/a\0");
            peer.send(ERROR, id, 0, b"E2BIG\0");
            peer.answer(DIRECTORY_PART, 0, b"/a\x000\0", b"9\0x\0y\0");
            peer.answer(DIRECTORY_PART, 0, b"/a\x004\0", b"9\0z\0\0");
        },
        |client| client.directory(&A).unwrap(),
    );
    assert_eq!(names, ["x", "y", "z"]);
}

#[test]
fn a_reply_to_nobody_harms_nobody() {
    let value = against(
        |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            peer.send(READ, id + 1000, 0, b"stray");
            peer.send(READ, id, 0, b"1");
        },
        |client| client.read(&A).unwrap(),
    );
    assert_eq!(value, b"1");
}

#[test]
fn a_reply_of_another_type_is_an_error_of_its_request_only() {
    against(
        |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            peer.send(WRITE, id, 0, b"OK\0");
            peer.answer(READ, 0, b"/b\0", b"1");
        },
        |client| {
            assert_eq!(client.read(&A).unwrap_err().kind(), Kind::Other);
            assert_eq!(client.read(&B).unwrap(), b"1");
        },
    );
}

#[test]
fn a_value_that_is_not_text_is_invalid_as_text() {
    let error = against(
        |peer| peer.answer(READ, 0, b"/a\0", b"\xff"),
        |client| client.read_str(&A).unwrap_err(),
    );
    assert_eq!(error.kind(), Kind::Invalid);
}
