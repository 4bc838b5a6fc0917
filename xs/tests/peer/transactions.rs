//! How transactions end.

use std::error::Error as _;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use xs::{Deadline, Kind, Path, Store, View};

use crate::script::*;

const A: Path = Path::from_static("/a");

#[test]
fn a_conflict_runs_the_body_again_in_a_new_transaction() {
    let mut runs = 0;
    against(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            peer.answer(WRITE, 11, b"/a\x001", b"OK\0");
            let commit = peer.expect(END, 11, b"T\0");
            peer.send(ERROR, commit, 11, b"EAGAIN\0");
            peer.answer(START, 0, b"\0", b"12\0");
            peer.answer(WRITE, 12, b"/a\x002", b"OK\0");
            peer.answer(END, 12, b"T\0", b"OK\0");
            peer.expect_end();
        },
        |client| {
            client.transaction(|tx| {
                runs += 1;
                tx.write(&A, runs.to_string())
            })
        },
    )
    .unwrap();
    assert_eq!(runs, 2);
}

#[test]
fn a_commit_that_oxenstored_calls_invalid_is_a_conflict() {
    let mut runs = 0;
    against(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            let commit = peer.expect(END, 11, b"T\0");
            peer.send(ERROR, commit, 11, b"EINVAL\0");
            peer.answer(START, 0, b"\0", b"12\0");
            peer.answer(END, 12, b"T\0", b"OK\0");
            peer.expect_end();
        },
        |client| {
            client.transaction(|_| {
                runs += 1;
                Ok(())
            })
        },
    )
    .unwrap();
    assert_eq!(runs, 2);
}

#[test]
fn a_conflict_that_is_told_inside_discards_and_runs_again() {
    against(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            let read = peer.expect(READ, 11, b"/a\0");
            peer.send(ERROR, read, 11, b"EAGAIN\0");
            peer.answer(END, 11, b"F\0", b"OK\0");
            peer.answer(START, 0, b"\0", b"12\0");
            peer.answer(READ, 12, b"/a\0", b"1");
            peer.answer(END, 12, b"T\0", b"OK\0");
        },
        |client| assert_eq!(client.transaction(|tx| tx.read(&A)).unwrap(), b"1"),
    );
}

/// Starts every transaction and lets none commit, until the client leaves: by its deadline, that
/// may be before it has its last answer.
fn refuse_every_commit(peer: &mut Peer) {
    while let Some(request) = peer.next() {
        let answer = match request.op {
            START => packet(START, request.id, 0, b"11\0"),
            _ => packet(ERROR, request.id, request.tx, b"EAGAIN\0"),
        };
        if peer.0.write_all(&answer).is_err() {
            return;
        }
    }
}

#[test]
fn endless_conflicts_end_after_a_hundred_attempts() {
    let mut runs = 0;
    let error = against(refuse_every_commit, |client| {
        let outcome = client.transaction(|_| {
            runs += 1;
            Ok(())
        });
        outcome.unwrap_err()
    });
    assert_eq!((error.kind(), runs), (Kind::Again, 100));
    assert_eq!(error.source().unwrap().to_string(), "lost 100 races against other changes");
}

#[test]
fn endless_conflicts_end_by_the_deadline() {
    let mut runs = 0;
    let error = against(refuse_every_commit, |client| {
        let client = client.with_deadline(Deadline::after(Duration::from_millis(100)));
        let outcome = client.transaction(|_| {
            runs += 1;
            Ok(())
        });
        outcome.unwrap_err()
    });
    assert!(matches!(error.kind(), Kind::Again | Kind::TimedOut));
    assert!(runs < 100);
}

#[test]
fn a_body_that_fails_discards_its_transaction() {
    against(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            let read = peer.expect(READ, 11, b"/a\0");
            peer.send(ERROR, read, 11, b"ENOENT\0");
            peer.expect(END, 11, b"F\0");
            peer.expect_end();
        },
        |client| {
            let error = client.transaction(|tx| tx.read(&A)).unwrap_err();
            assert_eq!(error.kind(), Kind::NotFound);
        },
    );
}

#[test]
fn a_body_that_panics_discards_its_transaction() {
    against(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            peer.expect(END, 11, b"F\0");
            peer.expect_end();
        },
        |client| {
            let body = || client.transaction(|_| -> xs::Result<()> { panic!("in the body") });
            assert!(catch_unwind(AssertUnwindSafe(body)).is_err());
        },
    );
}

#[test]
fn a_commit_without_an_answer_is_not_followed_by_a_discard() {
    let (timed_out, go_on) = mpsc::channel();
    against(
        move |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            peer.expect(END, 11, b"T\0");
            go_on.recv().unwrap();
            peer.expect_end();
        },
        |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(200));
            let error = hasty.transaction(|_| Ok(())).unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
            timed_out.send(()).unwrap();
        },
    );
}

#[test]
fn a_transaction_that_starts_too_late_is_discarded() {
    let (timed_out, go_on) = mpsc::channel();
    against(
        move |peer| {
            let start = peer.expect(START, 0, b"\0");
            go_on.recv().unwrap();
            let read = peer.expect(READ, 0, b"/a\0");
            peer.send(START, start, 0, b"11\0");
            peer.expect(END, 11, b"F\0");
            peer.send(READ, read, 0, b"1");
        },
        |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(30));
            let error = hasty.transaction(|_| Ok(())).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string()),
                (Kind::TimedOut, "start a transaction".into())
            );
            timed_out.send(()).unwrap();
            assert_eq!(client.read(&A).unwrap(), b"1");
        },
    );
}
