//! Over a ring, whose descriptor is not a socket's: room shows as readability.

use std::thread;

use xs::tokio::{Client, Store as _, View as _};

use crate::memory::{EVENT, READ, Store, WATCH, ring};
use crate::stage::*;

fn facing<T>(script: impl FnOnce(&mut Store) + Send, act: impl AsyncFnOnce(Client) -> T) -> T {
    let (page, bell, mut store) = ring(u32::MAX - 9);
    thread::scope(|scope| {
        scope.spawn(move || script(&mut store));
        runtime().block_on(async { act(Client::over_ring(page, bell).unwrap()).await })
    })
}

#[test]
fn requests_and_replies_longer_than_the_ring_pass_it() {
    let value = [b'x'; 4000];
    facing(
        |store| {
            let read = store.request();
            store.send(READ, read.id, &value);
            store.echo(1);
        },
        async |client| {
            assert_eq!(client.read(&A).await.unwrap(), value);
            client.write(&A, value).await.unwrap();
        },
    );
}

#[test]
fn many_tasks_share_a_ring() {
    facing(
        |store| store.echo(16 * 50),
        async |client| {
            let ask = |_| {
                let client = client.clone();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        assert_eq!(client.read(&B).await.unwrap(), b"/b\0");
                    }
                })
            };
            for task in (0..16).map(ask).collect::<Vec<_>>() {
                task.await.unwrap();
            }
        },
    );
}

#[test]
fn an_event_wakes_who_waits_for_it() {
    facing(
        |store| {
            let watch = store.request();
            store.send(WATCH, watch.id, b"OK\0");
            store.send(EVENT, 0, b"/a\0xs1\0");
        },
        async |client| {
            let mut watch = client.watch(&A).await.unwrap();
            assert_eq!(watch.wait(soon()).await.unwrap().path(), &A);
        },
    );
}
