//! What programs of a machine have open is part of what it is like.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use xen_sim::{Hardware, Machine};
use xen_types::DomId;

fn machine() -> Machine {
    Machine::start(&Hardware::default()).unwrap()
}

#[test]
fn a_connection_that_is_closed_again_changes_nothing() {
    let machine = machine();
    let process = machine.process();
    let _kept = process.store().unwrap();
    let before = machine.snapshot().unwrap();
    drop(process.store().unwrap());
    before.assert_unchanged(&machine);
}

#[test]
#[should_panic(expected = "descriptors of programs")]
fn a_connection_that_stays_open_is_seen() {
    let machine = machine();
    let process = machine.process();
    let before = machine.snapshot().unwrap();
    let _left = process.store().unwrap();
    before.assert_unchanged(&machine);
}

#[test]
#[should_panic(expected = "descriptors of programs")]
fn a_handle_to_the_hypervisor_that_stays_open_is_seen() {
    let machine = machine();
    let process = machine.process();
    let before = machine.snapshot().unwrap();
    let _left = process.xc();
    before.assert_unchanged(&machine);
}

#[test]
fn what_a_program_has_open_that_starts_later_is_its_own() {
    let machine = machine();
    let before = machine.snapshot().unwrap();
    let later = machine.process();
    let _open = (later.xc(), later.event_channels().unwrap(), later.store().unwrap());
    before.assert_unchanged(&machine);
}

#[test]
fn a_program_that_is_killed_has_nothing_open() {
    let machine = machine();
    let process = machine.process();
    let (_xc, channels) = (process.xc(), process.event_channels().unwrap());
    let _bell = channels.bind_unbound_port(DomId::DOM0).unwrap();
    process.kill();
    assert!(process.descriptors().is_empty(), "{:?}", process.descriptors());
}
