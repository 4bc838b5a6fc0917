//! Events in an event loop that is not ours.

use std::os::fd::BorrowedFd;
use std::sync::mpsc;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use xs::{Path, View, Watch};

use crate::script::*;

const A: Path = Path::from_static("/a");
const B: Path = Path::from_static("/b");

fn is_readable(fd: BorrowedFd<'_>, seconds: i64) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
    poll(&mut fds, Some(&limit)).unwrap() == 1
}

/// All events that are there.
fn take(watch: &mut Watch) -> Vec<Path> {
    std::iter::from_fn(|| watch.try_next().unwrap()).map(|event| event.path().clone()).collect()
}

#[test]
fn the_descriptor_is_readable_when_an_event_has_come_and_not_when_all_are_taken() {
    let (quiet, go_on) = mpsc::channel();
    against(
        move |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            go_on.recv().unwrap();
            peer.send(EVENT, 0, 0, b"/a/1\0xs1\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let mut watch = client.watch(&A).unwrap();
            assert!(!is_readable(watch.pollable().unwrap(), 0));
            quiet.send(()).unwrap();
            assert!(is_readable(watch.pollable().unwrap(), 20));
            assert_eq!(take(&mut watch), [A.join("1")]);
            assert!(!is_readable(watch.pollable().unwrap(), 0));
        },
    );
}

#[test]
fn what_another_call_has_received_shows_on_the_descriptor() {
    against(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            let id = peer.expect(READ, 0, b"/b\0");
            peer.send(EVENT, 0, 0, b"/a/1\0xs1\0");
            peer.send(EVENT, 0, 0, b"/a/2\0xs1\0");
            peer.send(READ, id, 0, b"1");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let mut watch = client.watch(&A).unwrap();
            assert!(!is_readable(watch.pollable().unwrap(), 0));
            client.read(&B).unwrap(); // and takes in the events, so the socket is empty
            assert!(is_readable(watch.pollable().unwrap(), 0));
            assert_eq!(watch.try_next().unwrap().unwrap().path(), &A.join("1"));
            assert!(is_readable(watch.pollable().unwrap(), 0), "there is another");
            assert_eq!(take(&mut watch), [A.join("2")]);
            assert!(!is_readable(watch.pollable().unwrap(), 0));
        },
    );
}

#[test]
fn events_that_came_before_the_descriptor_was_asked_for_show_on_it() {
    against(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            let id = peer.expect(READ, 0, b"/b\0");
            peer.send(EVENT, 0, 0, b"/a/1\0xs1\0");
            peer.send(READ, id, 0, b"1");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let watch = client.watch(&A).unwrap();
            client.read(&B).unwrap();
            assert!(is_readable(watch.pollable().unwrap(), 0));
        },
    );
}

#[test]
fn a_dead_daemon_shows_on_the_descriptor_also_when_another_thread_found_it() {
    let (asked, die) = mpsc::channel();
    against(
        move |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.expect(READ, 0, b"/b\0");
            die.recv().unwrap();
            peer.close();
        },
        |client| {
            let mut watch = client.watch(&A).unwrap();
            watch.pollable().unwrap();
            thread::scope(|scope| {
                let reader = scope.spawn(|| client.read(&B).unwrap_err());
                asked.send(()).unwrap();
                reader.join().unwrap();
            });
            assert!(is_readable(watch.pollable().unwrap(), 20));
            assert_eq!(watch.try_next().unwrap_err().kind(), xs::Kind::Unavailable);
        },
    );
}
