//! One call after the other of an attachment and of a detachment fails, or is the last one of its
//! process, and what becomes of it.

mod changes;
mod elsewhere;
mod media;

use devices::{Ends, Spec};
use xen_sim::{How, Which};
use xen_types::DomId;
use xenops::device::DeviceId;
use xenops::{
    AttachOptions, ConsoleConfig, CreateOptions, DetachOptions, Error, GuestKind, Host, Hotplug,
    Kind, Leftover, Remnant, VbdConfig, VifConfig,
};
use xs::{Path, Store as _, View as _};

use crate::devices::{FILE, console, disk, file, port, site};
use crate::site::{Site, is_up, long};

const CONNECTED: AttachOptions = AttachOptions { hotplug: Hotplug::Native, connected: true };
const FORCE: DetachOptions = DetachOptions { force: true };

/// A guest on a machine with drivers, and a toolstack with which nothing goes wrong.
fn guest() -> (Site, Host, DomId) {
    guest_on(site())
}

fn guest_on(site: Site) -> (Site, Host, DomId) {
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
}

/// Removes the folders above a device, whose removal is not worth an error; which must be empty.
fn folders(sound: &Host, Ends { device, server, .. }: &Ends) {
    let (dom, kind) = (device.dom, &device.kind);
    for folder in [
        format!("/libxl/{dom}/device/{kind}"),
        format!("/local/domain/{dom}/device/{kind}"),
        format!("/local/domain/{dom}/device"),
        format!("/local/domain/{server}/backend/{kind}/{dom}"),
        format!("/local/domain/{server}/backend/{kind}"),
        format!("/local/domain/{server}/error/backend/{kind}/{dom}"),
        format!("/local/domain/{server}/error/backend/{kind}"),
        format!("/local/domain/{server}/backend"),
        format!("/local/domain/{server}/error/backend"),
        "/local/domain/0/error".to_owned(),
    ] {
        remove_empty(sound, &Path::new(folder).unwrap());
    }
}

/// Removes a folder, if there is one and it is empty.
fn remove_empty(sound: &Host, folder: &Path) {
    let Some(value) = sound.store().read_opt(folder).unwrap() else { return };
    if value.is_empty() && sound.store().directory(folder).unwrap().is_empty() {
        sound.store().rm(folder).unwrap();
    }
}

/// Has the calls of an attachment go wrong one by one; nothing may be left once a second toolstack
/// has finished. How many could go wrong.
fn attachments(spec: &impl Spec, how: How) -> usize {
    attachments_to(guest(), spec, how)
}

fn attachments_to((site, sound, dom): (Site, Host, DomId), spec: &impl Spec, how: How) -> usize {
    let before = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let host = site.driving(&process);
        let attached = host.attach(dom, spec, CONNECTED, &long(&host));
        let ends = spec.ends(dom);
        let device = &ends.device;
        let Some(call) = process.failed() else {
            attached.unwrap();
            drop(host); // what went wrong may have been the end of a watch, which nobody waits for
            finish(&sound, device, None);
            folders(&sound, &ends);
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
            finish(&sound, device, attached.as_ref().err());
            folders(&sound, &ends);
        }
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

/// The same of a detachment.
fn detachments(spec: &impl Spec, how: How) -> usize {
    detachments_from(guest(), spec, how)
}

fn detachments_from((site, sound, dom): (Site, Host, DomId), spec: &impl Spec, how: How) -> usize {
    let before = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let device = sound.attach(dom, spec, CONNECTED, &long(&sound)).unwrap();
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let host = site.driving(&process);
        let detached = host.detach(&device, DetachOptions::default(), &long(&host));
        let Some(call) = process.failed() else {
            detached.unwrap();
            drop(host);
            before.assert_unchanged(&site.machine);
            return failed;
        };
        let _host = Some(host).filter(|_| !call.ends_with("UNWATCH"));
        finish(&sound, &device, detached.as_ref().err());
        // The folders go with the record, so whoever is killed leaves both or neither.
        if !matches!(how, How::DeathBefore | How::DeathAfter) {
            folders(&sound, &spec.ends(dom));
        }
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

/// Creates a guest with devices.
type Create = fn(&Site, &Host) -> xenops::Result<DomId>;

/// A guest that starts with a disk in a file, an interface, and two consoles of its QEMU.
fn create(site: &Site, host: &Host) -> xenops::Result<DomId> {
    let mut config = site.config(GuestKind::Pvh, "");
    config.vbd.push(VbdConfig::new("xvda", FILE));
    config.vif.push(VifConfig::new("xenbr0"));
    config.console = vec![ConsoleConfig::new(1), ConsoleConfig::new(2)];
    host.create(&config, CreateOptions::default(), &long(host))
}

/// The same of a creation with devices. Whoever is killed, the next toolstack destroys the domain.
fn creations(how: How) -> usize {
    creations_on(&site(), create, how)
}

fn creations_on(site: &Site, create: Create, how: How) -> usize {
    let sound = site.driving(&site.machine.process());
    let others = domains(&sound);
    let before = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let host = site.driving(&process);
        let created = create(site, &host);
        let Some(call) = process.failed() else {
            sound.destroy(created.unwrap(), &long(&sound)).unwrap();
            drop(host);
            before.assert_unchanged(&site.machine);
            return failed;
        };
        let _host = Some(host).filter(|_| !call.ends_with("UNWATCH"));
        if let (Err(error), How::Undone | How::Unheard) = (&created, how) {
            assert!(error.leftovers().is_empty(), "{call}: {:?}", error.leftovers());
        }
        sweep(&sound, &others);
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

/// The same of the end of a domain with devices.
fn destructions(how: How) -> usize {
    destructions_on(&site(), create, how)
}

fn destructions_on(site: &Site, create: Create, how: How) -> usize {
    let sound = site.driving(&site.machine.process());
    let others = domains(&sound);
    let before = site.machine.snapshot().unwrap();
    let mut failed = 0;
    loop {
        let dom = create(site, &sound).unwrap();
        let (process, _) = site.faulty(Which::Nth(failed + 1), how);
        let host = site.driving(&process);
        let destroyed = host.destroy(dom, &long(&host));
        let Some(call) = process.failed() else {
            destroyed.unwrap();
            drop(host);
            before.assert_unchanged(&site.machine);
            return failed;
        };
        let _host = Some(host).filter(|_| !call.ends_with("UNWATCH"));
        if let Err(error) = sound.destroy(dom, &long(&sound)) {
            assert_eq!(error.kind(), Kind::NotFound, "{call}: {error:?}");
        }
        let left = destroyed.as_ref().err().into_iter().flat_map(|error| error.leftovers());
        for Leftover { what, .. } in left {
            if let Remnant::StorePath(path) = what {
                sound.store().rm_if_exists(&Path::new(path).unwrap()).unwrap();
            }
        }
        sweep(&sound, &others);
        before.assert_unchanged(&site.machine);
        failed += 1;
    }
}

fn domains(host: &Host) -> Vec<DomId> {
    host.xc().domains().unwrap().iter().map(|info| info.id).collect()
}

/// Destroys all domains but these, and removes folders whose removal is not worth an error.
pub(crate) fn sweep(sound: &Host, others: &[DomId]) {
    for dom in domains(sound).into_iter().filter(|dom| !others.contains(dom)) {
        sound.destroy(dom, &long(sound)).unwrap();
    }
    for home in others.iter().map(|dom| Path::domain(*dom)) {
        for top in [home.join("backend"), home.join("error/backend")] {
            for kind in ["vbd", "vif", "console"] {
                let of_kind = top.join(kind);
                for dom in sound.store().directory(&of_kind).unwrap_or_default() {
                    remove_empty(sound, &of_kind.join(&dom));
                }
                remove_empty(sound, &of_kind);
            }
            remove_empty(sound, &top);
        }
    }
    for folder in ["/libxl", "/vm", "/local/domain/0/error"] {
        remove_empty(sound, &Path::from_static(folder));
    }
}

#[test]
fn a_call_that_fails_leaves_nothing_of_a_guest_with_devices() {
    let failed = creations(How::Undone);
    assert!(failed >= 200, "{failed} calls");
}

#[test]
fn what_a_creation_with_devices_killed_after_a_call_has_made_the_next_toolstack_removes() {
    let failed = creations(How::DeathAfter);
    assert!(failed >= 200, "{failed} calls");
}

#[test]
fn what_the_end_of_a_guest_with_devices_fails_to_take_away_it_names_or_the_next_takes() {
    let failed = destructions(How::Undone);
    assert!(failed >= 50, "{failed} calls");
}

#[test]
fn what_the_end_of_a_guest_with_devices_that_is_killed_leaves_the_next_takes() {
    let failed = destructions(How::DeathBefore);
    assert!(failed >= 50, "{failed} calls");
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

#[test]
fn a_call_that_fails_leaves_nothing_of_a_console() {
    let failed = attachments(&console(), How::Undone);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn a_call_done_but_unheard_leaves_nothing_of_a_console() {
    let failed = attachments(&console(), How::Unheard);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_an_attachment_of_a_console_killed_before_a_call_leaves_the_next_takes() {
    let failed = attachments(&console(), How::DeathBefore);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_an_attachment_of_a_console_killed_after_a_call_leaves_the_next_takes() {
    let failed = attachments(&console(), How::DeathAfter);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_detachment_of_a_console_fails_to_take_away_it_names_or_the_next_takes() {
    let failed = detachments(&console(), How::Undone);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn a_detachment_of_a_console_goes_on_after_a_call_that_was_done_but_unheard() {
    let failed = detachments(&console(), How::Unheard);
    assert!(failed >= 20, "{failed} calls");
}

#[test]
fn what_a_detachment_of_a_console_that_is_killed_leaves_the_next_takes() {
    let failed = detachments(&console(), How::DeathAfter);
    assert!(failed >= 20, "{failed} calls");
}
