//! Requests, replies, and everything that can go wrong between them.

use std::error::Error as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use xs::tokio::{Store as _, View as _};
use xs::{Kind, ask};

use crate::script::*;
use crate::stage::*;

#[test]
fn a_refusal_names_what_was_asked_and_what_was_said() {
    let error = facing(
        |peer| {
            let id = peer.expect(DIRECTORY, 0, b"/a\0");
            peer.send(ERROR, id, 0, b"EACCES\0");
        },
        async |client| client.directory(&A).await.unwrap_err(),
    );
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(error.to_string(), "list /a");
    assert_eq!(error.source().unwrap().to_string(), "permission denied (EACCES)");
}

#[test]
fn replies_in_the_wrong_order_reach_the_right_futures() {
    facing(
        |peer| {
            let (first, second) = (peer.request(), peer.request());
            peer.send(READ, second.id, 0, &second.payload);
            peer.send(READ, first.id, 0, &first.payload);
        },
        async |client| {
            let (a, b) = tokio::join!(client.read(&A), client.read(&B));
            assert_eq!((a.unwrap(), b.unwrap()), (b"/a\0".to_vec(), b"/b\0".to_vec()));
        },
    );
}

#[test]
fn a_flight_is_sent_before_its_first_answer_and_keeps_its_order() {
    facing(
        |peer| {
            let (first, second) = (peer.request(), peer.request());
            peer.send(ERROR, second.id, 0, b"ENOENT\0");
            peer.send(READ, first.id, 0, b"1");
        },
        async |client| {
            let values = client.batch([ask::read(&A), ask::read(&B)]).await;
            let [a, b] = values.try_into().unwrap();
            assert_eq!(a.unwrap(), b"1");
            assert_eq!(b.unwrap_err().kind(), Kind::NotFound);
        },
    );
}

#[test]
fn a_reply_in_single_bytes_is_a_reply() {
    let value = facing(
        |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            packet(READ, id, 0, b"value").iter().for_each(|byte| peer.bytes(&[*byte]));
        },
        async |client| client.read(&A).await.unwrap(),
    );
    assert_eq!(value, b"value");
}

#[test]
fn silence_ends_by_the_request_timeout_and_the_late_reply_is_swallowed() {
    let (timed_out, go_on) = mpsc::channel();
    facing(
        move |peer| {
            let late = peer.expect(READ, 0, b"/a\0");
            go_on.recv().unwrap();
            let next = peer.expect(READ, 0, b"/b\0");
            peer.send(READ, late, 0, b"late");
            peer.send(READ, next, 0, b"next");
        },
        async |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(30));
            let error = hasty.read(&A).await.unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
            assert_eq!(error.source().unwrap().to_string(), "no answer before the deadline");
            timed_out.send(()).unwrap();
            assert_eq!(client.read(&B).await.unwrap(), b"next");
        },
    );
}

#[test]
fn a_deadline_that_passes_in_mid_reply_leaves_the_connection_usable() {
    let (timed_out, go_on) = mpsc::channel();
    facing(
        move |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            let reply = packet(READ, id, 0, b"late");
            peer.bytes(&reply[..18]);
            go_on.recv().unwrap();
            peer.bytes(&reply[18..]);
            peer.answer(READ, 0, b"/b\0", b"next");
        },
        async |client| {
            let error = client.with_deadline(after_millis(30)).read(&A).await.unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
            timed_out.send(()).unwrap();
            assert_eq!(client.read(&B).await.unwrap(), b"next");
        },
    );
}

#[test]
fn deadlines_pass_in_their_own_order_not_in_that_of_the_requests() {
    facing(
        |peer| while peer.next().is_some() {},
        async |client| {
            let start = Instant::now();
            let timed_out = async |millis| {
                let hasty = client.with_request_timeout(Duration::from_millis(millis));
                assert_eq!(hasty.read(&A).await.unwrap_err().kind(), Kind::TimedOut);
                start.elapsed()
            };
            let (long, short, middle) = tokio::join!(timed_out(900), timed_out(50), timed_out(400));
            assert!((50..400).contains(&short.as_millis()), "{short:?}");
            assert!((400..900).contains(&middle.as_millis()), "{middle:?}");
            assert!((900..10_000).contains(&long.as_millis()), "{long:?}");
        },
    );
}

#[test]
fn a_deadline_in_the_past_sends_nothing() {
    facing(Peer::expect_end, async |client| {
        let error = client.with_deadline(after_millis(0)).read(&A).await.unwrap_err();
        assert_eq!(error.kind(), Kind::TimedOut);
    });
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_by_thirty_seconds_of_the_clock_of_tokio() {
    let (ours, _theirs) = pair();
    let client = xs::tokio::Client::from_stream(ours).unwrap();
    let start = tokio::time::Instant::now();
    assert_eq!(client.read(&A).await.unwrap_err().kind(), Kind::TimedOut);
    let took = start.elapsed();
    assert!((30_000..30_010).contains(&took.as_millis()), "{took:?}");
    assert_eq!(client.read(&B).await.unwrap_err().kind(), Kind::TimedOut);
}

#[test]
fn an_answer_that_came_in_time_is_taken_though_the_runtime_was_busy_past_the_deadline() {
    let (answered, go_on) = mpsc::channel();
    facing(
        move |peer| {
            peer.answer(READ, 0, b"/a\0", b"1");
            answered.send(()).unwrap();
        },
        async |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(100));
            let busy = async {
                go_on.recv().unwrap();
                std::thread::sleep(Duration::from_millis(150));
            };
            let (value, ()) = tokio::join!(hasty.read(&A), busy);
            assert_eq!(value.unwrap(), b"1");
        },
    );
}

#[test]
fn a_daemon_that_stops_reading_finds_whole_requests_when_it_reads_again() {
    let value = [b'x'; 4000];
    let (stuck, go_on) = mpsc::channel();
    facing(
        move |peer| {
            let sent: usize = go_on.recv().unwrap();
            (0..sent).for_each(|_| {
                let id = peer.expect(WRITE, 0, &[b"/a\0", &value[..]].concat());
                peer.send(WRITE, id, 0, b"OK\0");
            });
            peer.answer(READ, 0, b"/b\0", b"still in step");
        },
        async |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(1));
            let mut sent = 0;
            loop {
                let error = hasty.write(&A, value).await.unwrap_err();
                assert_eq!(error.kind(), Kind::TimedOut);
                if error.source().unwrap().to_string().contains("could be sent") {
                    break;
                }
                sent += 1;
                assert!(sent < 1000);
            }
            assert!(sent > 0);
            stuck.send(sent).unwrap();
            assert_eq!(client.read(&B).await.unwrap(), b"still in step");
        },
    );
}

#[test]
fn what_found_no_room_is_sent_once_there_is_room_though_nobody_is_polled() {
    let value = [b'x'; 4000];
    let (stuck, go_on) = mpsc::channel();
    let (arrived, then_end) = tokio::sync::oneshot::channel();
    facing(
        move |peer| {
            peer.answer(READ, 0, b"/b\0", b"1"); // from here on the driver rests
            go_on.recv().unwrap();
            (0..128).for_each(|_| {
                peer.expect(WRITE, 0, &[b"/a\0", &value[..]].concat());
            });
            arrived.send(()).unwrap();
        },
        async |client| {
            client.read(&B).await.unwrap();
            // In one flight, far more than the socket holds.
            let mut writes = Box::pin(client.batch((0..128).map(|_| ask::write(&A, &value))));
            assert!(poll_once(&mut writes).await.is_none());
            stuck.send(()).unwrap();
            then_end.await.unwrap();
        },
    );
}

#[test]
fn a_daemon_that_never_answers_loses_its_connection() {
    let error = facing(
        |peer| (0..5000).for_each(|_| drop(peer.next())),
        async |client| {
            let hasty = client.with_request_timeout(Duration::ZERO);
            loop {
                let error = hasty.read(&A).await.unwrap_err();
                if error.kind() != Kind::TimedOut {
                    return error;
                }
            }
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
    facing(
        |peer| {
            let flood = packet(EVENT, 0, 0, b"/nobody\0asked\0").repeat(12_000);
            peer.bytes(&flood); // far more than the socket holds
            (0..64).for_each(|_| {
                let request = peer.request();
                peer.send(WRITE, request.id, 0, b"OK\0");
            });
        },
        async |client| {
            let write = |_| {
                let client = client.clone();
                tokio::spawn(async move { client.write(&A, value).await.unwrap() })
            };
            for task in (0..64).map(write).collect::<Vec<_>>() {
                task.await.unwrap();
            }
        },
    );
}

#[test]
fn a_daemon_that_dies_fails_everybody_who_waits_and_who_comes_later() {
    facing(
        |peer| {
            (0..32).for_each(|_| drop(peer.request()));
            peer.close();
        },
        async |client| {
            let ask = |_| {
                let client = client.clone();
                tokio::spawn(async move { client.read(&A).await.unwrap_err().kind() })
            };
            for task in (0..32).map(ask).collect::<Vec<_>>() {
                assert_eq!(task.await.unwrap(), Kind::Unavailable);
            }
            let error = client.read(&A).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Unavailable);
            assert_eq!(error.source().unwrap().to_string(), "the daemon closed the connection");
        },
    );
}

#[test]
fn a_payload_over_the_limit_ends_the_connection() {
    let error = facing(
        |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            peer.bytes(&packet(READ, id, 0, &[b'x'; 4097])[..16]);
            peer.expect_end();
        },
        async |client| {
            let error = client.read(&A).await.unwrap_err();
            assert_eq!(client.read(&B).await.unwrap_err().kind(), Kind::Unavailable);
            error
        },
    );
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[test]
fn a_directory_in_parts_is_read_whole() {
    let names = facing(
        |peer| {
            let id = peer.expect(DIRECTORY, 0, b"/a\0");
            peer.send(ERROR, id, 0, b"E2BIG\0");
            peer.answer(DIRECTORY_PART, 0, b"/a\x000\0", b"9\0x\0y\0");
            peer.answer(DIRECTORY_PART, 0, b"/a\x004\0", b"9\0z\0\0");
        },
        async |client| client.directory(&A).await.unwrap(),
    );
    assert_eq!(names, ["x", "y", "z"]);
}

#[test]
fn a_reply_to_nobody_harms_nobody() {
    let value = facing(
        |peer| {
            let id = peer.expect(READ, 0, b"/a\0");
            peer.send(READ, id + 1000, 0, b"stray");
            peer.send(READ, id, 0, b"1");
        },
        async |client| client.read(&A).await.unwrap(),
    );
    assert_eq!(value, b"1");
}
