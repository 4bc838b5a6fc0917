//! One call after the other of a save and of a restore fails, or is the last one of its process.
//!
//! What is read from and written to the stream are calls too. A guest is to run on, or to be gone with a whole
//! file: never neither.

use std::fs;

use xen_sim::{How, Process, Which};
use xen_types::{DomId, ShutdownReason};
use xenops::{Afterwards, CreateOptions, GuestKind, Host, Kind, SaveOptions, SavedFile};
use xs::{Path, View as _};

use crate::device_faults::sweep;
use crate::devices;
use crate::faults::{folders, named, others};
use crate::saving::{is_connected, restore, runs, save, still, with_devices};
use crate::site::{Site, is_up, long, until};

/// Whether there is a file, which must be whole then. Takes it away.
fn is_saved(site: &Site) -> bool {
    let path = site.path("saved");
    let there = path.exists();
    if there {
        SavedFile::open(&path).unwrap();
        fs::remove_file(path).unwrap();
    }
    there
}

/// Has the calls of a save go wrong one by one. How many could.
fn saves(kind: GuestKind, options: &SaveOptions, how: How) -> usize {
    let site = Site::new();
    let (sound, before) = (site.host(), site.machine.snapshot().unwrap());
    let mut failed = 0;
    loop {
        let dom = site.create(&sound, kind, "").unwrap();
        is_up(&sound, dom);
        let (process, host) = site.faulty(Which::Nth(failed + 1), how);
        let saved = save(&site, &host, dom, options);
        // The end of a watch is not waited for, but it comes before what is asked after it.
        let _answered = host.store().read(&Path::domain(DomId::DOM0));
        drop(host);
        let whole = is_saved(&site);
        let Some(call) = process.failed() else {
            saved.unwrap();
            assert!(whole);
            is_not_twice(&sound, dom, options);
            end(&sound, dom);
            before.assert_unchanged(&site.machine);
            return failed;
        };
        println!("{call}: {saved:?}");
        match how {
            _ if whole => is_not_twice(&sound, dom, options),
            How::DeathBefore | How::DeathAfter => is_taken_over(&sound, dom, &process, how),
            _ => {
                let error = saved.as_ref().unwrap_err();
                // Nobody could say whether the request had reached it.
                let unsure = how == How::Undone && call.ends_with("TRANSACTION_END");
                assert!(unsure || error.leftovers().is_empty(), "{call}: {error:?}");
                runs(&sound, dom);
            }
        }
        end(&sound, dom);
        let tells = whole && matches!(how, How::Undone | How::Unheard);
        named(&sound, saved.err().filter(|_| tells));
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

/// Sees that a guest which was saved runs here only if it is to.
fn is_not_twice(sound: &Host, dom: DomId, options: &SaveOptions) {
    if options.afterwards == Afterwards::GoesOn {
        return runs(sound, dom);
    }
    let there = sound.xc().info(dom);
    assert!(there.is_err_and(|error| error.kind() == Kind::NotFound) || is_suspended(sound, dom));
}

fn is_suspended(sound: &Host, dom: DomId) -> bool {
    sound.xc().info(dom).unwrap().shutdown == Some(ShutdownReason::Suspend)
}

/// Sees that a guest whose save was killed goes on, by itself or when it is let.
fn is_taken_over(sound: &Host, dom: DomId, process: &Process, how: How) {
    let calls = process.calls();
    let done = if how == How::DeathBefore { &calls[..calls.len() - 1] } else { &calls[..] };
    let has = |name: &str| done.iter().any(|call| call == name);
    if has("TRANSACTION_END") && !has("xc_domain_resume") {
        until("it has suspended", || is_suspended(sound, dom));
        sound.resume(dom).unwrap();
    }
    runs(sound, dom);
}

/// Destroys a domain that may have gone.
fn end(sound: &Host, dom: DomId) {
    match sound.destroy(dom, &long(sound)) {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), Kind::NotFound, "{error:?}"),
    }
}

fn removed() -> SaveOptions {
    still(Afterwards::Removed)
}

#[test]
fn a_pv_guest_is_unharmed_by_a_save_of_which_a_call_fails_or_it_is_saved() {
    let failed = saves(GuestKind::Pv, &removed(), How::Undone);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_pvh_guest_is_unharmed_by_a_live_save_of_which_a_call_fails_or_it_is_saved() {
    let live = SaveOptions { live: true, ..removed() };
    let failed = saves(GuestKind::Pvh, &live, How::Undone);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_guest_is_unharmed_by_a_save_of_which_a_call_was_done_but_unheard_or_it_is_saved() {
    let failed = saves(GuestKind::Pvh, &removed(), How::Unheard);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_guest_that_is_to_go_on_after_its_save_does_whatever_call_fails() {
    let failed = saves(GuestKind::Pvh, &still(Afterwards::GoesOn), How::Undone);
    assert!(failed >= 30, "{failed} calls");
}

#[test]
fn a_guest_that_is_to_go_on_after_its_save_does_whatever_call_is_unheard() {
    let failed = saves(GuestKind::Pv, &still(Afterwards::GoesOn), How::Unheard);
    assert!(failed >= 30, "{failed} calls");
}

#[test]
fn a_guest_whose_save_is_killed_before_a_call_is_let_go_on_by_the_next_toolstack() {
    let failed = saves(GuestKind::Pvh, &removed(), How::DeathBefore);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_guest_whose_save_is_killed_after_a_call_is_let_go_on_by_the_next_toolstack() {
    let failed = saves(GuestKind::Pv, &removed(), How::DeathAfter);
    assert!(failed >= 50, "{failed} calls");
}

/// A machine with a saved guest in a file, and a toolstack.
fn saved(kind: GuestKind) -> (Site, Host) {
    let site = Site::new();
    let sound = site.host();
    let dom = site.create(&sound, kind, "").unwrap();
    is_up(&sound, dom);
    save(&site, &sound, dom, &removed()).unwrap();
    (site, sound)
}

/// Has the calls of a restore go wrong one by one, after each of which nothing may be left, and the same file
/// is restored. How many could.
fn restores(kind: GuestKind, how: How) -> usize {
    let (site, sound) = saved(kind);
    let (config, before) = (site.config(kind, ""), site.machine.snapshot().unwrap());
    let mut failed = 0;
    loop {
        let (process, host) = site.faulty(Which::Nth(failed + 1), how);
        let restored = restore(&site, &host, &config);
        let Some(call) = process.failed() else {
            runs(&sound, restored.unwrap());
            return failed;
        };
        println!("{call}: {restored:?}");
        let error = restored.unwrap_err();
        match how {
            How::DeathBefore | How::DeathAfter => {
                others(&sound).into_iter().for_each(|dom| end(&sound, dom));
                folders(&sound, None);
            }
            _ => assert!(error.leftovers().is_empty(), "{call}: {error:?}"),
        }
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_pv_guest_that_is_restored() {
    let failed = restores(GuestKind::Pv, How::Undone);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_pvh_guest_that_is_restored() {
    let failed = restores(GuestKind::Pvh, How::Undone);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_nothing_of_a_pv_guest_that_is_restored() {
    let failed = restores(GuestKind::Pv, How::Unheard);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_nothing_of_a_pvh_guest_that_is_restored() {
    let failed = restores(GuestKind::Pvh, How::Unheard);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn what_a_restore_killed_before_a_call_has_made_the_next_toolstack_removes() {
    let failed = restores(GuestKind::Pvh, How::DeathBefore);
    assert!(failed >= 100, "{failed} calls");
}

#[test]
fn what_a_restore_killed_after_a_call_has_made_the_next_toolstack_removes() {
    let failed = restores(GuestKind::Pv, How::DeathAfter);
    assert!(failed >= 100, "{failed} calls");
}

/// The same with a disk and an interface.
fn restores_with_devices(how: How) -> usize {
    let site = devices::site();
    let sound = site.driving(&site.machine.process());
    let config = with_devices(&site, GuestKind::Pvh);
    let dom = sound.create(&config, CreateOptions::default(), &long(&sound)).unwrap();
    is_connected(&sound, dom, "vbd", 51712);
    save(&site, &sound, dom, &removed()).unwrap();
    let before = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let host = site.driving(&process);
        let restored = restore(&site, &host, &config);
        let Some(call) = process.failed() else {
            let dom = restored.unwrap();
            is_connected(&sound, dom, "vbd", 51712);
            is_connected(&sound, dom, "vif", 0);
            runs(&sound, dom);
            return failed;
        };
        println!("{call}: {restored:?}");
        // A watch whose end the store refuses goes with the connection, and no other may.
        let _host = Some(host).filter(|_| !call.ends_with("UNWATCH"));
        if let (Err(error), How::Undone | How::Unheard) = (&restored, how) {
            assert!(error.leftovers().is_empty(), "{call}: {error:?}");
        }
        sweep(&sound, &[DomId::DOM0]);
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_guest_with_devices_that_is_restored() {
    let failed = restores_with_devices(How::Undone);
    assert!(failed >= 200, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_nothing_of_a_guest_with_devices_that_is_restored() {
    let failed = restores_with_devices(How::Unheard);
    assert!(failed >= 200, "{failed} calls");
}

#[test]
fn what_a_restore_with_devices_killed_after_a_call_has_made_the_next_toolstack_removes() {
    let failed = restores_with_devices(How::DeathAfter);
    assert!(failed >= 200, "{failed} calls");
}
