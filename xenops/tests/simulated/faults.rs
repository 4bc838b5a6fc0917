//! One call after the other fails, of whatever layer it is.

use std::time::Duration;

use xen_sim::{How, Which};
use xenops::GuestKind;

use crate::site::{Site, within};

/// Creates a guest again and again, and has the first call fail, then the second, and so on, until a
/// creation gets past them all. How many could fail.
fn creations(kind: GuestKind, how: How) -> usize {
    let site = Site::new();
    let before = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let (process, host) = site.faulty(Which::Nth(failed + 1), how);
        let created = site.create(&host, kind, "");
        match (created, process.failed()) {
            (Err(error), Some(call)) => {
                assert!(error.leftovers().is_empty(), "{call}: {:?}", error.leftovers());
                println!("{call}");
                before.assert_unchanged(&site.machine);
            }
            (Ok(dom), None) => {
                site.host().destroy(dom, &within(Duration::from_secs(60))).unwrap();
                before.assert_unchanged(&site.machine);
                return failed;
            }
            (created, call) => panic!("{created:?}, and what failed is {call:?}"),
        }
        failed += 1;
    }
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_pv_guest() {
    let failed = creations(GuestKind::Pv, How::Undone);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_pvh_guest() {
    let failed = creations(GuestKind::Pvh, How::Undone);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_nothing_of_a_pv_guest() {
    let failed = creations(GuestKind::Pv, How::Unheard);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_nothing_of_a_pvh_guest() {
    let failed = creations(GuestKind::Pvh, How::Unheard);
    assert!(failed >= 100, "{failed} calls");
}
