//! The machine on which guests are saved.

use std::fs;

use xenops::{GuestKind, Host};

use crate::counting::{Counting, config};
use crate::dom0::ok;
use crate::{boot, file, notes};

fn is_saved(name: &str, kind: GuestKind) {
    let host = Host::open().expect("open the host");
    let guest = Counting::start(&host, &config(name, kind, ""));
    let (count, sum) = (guest.count(), guest.checksum());
    ok("xenops", &["save", name, &file(name), "--timeout", "110"]);
    fs::write(notes(name), format!("{} {count} {sum}", boot())).expect("/host is writable");
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_is_saved_for_the_next_boot() {
    is_saved("boots-pv", GuestKind::Pv);
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_is_saved_for_the_next_boot() {
    is_saved("boots-pvh", GuestKind::Pvh);
}
