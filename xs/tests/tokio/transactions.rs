//! How transactions end.

use std::error::Error as _;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use xs::tokio::{Client, Store as _, View as _};
use xs::{Deadline, Kind, ask};

use crate::script::*;
use crate::stage::*;

#[test]
fn a_conflict_runs_the_body_again_in_a_new_transaction() {
    let runs = AtomicU32::new(0);
    facing(
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
        async |client| {
            client
                .transaction(async |tx| {
                    let run = runs.fetch_add(1, Relaxed) + 1;
                    tx.write(&A, run.to_string()).await
                })
                .await
        },
    )
    .unwrap();
    assert_eq!(runs.into_inner(), 2);
}

#[test]
fn a_conflict_that_is_told_inside_discards_and_runs_again() {
    facing(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            let read = peer.expect(READ, 11, b"/a\0");
            peer.send(ERROR, read, 11, b"EAGAIN\0");
            peer.answer(END, 11, b"F\0", b"OK\0");
            peer.answer(START, 0, b"\0", b"12\0");
            peer.answer(READ, 12, b"/a\0", b"1");
            peer.answer(END, 12, b"T\0", b"OK\0");
        },
        async |client| {
            let value = client.transaction(async |tx| tx.read(&A).await).await;
            assert_eq!(value.unwrap(), b"1");
        },
    );
}

#[test]
fn a_conflict_in_a_flight_discards_and_runs_again() {
    facing(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            let read = peer.expect(READ, 11, b"/a\0");
            peer.send(ERROR, read, 11, b"EAGAIN\0");
            peer.answer(END, 11, b"F\0", b"OK\0");
            peer.answer(START, 0, b"\0", b"12\0");
            peer.answer(READ, 12, b"/a\0", b"1");
            peer.answer(END, 12, b"T\0", b"OK\0");
        },
        async |client| {
            let values = client.transaction(async |tx| tx.read_each([&A]).await).await;
            assert_eq!(values.unwrap(), [Some(b"1".to_vec())]);
        },
    );
}

/// Starts every transaction and lets none commit, until the client leaves.
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
    let runs = AtomicU32::new(0);
    let error = facing(refuse_every_commit, async |client| {
        let outcome = client.transaction(async |_| {
            runs.fetch_add(1, Relaxed);
            Ok(())
        });
        outcome.await.unwrap_err()
    });
    assert_eq!((error.kind(), runs.into_inner()), (Kind::Again, 100));
    assert_eq!(error.source().unwrap().to_string(), "lost 100 races against other changes");
}

#[test]
fn endless_conflicts_end_by_the_deadline() {
    let runs = AtomicU32::new(0);
    let error = facing(refuse_every_commit, async |client| {
        let client = client.with_deadline(Deadline::after(Duration::from_millis(100)));
        let outcome = client.transaction(async |_| {
            runs.fetch_add(1, Relaxed);
            Ok(())
        });
        outcome.await.unwrap_err()
    });
    assert!(matches!(error.kind(), Kind::Again | Kind::TimedOut));
    assert!(runs.into_inner() < 100);
}

#[test]
fn a_body_that_fails_discards_its_transaction() {
    facing(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            let read = peer.expect(READ, 11, b"/a\0");
            peer.send(ERROR, read, 11, b"ENOENT\0");
            peer.expect(END, 11, b"F\0");
            peer.expect_end();
        },
        async |client| {
            let error = client.transaction(async |tx| tx.read(&A).await).await.unwrap_err();
            assert_eq!(error.kind(), Kind::NotFound);
        },
    );
}

#[test]
fn a_body_that_panics_discards_its_transaction() {
    facing(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            peer.expect(END, 11, b"F\0");
            peer.expect_end();
        },
        async |client| {
            let task = tokio::spawn(async move {
                client.transaction(async |_| -> xs::Result<()> { panic!("in the body") }).await
            });
            assert!(task.await.unwrap_err().is_panic());
        },
    );
}

#[test]
fn a_commit_without_an_answer_is_not_followed_by_a_discard() {
    facing(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            peer.expect(END, 11, b"T\0");
            peer.expect_end();
        },
        async |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(200));
            let error = hasty.transaction(async |_| Ok(())).await.unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
        },
    );
}

/// What a program writes: a transaction of its own type of store, in a task of its own.
async fn rename(client: &Client, name: &str) -> xs::Result<usize> {
    client
        .transaction(async |tx| {
            let old = tx.read_opt(&A).await?;
            tx.batch([ask::write(&A, name), ask::write(&B, "")])
                .await
                .into_iter()
                .collect::<xs::Result<()>>()?;
            Ok(old.map_or(0, |old| old.len()))
        })
        .await
}

#[test]
fn a_transaction_can_be_a_task_of_its_own() {
    let len = facing(
        |peer| {
            peer.answer(START, 0, b"\0", b"11\0");
            peer.answer(READ, 11, b"/a\0", b"old");
            let first = peer.expect(WRITE, 11, b"/a\0new");
            let second = peer.expect(WRITE, 11, b"/b\0");
            peer.send(WRITE, first, 11, b"OK\0");
            peer.send(WRITE, second, 11, b"OK\0");
            peer.answer(END, 11, b"T\0", b"OK\0");
        },
        async |client| {
            let name = "new".to_owned();
            let task = tokio::spawn(async move { rename(&client, &name).await });
            task.await.unwrap().unwrap()
        },
    );
    assert_eq!(len, 3);
}

#[test]
fn a_transaction_that_starts_too_late_is_discarded_though_nobody_asks_for_anything() {
    let (timed_out, go_on) = mpsc::channel();
    let (discarded, then_end) = tokio::sync::oneshot::channel();
    facing(
        move |peer| {
            let start = peer.expect(START, 0, b"\0");
            go_on.recv().unwrap();
            peer.send(START, start, 0, b"11\0");
            peer.expect(END, 11, b"F\0");
            discarded.send(()).unwrap();
        },
        async |client| {
            let hasty = client.with_request_timeout(Duration::from_millis(30));
            let error = hasty.transaction(async |_| Ok(())).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string()),
                (Kind::TimedOut, "start a transaction".into())
            );
            timed_out.send(()).unwrap();
            then_end.await.unwrap();
        },
    );
}
