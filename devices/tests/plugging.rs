//! Bringing devices and taking them away on an embedded store, with a backend that is a thread.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use devices::unplug::{self, Parting};
use devices::{NinePfs, Setback, Vbd, plug};
use support::{HOME, Place};
use xen_types::DomId;
use xs::{Client, Deadline, Path, Store as _, View as _, becomes};

impl Place {
    fn of_disk() -> Self {
        Self::of(&disk())
    }

    /// A backend that does something once its state is this.
    fn when(
        &self,
        state: &'static str,
        then: impl FnOnce(&Client, &Path) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let (store, backend) = (self.other(), self.ends.backend());
        thread::spawn(move || {
            store.wait(&becomes(backend.join("state"), state), soon()).unwrap();
            then(&store, &backend);
        })
    }

    fn closed(&self, deadline: Deadline) -> Result<(), Setback> {
        unplug::await_closed(&self.store, &self.ends, deadline, || true)
    }
}

fn disk() -> Vbd {
    Vbd::phy("xvda".parse().unwrap(), "/dev/ram0").unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn state(state: &'static str) -> impl FnOnce(&Client, &Path) + Send + 'static {
    move |store, backend| store.write(&backend.join("state"), state).unwrap()
}

#[test]
fn a_device_is_not_written_over_another_one() {
    let place = Place::of_disk();
    assert!(place.write().unwrap());
    place.set_back("state", "4");
    assert!(!place.write().unwrap());
    assert_eq!(place.store.read(&place.ends.backend().join("state")).unwrap(), b"4");
}

#[test]
fn a_device_does_not_bring_back_the_home_of_a_domain_that_has_gone() {
    let place = Place::of_disk();
    place.store.rm(&HOME).unwrap();
    assert_eq!(place.write().unwrap_err().kind(), xs::Kind::NotFound);
    assert_eq!(place.store.read_opt(&HOME).unwrap(), None);
}

#[test]
fn an_error_of_an_earlier_device_does_not_fail_the_next_one() {
    let place = Place::of_disk();
    place.store.write(&place.ends.error(), "6 old").unwrap();
    place.write().unwrap();
    let backend = place.when("1", state("2"));
    plug::await_taken(&place.store, &place.ends, soon(), || true).unwrap();
    backend.join().unwrap();
}

#[test]
fn a_script_that_fails_ends_the_wait_with_its_words() {
    let place = Place::of_disk();
    place.write().unwrap();
    let backend = place.when("1", |store, backend| {
        store.write(&backend.join("hotplug-error"), "no such file").unwrap();
    });
    let failed = plug::await_taken(&place.store, &place.ends, soon(), || true).unwrap_err();
    backend.join().unwrap();
    assert!(failed.to_string().starts_with("it failed: no such file; backend Initialising"));
}

#[test]
fn a_backend_that_vanishes_ends_the_wait() {
    let place = Place::of_disk();
    place.write().unwrap();
    let backend = place.when("1", |store, backend| store.rm(backend).unwrap());
    let failed = plug::await_taken(&place.store, &place.ends, soon(), || true).unwrap_err();
    backend.join().unwrap();
    assert!(matches!(failed, Setback::Failed { .. }), "{failed}");
}

#[test]
fn the_hosts_part_is_taken_back_when_its_answer_has_gone() {
    let place = Place::of_disk();
    place.write().unwrap();
    place.set_back("hotplug-status", "connected");
    let script = place.when("1", |store, backend| {
        store.rm(&backend.join("hotplug-status")).unwrap();
    });
    unplug::await_taken_back(&place.store, &place.ends, soon(), || true).unwrap();
    script.join().unwrap();
}

#[test]
fn a_script_that_takes_nothing_back_is_waited_for_until_the_deadline() {
    let place = Place::of_disk();
    place.write().unwrap();
    place.set_back("hotplug-status", "connected");
    let passed = Deadline::after(Duration::from_millis(50));
    let late = unplug::await_taken_back(&place.store, &place.ends, passed, || true).unwrap_err();
    assert!(late.to_string().contains("the host's part to be taken back"), "{late}");
}

#[test]
fn a_device_does_not_bring_back_the_home_of_the_domain_that_served_it() {
    let place = Place::of(&disk().served_by(DomId::new(3).unwrap()));
    assert_eq!(place.write().unwrap_err().kind(), xs::Kind::NotFound);
    assert_eq!(place.store.read_opt(&Path::from_static("/local/domain/3")).unwrap(), None);
}

#[test]
fn a_backend_that_vanishes_ends_the_wait_for_the_guest() {
    let place = Place::of_disk();
    place.write().unwrap();
    let backend = place.when("1", |store, backend| store.rm(backend).unwrap());
    let failed = plug::await_connected(&place.store, &place.ends, soon(), || true).unwrap_err();
    backend.join().unwrap();
    assert!(matches!(failed, Setback::Failed { .. }), "{failed}");
}

#[test]
fn a_connected_guest_is_asked_and_keeps_its_nodes_until_it_has_closed() {
    let place = Place::of_disk();
    place.write().unwrap();
    place.set_back("state", "4");
    assert_eq!(unplug::begin(&place.store, &place.ends, false).unwrap(), Parting::Ask);
    assert!(place.store.read_opt(&place.ends.frontend()).unwrap().is_some());
    let backend = place.when("5", state("6"));
    place.closed(soon()).unwrap();
    backend.join().unwrap();
}

#[test]
fn a_guest_that_is_not_asked_loses_its_end() {
    let place = Place::of_disk();
    place.write().unwrap();
    place.set_back("state", "4");
    assert_eq!(unplug::begin(&place.store, &place.ends, true).unwrap(), Parting::Cut);
    assert_eq!(place.store.read_opt(&place.ends.frontend()).unwrap(), None);
}

#[test]
fn a_qemu_that_is_cut_off_sees_a_frontend_that_has_closed() {
    let place = Place::of(&NinePfs::new(0, "files", "/srv").unwrap());
    place.write().unwrap();
    place.set_back("state", "4");
    assert_eq!(unplug::begin(&place.store, &place.ends, true).unwrap(), Parting::Cut);
    assert_eq!(place.front("state").as_deref(), Some("6"));
    assert_eq!(place.back("state").as_deref(), Some("5"));

    place.store.rm(&place.ends.frontend()).unwrap();
    unplug::begin(&place.store, &place.ends, true).unwrap();
    assert_eq!(place.store.read_opt(&place.ends.frontend()).unwrap(), None);
}

#[test]
fn a_guest_that_keeps_its_device_is_told_with_both_states() {
    let place = Place::of_disk();
    place.write().unwrap();
    place.set_back("state", "4");
    place.store.write(&place.ends.frontend().join("state"), "4").unwrap();
    place.store.write(&place.ends.device.error(), "16 Device in use").unwrap();
    unplug::begin(&place.store, &place.ends, false).unwrap();
    let late = place.closed(Deadline::after(Duration::from_millis(300))).unwrap_err();
    assert_eq!(
        late.to_string(),
        "waited for the other end to let go, last seen: backend Closing, frontend Connected, \
         the frontend's error \"16 Device in use\""
    );
}

#[test]
fn another_device_in_its_place_ends_the_wait() {
    let place = Place::of_disk();
    place.write().unwrap();
    place.set_back("state", "4");
    unplug::begin(&place.store, &place.ends, false).unwrap();
    let other = place.when("5", |store, backend| {
        store.write(&backend.join("online"), "1").unwrap();
    });
    let replaced = place.closed(soon()).unwrap_err();
    other.join().unwrap();
    assert!(matches!(replaced, Setback::Replaced(_)), "{replaced}");
}

#[test]
fn a_wait_that_shall_stop_does_so_at_once() {
    let place = Place::of_disk();
    place.write().unwrap();
    let start = Instant::now();
    let stopped = plug::await_taken(&place.store, &place.ends, soon(), || false).unwrap_err();
    assert!(matches!(stopped, Setback::Stopped), "{stopped}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn all_nodes_of_a_device_are_named_the_record_last() {
    let place = Place::of_disk();
    let nodes = unplug::nodes(&place.ends);
    let names: Vec<_> = nodes.iter().map(Path::as_str).collect();
    assert_eq!(
        names,
        [
            "/local/domain/7/device/vbd/51712",
            "/local/domain/0/backend/vbd/7/51712",
            "/local/domain/0/error/backend/vbd/7/51712",
            "/local/domain/7/error/device/vbd/51712",
            "/libxl/7/device/vbd/51712",
        ]
    );
}

#[test]
fn a_script_that_udev_runs_ends_the_wait_when_it_has_connected_the_device() {
    let place = Place::of_disk();
    place.write().unwrap();
    let backend = place.when("1", |store, backend| {
        store.write(&backend.join("hotplug-status"), "connected").unwrap();
    });
    plug::await_hotplug(&place.store, &place.ends, soon(), || true).unwrap();
    backend.join().unwrap();
}

#[test]
fn a_disk_that_a_script_finds_in_use_is_busy() {
    let place = Place::of_disk();
    place.write().unwrap();
    let backend = place.when("1", |store, backend| {
        store.write(&backend.join("hotplug-status"), "busy").unwrap();
    });
    let failed = plug::await_hotplug(&place.store, &place.ends, soon(), || true).unwrap_err();
    backend.join().unwrap();
    assert_eq!(failed.kind(), xs::Kind::Busy, "{failed}");
    assert!(failed.to_string().starts_with("it failed: the script failed; "), "{failed}");
}

#[test]
fn a_backend_that_vanishes_ends_the_wait_for_its_script() {
    let place = Place::of_disk();
    place.write().unwrap();
    let backend = place.when("1", |store, backend| store.rm(backend).unwrap());
    let failed = plug::await_hotplug(&place.store, &place.ends, soon(), || true).unwrap_err();
    backend.join().unwrap();
    assert!(matches!(failed, Setback::Failed { .. }), "{failed}");
}

#[test]
fn a_wait_for_a_script_is_stopped_or_ends_with_both_states() {
    let place = Place::of_disk();
    place.write().unwrap();
    let wait = |deadline, go_on| {
        plug::await_hotplug(&place.store, &place.ends, deadline, || go_on).unwrap_err()
    };
    assert!(matches!(wait(soon(), false), Setback::Stopped));
    let late = wait(Deadline::after(Duration::from_millis(300)), true);
    assert_eq!(
        late.to_string(),
        "waited for the hotplug script's answer, last seen: backend Initialising, frontend Initialising"
    );
}
