//! What the client logs goes through code that is not its own.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use xs::{Path, View};

use crate::script::*;

const A: Path = Path::from_static("/a");
const B: Path = Path::from_static("/b");

#[test]
fn a_log_that_panics_stops_nobody_else() {
    let (reading, then_ask) = mpsc::channel();
    let (panicked, go_on) = mpsc::channel();
    against(
        move |peer| {
            peer.expect(READ, 0, b"/a\0");
            reading.send(()).unwrap();
            let id = peer.expect(READ, 0, b"/b\0");
            peer.send(READ, id + 1000, 0, b"stray");
            go_on.recv().unwrap();
            peer.send(READ, id, 0, b"1");
        },
        |client| {
            thread::scope(|scope| {
                let (first, second) = (client.clone(), &client);
                let first = scope.spawn(move || {
                    tracing::subscriber::with_default(PanickingLog, || first.read(&A))
                });
                then_ask.recv().unwrap();
                let second = scope.spawn(move || second.read(&B).unwrap());
                first.join().unwrap_err();
                let start = Instant::now();
                panicked.send(()).unwrap();
                assert_eq!(second.join().unwrap(), b"1");
                assert!(start.elapsed() < Duration::from_secs(10), "not by its own last look");
            });
        },
    );
}

struct PanickingLog;

impl tracing::Subscriber for PanickingLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        panic!("the disk of the log is full");
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
