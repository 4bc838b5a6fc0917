//! The server inside of a program: on a thread of its own, or in the program's loop.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use xs::{Client, Deadline, Kind, Path, Store as _, View as _};
use xs_server::{Alone, Core, Quotas, Running, Server};

fn server() -> Server {
    Server::new(Core::new(Box::new(Alone), Quotas::default())).unwrap()
}

fn client(running: &Running) -> Client {
    Client::from_stream(running.connect().unwrap()).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("xs-server-embed-{}-{name}", std::process::id()))
}

const NODE: Path = Path::from_static("/tool/node");

#[test]
fn many_threads_have_a_connection_each() {
    let running = server().spawn().unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let running = &running;
            scope.spawn(move || {
                let client = client(running);
                let node = Path::new(format!("/tool/{thread}")).unwrap();
                for n in 0..100 {
                    client.write(&node, n.to_string()).unwrap();
                    assert_eq!(client.read(&node).unwrap(), n.to_string().as_bytes());
                }
            });
        }
    });
    assert!(client(&running).directory(&Path::from_static("/tool")).unwrap().len() >= 8);
}

#[test]
fn connections_made_faster_than_they_are_taken_in_are_all_served() {
    let running = server().spawn().unwrap();
    let streams: Vec<_> = (0..200).map(|_| running.connect().unwrap()).collect();
    for stream in streams {
        Client::from_stream(stream).unwrap().write(&NODE, "1").unwrap();
    }
}

#[test]
fn one_tells_the_other() {
    let running = server().spawn().unwrap();
    let (one, other) = (client(&running), client(&running));
    let mut watch = one.watch(&NODE).unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), &NODE);
    other.write(&NODE, "1").unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), &NODE);
}

#[test]
fn a_server_that_was_stopped_goes_on_with_its_store_and_connections() {
    let running = server().spawn().unwrap();
    let before = client(&running);
    before.write(&NODE, "kept").unwrap();
    let stopped = running.stop().unwrap();
    assert_eq!(stopped.connections(), 1);
    let running = stopped.spawn().unwrap();
    assert_eq!(before.read(&NODE).unwrap(), b"kept");
    assert_eq!(client(&running).read(&NODE).unwrap(), b"kept");
}

#[test]
fn the_end_of_the_server_is_the_end_of_its_connections() {
    let running = server().spawn().unwrap();
    let client = client(&running);
    client.write(&NODE, "1").unwrap();
    drop(running);
    let error = client.read(&NODE).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
}

#[test]
fn other_processes_connect_by_path() {
    let path = socket("path");
    let mut server = server();
    server.listen(&path).unwrap();
    let running = server.spawn().unwrap();
    Client::connect(&path).unwrap().write(&NODE, "1").unwrap();
    assert_eq!(client(&running).read(&NODE).unwrap(), b"1");
    drop(running);
    assert!(!path.exists());
}

#[test]
fn a_path_that_is_taken_over_is_left_to_its_new_owner() {
    let path = socket("taken");
    let mut first = server();
    first.listen(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut second = server();
    second.listen(&path).unwrap();
    drop(first);
    assert!(path.exists());
    let third = server().listen(&path).map_err(|error| error.kind());
    assert_eq!(third, Err(ErrorKind::AddrInUse));
}

#[test]
fn it_runs_in_the_loop_of_a_program() {
    let mut server = server();
    let (ours, theirs) = UnixStream::pair().unwrap();
    server.add(theirs).unwrap();
    let asking = thread::spawn(move || {
        let client = Client::from_stream(ours).unwrap();
        (0..10).for_each(|n| client.write(&NODE, n.to_string()).unwrap());
        client.read(&NODE).unwrap()
    });
    while server.connections() > 0 {
        let mut fds = [PollFd::new(&server, PollFlags::IN)];
        poll(&mut fds, None).unwrap();
        server.turn(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(asking.join().unwrap(), b"9");
}

#[test]
fn a_turn_with_a_limit_comes_back() {
    let mut server = server();
    server.turn(Some(Duration::from_millis(1))).unwrap();
    let (told, teller) = UnixStream::pair().unwrap();
    drop(teller);
    server.serve_until(told).unwrap();
}
