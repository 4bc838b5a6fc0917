//! How a client comes to its connection.

use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use xs::{Client, Deadline, Kind, Path, View};

use crate::script::*;

const A: Path = Path::from_static("/a");

#[test]
fn without_a_daemon_there_is_no_client() {
    let error = Client::connect("/nonexistent/xenstored/socket").unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.to_string(), "connect to xenstored at /nonexistent/xenstored/socket");
}

#[test]
fn a_client_connects_to_the_socket_it_is_told() {
    let dir = std::env::temp_dir().join(format!("xs-peer-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let listener = UnixListener::bind(dir.join("socket")).unwrap();
    let client = Client::connect(dir.join("socket"));
    std::fs::remove_dir_all(&dir).unwrap();
    let mut peer = Peer(listener.accept().unwrap().0);
    let value = thread::scope(|scope| {
        scope.spawn(move || peer.answer(READ, 0, b"/a\0", b"1"));
        client.unwrap().read(&A).unwrap()
    });
    assert_eq!(value, b"1");
}

#[test]
fn a_daemon_that_accepts_nobody_costs_until_the_deadline() {
    let dir = std::env::temp_dir().join(format!("xs-peer-full-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let path = dir.join("socket");
    let full = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&full, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&full, 0).unwrap(); // one caller may queue
    let first = Client::connect_by(&path, Deadline::after(Duration::ZERO));
    let start = Instant::now();
    let second = Client::connect_by(&path, Deadline::after(Duration::from_millis(150)));
    let took = start.elapsed();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(first.is_ok());
    assert_eq!(second.unwrap_err().kind(), Kind::TimedOut);
    assert!((150..10_000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_stream_is_made_blocking() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let clone = ours.try_clone().unwrap();
    let _client = Client::from_stream(ours).unwrap();
    let flags = rustix::fs::fcntl_getfl(&clone).unwrap();
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
}
