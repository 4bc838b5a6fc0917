//! The xenstore client over the kernel's device, `/dev/xen/xenbus`, in a real control domain.
//!
//! What a socket does as well is tested in `tests/conformance`; here is what the kernel does otherwise.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod waiting;

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use waiting::soon;
use xs::{Client, Deadline, ErrorCode, Kind, Path, Store, View, ask};

/// A node for one test, and a client of the device that gives up before a person would.
struct Scratch {
    client: Client,
    home: Path,
}

impl Scratch {
    fn new(test: &str) -> Self {
        let client = Client::open_device().unwrap().with_deadline(soon());
        let home = Path::new(format!("/tool/xs-device-{test}")).unwrap();
        client.rm_if_exists(&home).unwrap();
        client.mkdir(&home).unwrap();
        Self { client, home }
    }

    fn node(&self, name: &'static str) -> Path {
        self.home.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.client.rm_if_exists(&self.home).unwrap();
    }
}

/// The store daemon stands still while this lives.
struct Stopped;

impl Stopped {
    fn now() -> Self {
        signal("STOP");
        Self
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("CONT");
    }
}

fn signal(name: &str) {
    let command = format!("kill -{name} $(pidof xenstored oxenstored)");
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_device_reads_what_it_wrote_and_so_does_the_socket() {
    let scratch = Scratch::new("round-trip");
    let value: Vec<u8> = (0..=255).collect();
    scratch.client.write(&scratch.node("bytes"), &value).unwrap();
    assert_eq!(scratch.client.read(&scratch.node("bytes")).unwrap(), value);
    assert_eq!(Client::open().unwrap().read(&scratch.node("bytes")).unwrap(), value);
    let missing = scratch.client.read(&scratch.node("gone")).unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
}

/// How often the next test reads; once, if it is run for its own sake.
const READS: &str = "XS_DEVICE_READS";

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_device_answers_any_number_of_reads() {
    let reads = std::env::var(READS).map_or(1, |reads| reads.parse().unwrap());
    let client = Client::open_device().unwrap().with_deadline(soon());
    let domid = Path::from_static("/local/domain/0/domid");
    (0..reads).for_each(|_| assert_eq!(client.read_str(&domid).unwrap(), "0"));
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_read_over_the_device_takes_three_system_calls() {
    let calls = |reads: usize| {
        let trace = std::env::temp_dir().join(format!("xs-device-{reads}.strace"));
        let program = std::env::current_exe().unwrap();
        let status = Command::new("strace")
            // Where the kernel has found its clock unstable, the time takes a call as well.
            .args(["-f", "-e", "trace=!clock_gettime", "-o"])
            .args([trace.as_os_str(), program.as_os_str()])
            .args(["--ignored", "--exact", "the_device_answers_any_number_of_reads"])
            .env(READS, reads.to_string())
            .stdout(Stdio::null()) // its own test report
            .status();
        assert!(status.unwrap().success());
        let calls = std::fs::read_to_string(&trace).unwrap().lines().count();
        std::fs::remove_file(trace).unwrap();
        calls
    };
    // What is there besides the reads is the same in both, but for a few calls of the harness.
    let more = calls(1100) - calls(100);
    assert!((2900..=3020).contains(&more), "{more} system calls for 1000 reads");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn transactions_over_the_device_are_committed_and_discarded() {
    let scratch = Scratch::new("transaction");
    let (kept, dropped) = (scratch.node("kept"), scratch.node("dropped"));
    scratch.client.transaction(|tx| tx.write(&kept, "1")).unwrap();
    let failed = scratch.client.transaction(|tx| {
        tx.write(&dropped, "1")?;
        tx.read(&Path::from_static("/tool/xs-device-nowhere")).map(drop)
    });
    assert_eq!(failed.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(scratch.client.read(&kept).unwrap(), b"1");
    assert_eq!(scratch.client.read_opt(&dropped).unwrap(), None);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_device_brings_the_events_of_a_watch_until_it_ends() {
    let scratch = Scratch::new("watch");
    let mut watch = scratch.client.watch(&scratch.home).unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), &scratch.home);
    let node = scratch.node("a/b");
    Client::open().unwrap().write(&node, "1").unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), &node);
    let nothing = watch.wait(Deadline::after(Duration::from_millis(200))).unwrap_err();
    assert_eq!(nothing.kind(), Kind::TimedOut);
    drop(watch);
    assert_eq!(scratch.client.read(&node).unwrap(), b"1");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_device_takes_a_flight_of_reads() {
    let scratch = Scratch::new("flight");
    let path = |n| Path::new(format!("{}/{n}", scratch.home)).unwrap();
    let paths: Vec<_> = (0..50).map(path).collect();
    for (n, path) in paths.iter().enumerate() {
        scratch.client.write(path, format!("value {n}")).unwrap();
    }
    let expected: Vec<_> = (0..50).map(|n| Some(format!("value {n}").into_bytes())).collect();
    assert_eq!(scratch.client.read_each(&paths).unwrap(), expected);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_the_device_refuses_to_take_fails_that_request_alone() {
    let scratch = Scratch::new("refused");
    // A packet of 4097 bytes: a socket takes it, the device does not.
    let [before, long, behind] = ["before", "long", "behind"].map(|name| scratch.node(name));
    let value = vec![b'x'; 4097 - 16 - long.as_str().len() - 1];
    let asks = [ask::write(&before, "1"), ask::write(&long, &value), ask::write(&behind, "2")];
    let [first, refused, last] = scratch.client.batch(asks).try_into().unwrap();
    assert_eq!(refused.unwrap_err().code(), Some(&ErrorCode::Einval));
    assert_eq!((first.unwrap(), last.unwrap()), ((), ()));
    let values = scratch.client.read_each(&[before, long, behind]).unwrap();
    assert_eq!(values, [Some(b"1".to_vec()), None, Some(b"2".to_vec())]);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_device_does_not_end_the_watches_of_the_kernel() {
    let client = Client::open_device().unwrap();
    assert_eq!(client.reset_watches().unwrap_err().kind(), Kind::Denied);
}

/// Were both written to one open file, the kernel would wait for itself.
#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn threads_read_over_the_device_while_watches_begin_and_end() {
    let scratch = Scratch::new("threads");
    let (client, home) = (&scratch.client, &scratch.home);
    thread::scope(|scope| {
        for thread in 0..32 {
            scope.spawn(move || {
                let node = Path::new(format!("{home}/{thread}")).unwrap();
                for n in 0..20 {
                    let value = format!("{thread}: {n}");
                    client.write(&node, &value).unwrap();
                    assert_eq!(client.read(&node).unwrap(), value.as_bytes());
                }
            });
        }
        for _ in 0..50 {
            let mut watch = client.watch(home).unwrap();
            watch.wait(soon()).unwrap();
        }
    });
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_stopped_daemon_costs_the_client_of_the_device_until_its_deadline() {
    let scratch = Scratch::new("deadline");
    let stopped = Stopped::now();
    let start = Instant::now();
    let late = scratch.client.with_deadline(Deadline::after(Duration::from_millis(300)));
    assert_eq!(late.directory(&scratch.home).unwrap_err().kind(), Kind::TimedOut);
    assert!((300..20_000).contains(&start.elapsed().as_millis()));
    drop(stopped);
    assert!(scratch.client.directory(&scratch.home).is_ok());
}
