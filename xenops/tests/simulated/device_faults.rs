//! One call after the other of an attachment and of a detachment fails, or is the last one of its
//! process, and what becomes of it.

use devices::Spec;
use xen_sim::{How, Which};
use xen_types::DomId;
use xenops::device::DeviceId;
use xenops::{
    AttachOptions, DetachOptions, Error, GuestKind, Host, Hotplug, Kind, Leftover, Remnant,
};
use xs::{Path, Store as _, View as _};

use crate::devices::{disk, file, port, site};
use crate::site::{Site, is_up, long};

const CONNECTED: AttachOptions = AttachOptions { hotplug: Hotplug::Native, connected: true };
const FORCE: DetachOptions = DetachOptions { force: true };

/// A guest on a machine with drivers, and a toolstack with which nothing goes wrong.
fn guest() -> (Site, Host, DomId) {
    let site = site();
    let sound = site.driving(&site.machine.process());
    let dom = site.create(&sound, GuestKind::Pvh, "").unwrap();
    is_up(&sound, dom);
    (site, sound, dom)
}

/// Takes away what is left of a device: by a second try, and by what an error names as left behind.
fn finish(sound: &Host, device: &DeviceId, error: Option<&Error>) {
    if let Err(error) = sound.detach(device, FORCE, &long(sound)) {
        assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    }
    for Leftover { what, .. } in error.iter().flat_map(|error| error.leftovers()) {
        match what {
            Remnant::StorePath(path) => {
                sound.store().rm_if_exists(&Path::new(path).unwrap()).unwrap();
            }
            // That is what the second try was for.
            Remnant::Device(_) => {}
            other => panic!("left behind: {other}"),
        }
    }
    folders(sound, device);
}

/// Removes the folders above a device, whose removal is not worth an error; which must be empty.
fn folders(sound: &Host, device: &DeviceId) {
    let (dom, kind) = (device.dom, &device.kind);
    for folder in [
        format!("/libxl/{dom}/device/{kind}"),
        format!("/local/domain/{dom}/device/{kind}"),
        format!("/local/domain/{dom}/device"),
        format!("/local/domain/0/backend/{kind}/{dom}"),
        format!("/local/domain/0/backend/{kind}"),
        format!("/local/domain/0/error/backend/{kind}/{dom}"),
        format!("/local/domain/0/error/backend/{kind}"),
        "/local/domain/0/error/backend".to_owned(),
        "/local/domain/0/error".to_owned(),
    ] {
        let folder = Path::new(folder).unwrap();
        let Some(value) = sound.store().read_opt(&folder).unwrap() else { continue };
        if value.is_empty() && sound.store().directory(&folder).unwrap().is_empty() {
            sound.store().rm(&folder).unwrap();
        }
    }
}

/// Has the calls of an attachment go wrong one by one; nothing may be left once a second toolstack
/// has finished. How many could go wrong.
fn attachments(spec: &impl Spec, how: How) -> usize {
    let (site, sound, dom) = guest();
    let before = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let host = site.driving(&process);
        let attached = host.attach(dom, spec, CONNECTED, &long(&host));
        let device = spec.ends(dom).device;
        let Some(call) = process.failed() else {
            attached.unwrap();
            finish(&sound, &device, None);
            before.assert_unchanged(&site.machine);
            return failed;
        };
        // A watch whose end the store refuses goes with the connection, and no other may.
        let _host = Some(host).filter(|_| !call.ends_with("UNWATCH"));
        if matches!(how, How::Undone | How::Unheard)
            && let Err(error) = &attached
        {
            assert!(error.leftovers().is_empty(), "{call}: {:?}", error.leftovers());
        } else {
            finish(&sound, &device, attached.as_ref().err());
        }
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

/// The same of a detachment.
fn detachments(spec: &impl Spec, how: How) -> usize {
    let (site, sound, dom) = guest();
    let before = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let device = sound.attach(dom, spec, CONNECTED, &long(&sound)).unwrap();
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let host = site.driving(&process);
        let detached = host.detach(&device, DetachOptions::default(), &long(&host));
        let Some(call) = process.failed() else {
            detached.unwrap();
            before.assert_unchanged(&site.machine);
            return failed;
        };
        let _host = Some(host).filter(|_| !call.ends_with("UNWATCH"));
        finish(&sound, &device, detached.as_ref().err());
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_disk_in_a_file() {
    let failed = attachments(&file(), How::Undone);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_nothing_of_a_disk_in_a_file() {
    let failed = attachments(&file(), How::Unheard);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_an_attachment_of_a_file_killed_before_a_call_leaves_the_next_takes() {
    let failed = attachments(&file(), How::DeathBefore);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_an_attachment_of_a_file_killed_after_a_call_leaves_the_next_takes() {
    let failed = attachments(&file(), How::DeathAfter);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_block_device() {
    let failed = attachments(&disk(), How::Undone);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_an_attachment_of_a_block_device_killed_after_a_call_leaves_the_next_takes() {
    let failed = attachments(&disk(), How::DeathAfter);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_call_that_fails_leaves_nothing_of_an_interface() {
    let failed = attachments(&port(), How::Undone);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_nothing_of_an_interface() {
    let failed = attachments(&port(), How::Unheard);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_an_attachment_of_an_interface_killed_before_a_call_leaves_the_next_takes() {
    let failed = attachments(&port(), How::DeathBefore);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_an_attachment_of_an_interface_killed_after_a_call_leaves_the_next_takes() {
    let failed = attachments(&port(), How::DeathAfter);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_a_detachment_of_a_disk_fails_to_take_away_it_names_or_the_next_takes() {
    let failed = detachments(&file(), How::Undone);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_detachment_of_an_interface_fails_to_take_away_it_names_or_the_next_takes() {
    let failed = detachments(&port(), How::Undone);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn a_detachment_goes_on_after_a_call_that_was_done_but_unheard() {
    let failed = detachments(&file(), How::Unheard);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_detachment_that_is_killed_leaves_the_next_takes() {
    let failed = detachments(&file(), How::DeathBefore);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_detachment_of_an_interface_that_is_killed_leaves_the_next_takes() {
    let failed = detachments(&port(), How::DeathAfter);
    assert!(failed >= 20, "{failed} calls");
}
