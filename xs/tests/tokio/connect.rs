//! How a client comes to its connection, and how it ends.

use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use xs::tokio::{Client, View as _};
use xs::{Deadline, Kind};

use crate::script::*;
use crate::stage::*;

#[tokio::test]
async fn without_a_daemon_there_is_no_client() {
    let error = Client::connect("/nonexistent/xenstored/socket").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.to_string(), "connect to xenstored at /nonexistent/xenstored/socket");
}

#[test]
fn a_client_connects_to_the_socket_it_is_told() {
    let dir = std::env::temp_dir().join(format!("xs-tokio-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let listener = UnixListener::bind(dir.join("socket")).unwrap();
    let value = runtime().block_on(async {
        let client = Client::connect(dir.join("socket")).await;
        std::fs::remove_dir_all(&dir).unwrap();
        let mut peer = Peer(listener.accept().unwrap().0);
        let script = thread::spawn(move || peer.answer(READ, 0, b"/a\0", b"1"));
        let value = client.unwrap().read(&A).await.unwrap();
        script.join().unwrap();
        value
    });
    assert_eq!(value, b"1");
}

#[test]
fn a_daemon_that_accepts_nobody_costs_until_the_deadline_and_stops_no_other_task() {
    let dir = std::env::temp_dir().join(format!("xs-tokio-full-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let path = dir.join("socket");
    let full = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&full, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&full, 0).unwrap(); // one caller may queue
    runtime().block_on(async {
        let first = Client::connect_by(&path, Deadline::after(Duration::ZERO)).await;
        let start = Instant::now();
        let deadline = Deadline::after(Duration::from_millis(150));
        let second = Client::connect_by(&path, deadline);
        let others = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            start.elapsed()
        };
        let (second, others) = tokio::join!(second, others);
        let took = start.elapsed();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(first.is_ok());
        assert_eq!(second.unwrap_err().kind(), Kind::TimedOut);
        assert!((150..10_000).contains(&took.as_millis()), "{took:?}");
        assert!(others.as_millis() < 150, "{others:?}");
    });
}

#[test]
fn a_client_may_be_used_in_another_runtime_than_its_own() {
    let (ours, theirs) = pair();
    let own = runtime();
    let client = own.block_on(async { Client::from_stream(ours).unwrap() });
    let script = thread::spawn(move || Peer(theirs).answer(READ, 0, b"/a\0", b"1"));
    thread::scope(|scope| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        scope.spawn(move || own.block_on(stopped).unwrap_err());
        let value = runtime().block_on(client.read(&A)).unwrap();
        assert_eq!(value, b"1");
        drop(stop);
    });
    script.join().unwrap();
}

#[test]
fn the_last_clone_ends_the_connection_though_its_runtime_goes_on() {
    let (ours, theirs) = pair();
    runtime().block_on(async {
        let client = Client::from_stream(ours).unwrap();
        let other = client.clone();
        drop(client);
        drop(other);
        tokio::task::yield_now().await;
        Peer(theirs).expect_end(); // blocks the runtime: nothing is left to be done
    });
}

#[test]
fn a_runtime_that_ends_fails_all_who_wait_and_who_come_later() {
    let (ours, theirs) = pair();
    let own = runtime();
    let client = own.block_on(async { Client::from_stream(ours).unwrap() });
    let mut peer = Peer(theirs);
    let limit = Duration::from_secs(10); // of a runtime that lives on
    let read = async || tokio::time::timeout(limit, client.read(&A)).await.unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| runtime().block_on(read()).unwrap_err());
        peer.expect(READ, 0, b"/a\0");
        own.shutdown_background();
        let error = waiting.join().unwrap();
        assert_eq!(error.kind(), Kind::Unavailable);
    });
    assert_eq!(runtime().block_on(read()).unwrap_err().kind(), Kind::Unavailable);
    peer.expect_end();
}
