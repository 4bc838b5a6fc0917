//! Waiting by another clock than the real one.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use xen_types::{Clock, Time};
use xs::{Deadline, Kind, Path, View};

use crate::script::*;

/// A clock that is at the end of a wait as soon as nothing came for some milliseconds.
#[derive(Debug)]
struct Leaping(Mutex<Duration>);

impl Time for Leaping {
    fn now(&self) -> Instant {
        Instant::now() + *self.0.lock().unwrap()
    }

    fn wait(&self, deadline: Deadline, block: &mut dyn FnMut(Duration) -> bool) {
        let nap = Duration::from_millis(2);
        if (0..100).any(|_| block(nap)) {
            return;
        }
        let left = deadline.remaining(self.now());
        *self.0.lock().unwrap() += left;
    }

    fn next_look(&self, _: Duration, deadline: Deadline) -> Deadline {
        deadline
    }
}

fn leaping() -> Clock {
    Clock::with(Arc::new(Leaping(Mutex::default())))
}

const A: Path = Path::from_static("/a");

#[test]
fn a_request_of_an_hour_takes_a_moment_of_another_clock() {
    let start = Instant::now();
    let error = against(
        |peer| {
            peer.expect(READ, 0, b"/a\0");
            peer.expect_end();
        },
        |client| {
            let client = client.with_clock(leaping());
            client.with_request_timeout(Duration::from_secs(3600)).read(&A).unwrap_err()
        },
    );
    assert_eq!(error.kind(), Kind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn an_event_is_taken_by_any_clock() {
    let path = against(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.send(EVENT, 0, 0, b"/a\0xs1\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let client = client.with_clock(leaping());
            let mut watch = client.watch(&A).unwrap();
            watch.wait(client.clock().after(Duration::from_secs(3600))).unwrap().path().clone()
        },
    );
    assert_eq!(path, A);
}

#[test]
fn who_sleeps_while_another_reads_is_woken_between_two_naps_too() {
    let value = against(
        |peer| {
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            let id = peer.expect(READ, 0, b"/a\0");
            thread::sleep(Duration::from_millis(20));
            peer.send(READ, id, 0, b"1");
            peer.send(EVENT, 0, 0, b"/a\0xs1\0");
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let client = client.with_clock(leaping());
            let mut watch = client.watch(&A).unwrap();
            let hour = client.clock().after(Duration::from_secs(3600));
            thread::scope(|scope| {
                let reader = scope.spawn(move || watch.wait(hour).map(drop));
                thread::sleep(Duration::from_millis(10)); // mostly, the other is the reader by now
                let value = client.read(&A).unwrap();
                reader.join().unwrap().unwrap();
                value
            })
        },
    );
    assert_eq!(value, b"1");
}
