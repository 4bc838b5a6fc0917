//! Running again when what was read has changed.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use xs::{Deadline, Kind, Path, View};

use crate::script::*;

const A: Path = Path::from_static("/a");

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

#[test]
fn what_is_there_already_needs_no_watch() {
    let value = against(
        |peer| {
            peer.answer(READ, 0, b"/a\0", b"1");
            peer.expect_end();
        },
        |client| client.until("a value", soon(), |look| look.read_opt(&A)).unwrap(),
    );
    assert_eq!(value, b"1");
}

#[test]
fn what_is_read_is_watched_and_the_watches_follow_the_reading() {
    let value = against(
        |peer| {
            // /a names another node, which is not there yet.
            peer.answer(READ, 0, b"/a\0", b"b");
            let id = peer.expect(READ, 0, b"/b\0");
            peer.send(ERROR, id, 0, b"ENOENT\0");
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.answer(WATCH, 0, b"/b\0xs2\0", b"OK\0");
            // Now it names a third one.
            peer.answer(READ, 0, b"/a\0", b"c");
            let id = peer.expect(READ, 0, b"/c\0");
            peer.send(ERROR, id, 0, b"ENOENT\0");
            peer.answer(UNWATCH, 0, b"/b\0xs2\0", b"OK\0");
            peer.answer(WATCH, 0, b"/c\0xs3\0", b"OK\0");
            peer.answer(READ, 0, b"/a\0", b"c");
            let id = peer.expect(READ, 0, b"/c\0");
            peer.send(ERROR, id, 0, b"ENOENT\0");
            // Only an event makes it look again.
            peer.send(EVENT, 0, 0, b"/c\0xs3\0");
            peer.answer(READ, 0, b"/a\0", b"c");
            peer.answer(READ, 0, b"/c\0", b"found");
            let mut ended = [peer.request(), peer.request()].map(|request| request.payload);
            ended.sort();
            assert_eq!(ended, [b"/a\0xs1\0", b"/c\0xs3\0"]);
            peer.expect_end();
        },
        |client| {
            let follow = |look: &xs::Look<'_>| {
                let name = look.read_str(&A)?;
                look.read_opt(&Path::ROOT.try_join(&name).unwrap())
            };
            client.until("what /a names", soon(), follow).unwrap()
        },
    );
    assert_eq!(value, b"found");
}

#[test]
fn a_function_that_reads_nothing_is_refused() {
    against(Peer::expect_end, |client| {
        let error = client.until("nothing", soon(), |_| Ok(None::<()>)).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(error.to_string(), "wait for nothing");
    });
}

#[test]
fn the_deadline_ends_it_and_its_watches() {
    let (timed_out, go_on) = mpsc::channel();
    against(
        move |peer| {
            peer.answer(READ, 0, b"/a\0", b"");
            peer.answer(WATCH, 0, b"/a\0xs1\0", b"OK\0");
            peer.answer(READ, 0, b"/a\0", b"");
            go_on.recv().unwrap();
            peer.expect(UNWATCH, 0, b"/a\0xs1\0");
        },
        |client| {
            let deadline = Deadline::after(Duration::from_millis(100));
            let never = |look: &xs::Look<'_>| look.read(&A).map(|_| None::<()>);
            let error = client.until("the end of days", deadline, never).unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
            timed_out.send(()).unwrap();
        },
    );
}

#[test]
fn a_node_that_changes_without_end_does_not_keep_it_running() {
    let start = Instant::now();
    against(
        |peer| peer.change_without_end("/a"),
        |client| {
            let deadline = Deadline::after(Duration::from_millis(200));
            let never = |look: &xs::Look<'_>| look.read(&A).map(|_| None::<()>);
            let error = client.until("the end of days", deadline, never).unwrap_err();
            assert_eq!(error.kind(), Kind::TimedOut);
        },
    );
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
