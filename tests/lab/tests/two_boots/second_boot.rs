//! The machine on which they are restored.

use std::fs;

use crate::counting::Counting;
use crate::dom0::{Leavings, ok};
use crate::{boot, file, notes};

fn counts_on(name: &str) {
    let said = fs::read_to_string(notes(name)).expect("the first boot has left them");
    let words: Vec<&str> = said.split_whitespace().collect();
    let [saved_in, count, sum] = words[..] else { panic!("{said:?}") };
    assert_ne!(saved_in, boot(), "it is the same boot");
    let count: u32 = count.parse().expect("a number");
    let before = Leavings::now();

    let id = ok("xenops", &["restore", &file(name), "--timeout", "110"]);

    let id = id.trim().parse().expect("it prints a number");
    let guest = Counting { id, name: name.to_owned() };
    guest.goes_on();
    assert!(guest.first() > count, "{} after {count}", guest.first());
    assert_eq!(guest.checksum(), sum);
    ok("xenops", &["shutdown", name, "--timeout", "110"]);
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_of_the_boot_before_counts_on_where_it_was() {
    counts_on("boots-pv");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_of_the_boot_before_counts_on_where_it_was() {
    counts_on("boots-pvh");
}
