//! Changing devices that are there, on an embedded store.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod support;

use devices::media::{self, Inserted, Tray};
use devices::pause::{self, Asked};
use devices::{Medium, Spec, Tree, Vbd, Vif, port};
use support::{HOME, Place, dom};
use xen_types::DomId;
use xs::{Perms, Store as _, View as _};

impl Place {
    fn with(spec: &impl Spec) -> Self {
        let place = Self::of(spec);
        assert!(place.write().unwrap());
        place
    }

    fn of_drive() -> Self {
        Self::with(&drive())
    }

    fn insert(&self) -> xs::Result<Inserted> {
        let tree = full();
        self.store.transaction(|tx| media::insert(tx, &self.ends, &tree))
    }

    fn lose_both_ends(&self) {
        self.store.rm(&self.ends.backend()).unwrap();
        self.store.rm(&self.ends.frontend()).unwrap();
    }
}

fn drive() -> Vbd {
    Vbd::waiting_drive("xvdc".parse().unwrap(), Medium::Cdrom).unwrap()
}

/// The drive with a medium, as its backend opens it.
fn full() -> Tree {
    let drive = drive().with_medium(Some("/isos/a.iso")).unwrap();
    let mut tree = drive.tree(dom());
    let ends = drive.ends(dom());
    tree.value(ends.backend().join("physical-device"), "7:0");
    tree.value(ends.record().join("physical-device"), "7:0");
    tree
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_medium_comes_into_the_nodes_that_are_there_and_no_state_changes() {
    let place = Place::of_drive();
    place.set_back("state", "2");
    place.set_back("hotplug-error", "an old one");
    place.store.write(&place.ends.frontend().join("state"), "3").unwrap();

    assert_eq!(place.insert().unwrap(), Inserted::InPlace);

    assert_eq!((place.back("state"), place.front("state")), (some("2"), some("3")));
    assert_eq!(place.back("params"), some("/isos/a.iso"));
    assert_eq!(place.back("physical-device"), some("7:0"));
    assert_eq!(place.record("params"), some("/isos/a.iso"));
    assert_eq!(place.back("hotplug-error"), None);
    let readable = Perms::private(DomId::DOM0).allow(dom(), xs::Access::Read);
    let disk = place.ends.backend().join("physical-device");
    assert_eq!(place.store.perms(&disk).unwrap(), readable);
}

#[test]
fn a_second_medium_is_not_written_over_the_first() {
    let place = Place::of_drive();
    place.set_back("physical-device", "7:9");
    assert_eq!(place.insert().unwrap(), Inserted::Full);
    assert_eq!((place.back("physical-device"), place.back("params")), (some("7:9"), some("")));
}

#[test]
fn a_drive_that_no_guest_has_seen_has_no_ends_until_the_first_medium() {
    let place = Place::of(&drive());
    let tree = media::unseen(drive().tree(dom()), &place.ends);
    let written = place.store.transaction(|tx| devices::plug::write(tx, &place.ends, &tree));
    assert!(written.unwrap());
    assert_eq!((place.back("state"), place.front("state")), (None, None));
    assert_eq!((place.record("params"), place.record("device-type")), (some(""), some("cdrom")));
    assert_eq!(place.insert().unwrap(), Inserted::Anew);
    assert_eq!((place.back("state"), place.front("state")), (some("1"), some("1")));
    assert_eq!(place.back("params"), some("/isos/a.iso"));
}

#[test]
fn a_drive_that_lost_its_ends_comes_back_with_the_medium() {
    let place = Place::of_drive();
    place.lose_both_ends();
    assert_eq!(place.insert().unwrap(), Inserted::Anew);
    assert_eq!((place.back("state"), place.front("state")), (some("1"), some("1")));
    assert_eq!(place.back("params"), some("/isos/a.iso"));
}

#[test]
fn a_drive_without_a_record_or_a_domain_is_not_brought_back() {
    let place = Place::of_drive();
    place.store.rm(&place.ends.record()).unwrap();
    assert_eq!(place.insert().unwrap_err().kind(), xs::Kind::NotFound);
    let place = Place::of_drive();
    place.store.rm(&HOME).unwrap();
    assert_eq!(place.insert().unwrap_err().kind(), xs::Kind::NotFound);
}

#[test]
fn an_empty_drive_takes_the_place_of_the_full_one_once_that_has_no_backend() {
    let place = Place::of_drive();
    place.insert().unwrap();
    let tree = drive().tree(dom());
    let rewrite = || place.store.transaction(|tx| media::rewrite(tx, &place.ends, &tree)).unwrap();
    assert!(!rewrite());
    place.lose_both_ends();
    assert!(rewrite());
    assert_eq!((place.back("params"), place.back("physical-device")), (some(""), None));
    assert_eq!((place.record("params"), place.record("physical-device")), (some(""), None));
}

#[test]
fn a_guest_has_noticed_its_end_once_it_writes_another_state() {
    let place = Place::of_drive();
    assert!(!media::is_noticed(&place.store, &place.ends).unwrap());
    place.store.write(&place.ends.frontend().join("state"), "3").unwrap();
    assert!(media::is_noticed(&place.store, &place.ends).unwrap());
}

#[test]
fn a_tray_says_who_locked_it_and_who_asks() {
    let place = Place::of_drive();
    let tray = || Tray::read(&place.store, &place.ends).unwrap();
    assert_eq!(tray(), Tray::default());
    place.set_back("locked", "true");
    let asked = place.ends.frontend().join("eject");
    place.store.write(&asked, "eject").unwrap();
    assert_eq!((tray().locked, tray().asked), (true, true));
    place.store.transaction(|tx| media::answer(tx, &place.ends)).unwrap();
    assert_eq!(place.front("eject"), some(""));
    place.set_back("locked", "false");
    assert_eq!(tray(), Tray::default());
}

#[test]
fn who_did_not_ask_is_not_answered() {
    let place = Place::of_drive();
    place.store.transaction(|tx| media::answer(tx, &place.ends)).unwrap();
    assert_eq!(place.front("eject"), None);
}

#[test]
fn a_disk_is_paused_when_its_backend_says_so_and_runs_when_it_no_longer_does() {
    let place = Place::of_drive();
    let ask = || place.store.transaction(|tx| pause::ask(tx, &place.ends)).unwrap();
    assert_eq!((ask(), place.back("pause")), (Asked::Asked, some("")));
    place.set_back("pause-done", "");
    assert_eq!(ask(), Asked::Paused);
    let end = || place.store.transaction(|tx| pause::end(tx, &place.ends)).unwrap();
    assert!(end());
    assert_eq!(place.back("pause"), None);
    place.store.rm(&place.ends.backend().join("pause-done")).unwrap();
    assert!(!end());
}

#[test]
fn a_request_to_pause_that_was_answered_late_is_not_withdrawn() {
    let place = Place::of_drive();
    let withdraw = || place.store.transaction(|tx| pause::withdraw(tx, &place.ends)).unwrap();
    place.store.transaction(|tx| pause::ask(tx, &place.ends)).unwrap();
    place.set_back("pause-done", "");
    assert!(withdraw());
    assert_eq!(place.back("pause"), some(""));
    place.store.rm(&place.ends.backend().join("pause-done")).unwrap();
    assert!(!withdraw());
    assert_eq!(place.back("pause"), None);
}

fn port_0() -> Vif {
    Vif::new(0, "00:16:3e:01:02:03".parse().unwrap())
}

#[test]
fn a_rate_stands_in_the_backend_and_in_the_record_and_goes_from_both() {
    let place = Place::with(&port_0());
    let set = |rate| place.store.transaction(|tx| port::set_rate(tx, &place.ends, rate)).unwrap();
    set(Some("10Mb/s@20ms".parse().unwrap()));
    assert_eq!(
        (place.back("rate"), place.record("rate")),
        (some("25000,20000"), some("25000,20000"))
    );
    set(None);
    assert_eq!((place.back("rate"), place.record("rate")), (None, None));
}

#[test]
fn a_guest_is_told_an_mtu_where_it_has_the_key() {
    let place = Place::with(&port_0());
    let set = |mtu| place.store.transaction(|tx| port::set_mtu(tx, &place.ends, mtu)).unwrap();
    set(9000);
    assert_eq!((place.front("mtu"), place.record("mtu")), (some("9000"), some("9000")));
    place.store.rm(&place.ends.frontend()).unwrap();
    set(1400);
    assert_eq!((place.back("mtu"), place.front("mtu")), (some("1400"), None));
}

#[test]
fn a_guest_is_told_twice_that_its_cable_is_pulled() {
    let place = Place::with(&port_0());
    let set = |on| place.store.transaction(|tx| port::set_carrier(tx, &place.ends, on)).unwrap();
    set(false);
    assert_eq!((place.back("carrier"), place.front("disconnect")), (some("0"), some("1")));
    set(true);
    assert_eq!((place.back("carrier"), place.front("disconnect")), (some("1"), some("0")));
}

#[test]
fn an_interface_that_has_gone_is_not_brought_back_by_a_change() {
    let place = Place::with(&port_0());
    place.store.rm(&place.ends.backend()).unwrap();
    let set = |on| place.store.transaction(|tx| port::set_carrier(tx, &place.ends, on));
    assert_eq!(set(false).unwrap_err().kind(), xs::Kind::NotFound);
    assert_eq!(place.front("disconnect"), None);
    let set = |rate| place.store.transaction(|tx| port::set_rate(tx, &place.ends, rate));
    assert_eq!(set(None).unwrap_err().kind(), xs::Kind::NotFound);
}
