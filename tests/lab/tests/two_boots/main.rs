//! Guests that are saved on one machine and restored on another, which has booted since: nothing but the
//! file in `/host` goes over. The modules run in this order, each on a machine of its own.

#[path = "../saving/counting.rs"]
#[allow(dead_code, reason = "shared with other tests of saved guests")]
mod counting;
#[path = "../dom0/mod.rs"]
mod dom0;

mod first_boot;
mod second_boot;

use std::fs;

/// The saved guest.
fn file(name: &str) -> String {
    format!("/host/{name}.saved")
}

/// What was known of it when it was saved.
fn notes(name: &str) -> String {
    format!("/host/{name}.notes")
}

/// What differs from one boot of dom0 to the next (random(4)).
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux has one");
    id.trim().to_owned()
}
