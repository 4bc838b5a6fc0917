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
    // Not into the folder itself: 9p takes no pages that are mapped from another domain.
    let here = format!("/tmp/{name}.saved");
    ok("xenops", &["save", name, &here, "--timeout", "110"]);
    ok("mv", &[&here, &file(name)]);
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
