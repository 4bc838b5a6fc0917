//! The same of a medium that is put into a drive and taken out: whatever goes wrong, the drive has it or
//! has it not, and the next toolstack goes on with either.

use devices::{Medium, Spec as _};
use xen_sim::{How, Snapshot, Which};
use xen_types::DomId;
use xenops::device::{DeviceId, EjectOptions, Vbd};
use xenops::{Error, GuestKind, Host, Kind, Result};
use xs::View as _;

use super::{CONNECTED, FORCE, folders};
use crate::devices::{FILE, site};
use crate::site::{Site, is_up, long};

/// A guest with a drive, and a toolstack with which nothing goes wrong.
struct Scene {
    site: Site,
    sound: Host,
    drive: DeviceId,
    without_guest: Snapshot,
    without_drive: Snapshot,
    /// The drive is empty, after it had something in it.
    empty: Snapshot,
}

/// What the next toolstack does.
#[derive(Debug, Clone, Copy)]
enum Next {
    Inserts,
    Ejects,
    Detaches,
}

fn drive() -> Vbd {
    Vbd::waiting_drive("xvdd".parse().unwrap(), Medium::Cdrom).unwrap()
}

fn insert(host: &Host, drive: &DeviceId) -> Result<()> {
    host.insert(drive, FILE, true, &long(host))
}

fn eject(host: &Host, drive: &DeviceId) -> Result<()> {
    host.eject(drive, EjectOptions::default(), &long(host))
}

impl Scene {
    fn new() -> Self {
        let site = site();
        let sound = site.driving(&site.machine.process());
        let without_guest = site.machine.snapshot().unwrap();
        let dom = site.create(&sound, GuestKind::Pv, "").unwrap();
        is_up(&sound, dom);
        let without_drive = site.machine.snapshot().unwrap();
        let drive = Self::attach(&sound, dom);
        let empty = site.machine.snapshot().unwrap();
        Self { site, sound, drive, without_guest, without_drive, empty }
    }

    /// A drive that has had something in it, and is empty.
    fn attach(sound: &Host, dom: DomId) -> DeviceId {
        let drive = drive().with_medium(Some(FILE)).unwrap();
        let drive = sound.attach(dom, &drive, CONNECTED, &long(sound)).unwrap();
        eject(sound, &drive).unwrap();
        drive
    }

    /// Has the calls of an operation go wrong one by one, each time from the same beginning; `left` says
    /// what is right after an operation that failed, if it is not the last one of its process. Then the
    /// next toolstack does this, after which nothing is left. How many could go wrong.
    fn walk(
        &self,
        how: How,
        next: Next,
        begin: impl Fn(&Self),
        operation: impl Fn(&Host, &DeviceId) -> Result<()>,
        left: impl Fn(&Self, &str, &Error),
    ) -> usize {
        let mut failed = 0;
        loop {
            begin(self);
            let (process, _) = self.site.faulty(Which::Nth(failed + 1), how);
            let host = self.site.driving(&process);
            let done = operation(&host, &self.drive);
            let call = process.failed();
            // A watch whose end the store refuses goes with the connection, and no other may.
            let unwatched = call.as_ref().is_none_or(|call| call.ends_with("UNWATCH"));
            let _host = Some(host).filter(|_| !unwatched);
            match (&call, &done) {
                (None, done) => assert!(done.is_ok(), "{done:?}"),
                (Some(call), Err(error)) if matches!(how, How::Undone | How::Unheard) => {
                    left(self, call, error);
                }
                _ => {}
            }
            self.go_on(next, call.as_deref().unwrap_or_default());
            if call.is_none() {
                return failed;
            }
            failed += 1;
        }
    }

    fn go_on(&self, next: Next, call: &str) {
        match next {
            Next::Detaches => {
                self.sound.detach(&self.drive, FORCE, &long(&self.sound)).expect(call);
                self.without_drive.assert_unchanged(&self.site.machine);
                Self::attach(&self.sound, self.drive.dom);
            }
            Next::Inserts => {
                match insert(&self.sound, &self.drive) {
                    Err(error) if error.kind() == Kind::Exists => {
                        eject(&self.sound, &self.drive).expect(call);
                        insert(&self.sound, &self.drive).expect(call);
                    }
                    inserted => inserted.expect(call),
                }
                assert_eq!(self.loops(), ["/dev/loop0 /images/data.img"], "{call}");
                eject(&self.sound, &self.drive).expect(call);
            }
            Next::Ejects => eject(&self.sound, &self.drive).expect(call),
        }
        // Where an error of the backend stood; they go with the drive.
        folders(&self.sound, &drive().ends(self.drive.dom));
        self.empty.assert_unchanged(&self.site.machine);
    }

    fn loops(&self) -> Vec<String> {
        self.site.machine.linux().loops()
    }

    /// Destroys the guest, of which nothing is left.
    fn end(self) {
        self.sound.destroy(self.drive.dom, &long(&self.sound)).unwrap();
        self.without_guest.assert_unchanged(&self.site.machine);
    }
}

/// A medium comes. When that fails, the drive is empty.
fn insertions(how: How, next: Next) -> usize {
    let scene = Scene::new();
    let failed = scene.walk(
        how,
        next,
        |_| {},
        insert,
        |scene, call, error| {
            assert!(error.leftovers().is_empty(), "{call}: {:?}", error.leftovers());
            scene.empty.assert_unchanged(&scene.site.machine);
        },
    );
    scene.end();
    failed
}

/// A medium goes. When that fails, it is there or gone.
fn ejections(how: How, next: Next, options: EjectOptions) -> usize {
    let scene = Scene::new();
    let begin = |scene: &Scene| insert(&scene.sound, &scene.drive).unwrap();
    let operation = |host: &Host, drive: &DeviceId| host.eject(drive, options, &long(host));
    let failed = scene.walk(how, next, begin, operation, |scene, call, error| {
        // Where the host did not say whether it has let go of the disk, that is told.
        let told = error.leftovers().is_empty() || call.ends_with("stat");
        assert!(told, "{call}: {:?}", error.leftovers());
        let params = scene.sound.store().read_opt(&scene.drive.record().join("params")).unwrap();
        assert!(params.as_deref() == Some(FILE.as_bytes()) || scene.loops().is_empty(), "{call}");
    });
    scene.end();
    failed
}

const ASKED: EjectOptions = EjectOptions { force: false };

#[test]
fn a_call_that_fails_leaves_a_drive_empty_and_the_next_medium_comes() {
    let failed = insertions(How::Undone, Next::Inserts);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_a_drive_empty() {
    let failed = insertions(How::Unheard, Next::Ejects);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn after_an_insertion_killed_after_a_call_a_medium_comes() {
    let failed = insertions(How::DeathAfter, Next::Inserts);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_an_insertion_killed_before_a_call_has_put_in_is_taken_out() {
    let failed = insertions(How::DeathBefore, Next::Ejects);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_an_insertion_killed_after_a_call_has_put_in_is_taken_out() {
    let failed = insertions(How::DeathAfter, Next::Ejects);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_drive_goes_after_an_insertion_that_was_killed() {
    let failed = insertions(How::DeathAfter, Next::Detaches);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn an_ejection_goes_on_after_a_call_that_failed() {
    let failed = ejections(How::Undone, Next::Ejects, ASKED);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn an_ejection_goes_on_after_a_call_that_was_done_but_unheard() {
    let failed = ejections(How::Unheard, Next::Ejects, ASKED);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_medium_comes_after_a_call_of_an_ejection_that_failed() {
    let failed = ejections(How::Undone, Next::Inserts, ASKED);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_drive_goes_after_a_call_of_an_ejection_that_failed() {
    let failed = ejections(How::Undone, Next::Detaches, ASKED);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn an_ejection_that_was_killed_before_a_call_the_next_toolstack_finishes() {
    let failed = ejections(How::DeathBefore, Next::Ejects, ASKED);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn an_ejection_that_was_killed_after_a_call_the_next_toolstack_finishes() {
    let failed = ejections(How::DeathAfter, Next::Ejects, ASKED);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn after_an_ejection_killed_after_a_call_a_medium_comes() {
    let failed = ejections(How::DeathAfter, Next::Inserts, ASKED);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_drive_goes_after_an_ejection_that_was_killed() {
    let failed = ejections(How::DeathAfter, Next::Detaches, ASKED);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn an_ejection_by_force_goes_on_after_a_call_that_failed() {
    let failed = ejections(How::Undone, Next::Ejects, EjectOptions { force: true });
    assert!(failed >= 50, "{failed} calls");
}
