//! One call after the other fails, of whatever layer it is.
//!
//! Each walk does the same operation again and again, and has the first call of its process go
//! wrong, then the second, and so on, until the operation gets past them all.

use xen_sim::{How, Process, Which};
use xen_types::DomId;
use xenops::{Error, GuestKind, Host, Kind, Leftover, Remnant, Result};
use xs::{Path, Store as _, View as _};

use crate::site::{Site, long};

/// Has the calls of a creation fail one by one, each of which must leave nothing. How many could
/// fail.
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
                before.assert_unchanged(&site.machine);
            }
            (Ok(dom), None) => {
                site.host().destroy(dom, &long(&site.host())).unwrap();
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

/// Kills a creation at each of its calls. Another toolstack removes the domain, if there is one by
/// then, after which nothing may be left. At how many calls it could be killed.
fn killed_creations(kind: GuestKind, how: How) -> usize {
    let site = Site::new();
    let (before, next) = (site.machine.snapshot().unwrap(), site.host());
    let mut killed = 0;
    loop {
        let (process, host) = site.faulty(Which::Nth(killed + 1), how);
        let created = site.create(&host, kind, "");
        others(&next).into_iter().for_each(|dom| next.destroy(dom, &long(&next)).unwrap());
        let Some(call) = process.failed() else {
            created.unwrap();
            return killed;
        };
        println!("{call}");
        before.assert_unchanged(&site.machine);
        killed += 1;
    }
}

pub(crate) fn others(host: &Host) -> Vec<DomId> {
    let domains = host.xc().domains().unwrap();
    domains.iter().map(|domain| domain.id).filter(|dom| *dom != DomId::DOM0).collect()
}

#[test]
fn what_a_creation_killed_before_a_call_has_made_the_next_toolstack_removes() {
    let killed = killed_creations(GuestKind::Pv, How::DeathBefore);
    assert!(killed >= 100, "{killed} calls");
}

#[test]
fn what_a_creation_killed_after_a_call_has_made_the_next_toolstack_removes() {
    let killed = killed_creations(GuestKind::Pvh, How::DeathAfter);
    assert!(killed >= 100, "{killed} calls");
}

/// Has the calls of the end of a guest go wrong one by one, and then another toolstack end it, if
/// it is still there or has left something. What is left after that is removed by `sweep`. How many
/// could go wrong.
fn ends(
    how: How,
    end: impl Fn(&Host, DomId) -> Result<()>,
    sweep: impl Fn(&Host, Option<Error>),
) -> usize {
    let site = Site::new();
    let (before, sound) = (site.machine.snapshot().unwrap(), site.host());
    let mut failed = 0;
    loop {
        let dom = site.create(&sound, GuestKind::Pvh, "").unwrap();
        let (process, host) = site.faulty(Which::Nth(failed + 1), how);
        let ended = end(&host, dom);
        // The end of a watch is not waited for, but it comes before what is asked after it.
        let _answered = host.store().read(&Path::domain(DomId::DOM0));
        if process.failed().is_none() {
            ended.unwrap();
            before.assert_unchanged(&site.machine);
            return failed;
        }
        let gone = ended.is_ok() || was_destroyed(&process, failed, how);
        match sound.destroy(dom, &long(&sound)) {
            Ok(()) => {}
            Err(error) => assert!(gone && error.kind() == Kind::NotFound, "{error:?}"),
        }
        sweep(&sound, ended.err());
        // A watch whose end the store refused ends with its connection.
        drop(host);
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

/// Whether the hypervisor has destroyed the domain for a process with this call, counted from 0, gone
/// wrong.
fn was_destroyed(process: &Process, wrong: usize, how: How) -> bool {
    let done = matches!(how, How::Unheard | How::DeathAfter);
    let calls = process.calls();
    let mut told = calls.iter().enumerate().filter(|(_, call)| *call == "xc_domain_destroy");
    told.any(|(nth, _)| nth != wrong || done)
}

/// Removes what an error says is left in the store, and the folders above.
pub(crate) fn named(host: &Host, error: Option<Error>) {
    let path = |left: &Leftover| match &left.what {
        Remnant::StorePath(path) => Some(Path::new(path).unwrap()),
        // Nobody could say whether it had gone.
        Remnant::Domain(_) => None,
        other => panic!("left behind: {other}"),
    };
    let left = error.iter().flat_map(Error::leftovers).filter_map(path);
    for path in left {
        host.store().rm_if_exists(&path).unwrap();
    }
    folders(host, None);
}

/// Removes folders whose removal is not worth an error, which must be empty. Nothing else may be left,
/// whatever the error says.
pub(crate) fn folders(host: &Host, _: Option<Error>) {
    for folder in ["/libxl", "/vm", "/local/domain/0/backend/console", "/local/domain/0/backend"] {
        remove_empty(host, &Path::from_static(folder));
    }
}

/// Removes a folder, if there is one, which must be empty.
fn remove_empty(host: &Host, folder: &Path) {
    if let Some(value) = host.store().read_opt(folder).unwrap() {
        let names = host.store().directory(folder).unwrap();
        assert!(value.is_empty() && names.is_empty(), "{folder}: {value:?}, {names:?}");
        host.store().rm(folder).unwrap();
    }
}

fn destroy(host: &Host, dom: DomId) -> Result<()> {
    host.destroy(dom, &long(host))
}

fn shut_down(host: &Host, dom: DomId) -> Result<()> {
    host.shut_down(dom, &long(host))
}

#[test]
fn what_a_removal_fails_to_take_away_it_names_or_the_next_one_takes() {
    let failed = ends(How::Undone, destroy, named);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn a_removal_goes_on_after_a_call_that_was_done_but_unheard() {
    let failed = ends(How::Unheard, destroy, named);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_removal_that_is_killed_leaves_the_next_one_takes() {
    let failed = ends(How::DeathBefore, destroy, folders);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn a_shutdown_that_fails_leaves_a_guest_that_the_next_one_ends() {
    let failed = ends(How::Undone, shut_down, named);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_shutdown_that_is_killed_leaves_the_next_removal_takes() {
    let failed = ends(How::DeathAfter, shut_down, folders);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn a_transaction_that_meets_conflicts_is_tried_again() {
    let site = Site::new();
    let faults = [1, 2, 3].map(|nth| (Which::NthOf("TRANSACTION_END", nth), How::Conflict));
    let (_, host) = site.faulty_in(&faults);
    site.create(&host, GuestKind::Pvh, "").unwrap();
}

#[test]
fn a_toolstack_is_told_that_its_store_is_gone_and_another_one_goes_on() {
    let site = Site::new();
    let (host, before) = (site.host(), site.machine.snapshot().unwrap());
    let dom = site.create(&host, GuestKind::Pvh, "").unwrap();
    site.machine.restart_store().unwrap();
    assert_eq!(host.destroy(dom, &long(&host)).unwrap_err().kind(), Kind::Unavailable);
    site.host().destroy(dom, &long(&site.host())).unwrap();
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_domain_that_is_not_destroyed_is_not_left_paused() {
    let site = Site::new();
    let sound = site.host();
    let dom = site.create(&sound, GuestKind::Pvh, "").unwrap();
    let (_process, host) = site.faulty(Which::NthOf("xc_domain_destroy", 1), How::Undone);
    destroy(&host, dom).unwrap_err();
    assert!(!sound.xc().info(dom).unwrap().is_paused());
    sound.destroy(dom, &long(&sound)).unwrap();
}
