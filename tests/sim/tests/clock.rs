//! Waits on a machine whose clock jumps.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::thread;
use std::time::{Duration, Instant};

use xen_sim::{Hardware, Machine, Pace};
use xen_types::{DomId, Kind};
use xs::{Path, Store as _, becomes};

const HOUR: Duration = Duration::from_secs(3600);
/// Of the real clock: far less than an hour, and far more than any of this takes.
const MOMENT: Duration = Duration::from_secs(60);

fn jumping() -> Machine {
    let mut hardware = Hardware::default();
    hardware.pace = Pace::Jumping;
    Machine::start(&hardware).unwrap()
}

#[test]
fn what_the_store_never_says_is_given_up_after_an_hour_of_the_machine() {
    let (start, machine) = (Instant::now(), jumping());
    let store = machine.process().store().unwrap();
    let before = machine.clock().now();
    let never = becomes(Path::from_static("/never"), "there");
    let error = store.wait(&never, machine.clock().after(HOUR)).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert!(machine.clock().now() >= before + HOUR);
    assert!(start.elapsed() < MOMENT);
}

#[test]
fn an_event_that_never_comes_is_given_up_after_an_hour_of_the_machine() {
    let (start, machine) = (Instant::now(), jumping());
    let channels = machine.process().event_channels().unwrap();
    let bells = [(); 2].map(|()| channels.bind_unbound_port(DomId::DOM0).unwrap());
    let hour = machine.clock().after(HOUR);
    // One of them reads the device, and the other sleeps meanwhile.
    let waits = bells.map(|bell| thread::spawn(move || bell.wait(hour).unwrap_err().kind()));
    assert_eq!(waits.map(|wait| wait.join().unwrap()), [Kind::TimedOut; 2]);
    assert!(start.elapsed() < MOMENT);
}

#[test]
fn what_another_does_after_an_hour_comes_before_a_deadline_of_two() {
    let (start, machine) = (Instant::now(), jumping());
    let (process, clock) = (machine.process(), machine.clock());
    let (store, late) = (process.store().unwrap(), process.store().unwrap());
    let path = Path::from_static("/late");
    let (written, two_hours) = (clock.after(HOUR), clock.after(2 * HOUR));
    let writer = thread::spawn({
        let (clock, path) = (clock.clone(), path.clone());
        move || {
            clock.sleep(clock.remaining(written));
            late.write(&path, "there").unwrap();
        }
    });
    store.wait(&becomes(path, "there"), two_hours).unwrap();
    writer.join().unwrap();
    assert!(clock.passed(written) && !clock.passed(two_hours));
    assert!(start.elapsed() < MOMENT);
}

#[test]
fn the_clock_of_a_machine_is_the_real_one_unless_another_is_chosen() {
    let machine = Machine::start(&Hardware::default()).unwrap();
    assert!(machine.clock().now() <= Instant::now());
}
