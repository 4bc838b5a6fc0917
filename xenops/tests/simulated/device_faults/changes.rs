//! The same of disks that are paused and interfaces that are changed: the next toolstack goes on.

use xen_sim::{How, Which};
use xenops::device::{Carrier, DeviceId};
use xenops::{Host, Kind, Result};

use super::{CONNECTED, guest};
use crate::devices::{file, port};
use crate::site::long;

/// Has the calls of a change go wrong one by one. The next toolstack makes it again, and it is as if it had
/// been made by one. How many could go wrong.
fn changes(
    how: How,
    to: impl Fn(&Host, &DeviceId) -> Result<()>,
    back: impl Fn(&Host, &DeviceId) -> Result<()>,
) -> usize {
    let (site, sound, dom) = guest();
    let port = sound.attach(dom, &port(), CONNECTED, &long(&sound)).unwrap();
    to(&sound, &port).unwrap();
    let changed = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        back(&sound, &port).unwrap();
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let done = to(&site.driving(&process), &port);
        if process.failed().is_none() {
            done.unwrap();
            changed.assert_unchanged(&site.machine);
            return failed;
        }
        to(&sound, &port).unwrap();
        changed.assert_unchanged(&site.machine);
        failed += 1;
    }
}

fn rates(how: How) -> usize {
    let set = |rate: Option<&'static str>| {
        move |host: &Host, port: &DeviceId| {
            host.set_rate(port, rate.map(|rate| rate.parse().unwrap()), &long(host))
        }
    };
    changes(how, set(Some("10Mb/s@20ms")), set(None))
}

fn mtus(how: How) -> usize {
    let set = |mtu| move |host: &Host, port: &DeviceId| host.set_mtu(port, mtu, &long(host));
    changes(how, set(1400), set(1500))
}

fn carriers(how: How) -> usize {
    let set = |to| move |host: &Host, port: &DeviceId| host.set_carrier(port, to, &long(host));
    changes(how, set(Carrier::Off), set(Carrier::On))
}

/// The same of a request to pause a disk, which its backend does not answer, and the next toolstack takes
/// back.
fn pauses(how: How) -> usize {
    let (site, sound, dom) = guest();
    let disk = sound.attach(dom, &file(), CONNECTED, &long(&sound)).unwrap();
    let running = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let host = site.driving(&process);
        let asked = host.pause_disk(&disk, &long(&host)).unwrap_err();
        drop(host);
        if process.failed().is_none() {
            assert_eq!(asked.kind(), Kind::Unavailable, "{asked:?}");
            running.assert_unchanged(&site.machine);
            return failed;
        }
        sound.unpause_disk(&disk, &long(&sound)).unwrap();
        running.assert_unchanged(&site.machine);
        failed += 1;
    }
}

#[test]
fn a_rate_is_set_after_a_call_that_failed() {
    let failed = rates(How::Undone);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
fn a_rate_is_set_after_a_death() {
    let failed = rates(How::DeathAfter);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
fn an_mtu_is_set_after_a_call_that_failed() {
    let failed = mtus(How::Undone);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
fn an_mtu_is_set_after_a_death() {
    let failed = mtus(How::DeathAfter);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
fn a_carrier_is_set_after_a_call_that_failed() {
    let failed = carriers(How::Undone);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
fn a_carrier_is_set_after_a_death() {
    let failed = carriers(How::DeathAfter);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
fn a_request_to_pause_of_which_a_call_failed_is_taken_back() {
    let failed = pauses(How::Undone);
    assert!(failed >= 10, "{failed} calls");
}

#[test]
fn a_request_to_pause_whose_answer_was_lost_is_taken_back() {
    let (site, sound, dom) = guest();
    let disk = sound.attach(dom, &file(), CONNECTED, &long(&sound)).unwrap();
    let running = site.machine.snapshot().unwrap();
    let (process, _) = site.faulty(Which::NthOf("TRANSACTION_END", 1), How::Unheard);
    let host = site.driving(&process);
    host.pause_disk(&disk, &long(&host)).unwrap_err();
    running.assert_unchanged(&site.machine);
}

#[test]
fn a_request_to_pause_by_one_that_was_killed_is_taken_back() {
    let failed = pauses(How::DeathAfter);
    assert!(failed >= 10, "{failed} calls");
}
